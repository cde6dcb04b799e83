# SPDX-License-Identifier: Apache-2.0
"""A read-only client: what changes something is refused before it is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.cloudstack import Client
from csworkbench.cloudstack.errors import ReadOnly
from csworkbench.cloudstack.read_only import ALSO_LOOKS, READS, is_read, only_looks
from csworkbench.lab.api.registry import COMMANDS
from csworkbench.lab.api.server import PATH

from .support import Bench, HandClock

CHANGING = ("create", "delete", "restart", "reboot", "stop", "start", "destroy", "update", "patch", "deploy", "setup")
__all__ = ["PATH"]  # importing the server registers all commands


@given(st.text(max_size=30))
def test_only_listed_names_pass(command: str) -> None:
    assert only_looks(command, {}) <= (command.startswith(READS) or command in ALSO_LOOKS)


def test_every_command_of_the_test_cloud_that_changes_something_is_refused() -> None:
    passed = {name for name in COMMANDS if only_looks(name, {})}
    assert not [name for name in passed if name.startswith(CHANGING)]
    assert {"getDiagnosticsData", "upgradeRouterTemplate", "associateIpAddress"} & passed == set()
    assert {"login", "logout", "listNetworks", "queryAsyncJobResult", "runDiagnostics"} <= passed
    assert not is_read("runDiagnostics")


@pytest.mark.parametrize(
    ("command", "params"),
    [
        ("restartNetwork", {"id": "x"}),
        ("updateConfiguration", {"name": "x", "value": "y"}),
        ("getDiagnosticsData", {"targetid": "x"}),
        ("getRouterHealthCheckResults", {"routerid": "x", "performFreshChecks": True}),
        ("inventedCommand", {}),
    ],
)
async def test_nothing_is_sent(bench: Bench, command: str, params: dict[str, str | bool]) -> None:
    around = HandClock().surroundings()
    async with Client(bench.cloud.credentials, journal=bench.journal, around=around, read_only=True) as client:
        assert client.read_only
        with pytest.raises(ReadOnly, match=f"{command}: .*was not sent") as caught:
            await client.call(command, **params)
        assert "\n" not in str(caught.value)
    assert bench.cloud.asked == []


async def test_looking_works(bench: Bench) -> None:
    bench.cloud.answers |= {"listZones": {}, "getRouterHealthCheckResults": {}}
    around = HandClock().surroundings()
    async with Client(bench.cloud.credentials, journal=bench.journal, around=around, read_only=True) as client:
        await client.call("listZones")
        await client.call("getRouterHealthCheckResults", routerid="x", performfreshchecks=False)
