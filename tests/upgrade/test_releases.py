# SPDX-License-Identifier: Apache-2.0
"""The readers against the test cloud's API in each release: what the old ones do not tell is worked out."""

from collections.abc import Callable
from typing import Any

import pytest

from csworkbench.cloudstack import Client, Credentials
from csworkbench.cloudstack.fleet import Scope, read_fleet
from csworkbench.lab.api.server import PATH
from csworkbench.model.fleet import Fleet
from csworkbench.upgrade import Facts, Level, Need, Operation, assess, preflight
from tests.cloudstack.support import HandClock, MemoryJournal
from tests.lab.served import Served, served

RELEASES = ("4.9", "4.11.1", "4.17", "4.22")


async def read(api: Served, scope: Scope | None = None) -> Fleet:
    """As `preflight` reads it."""
    credentials = Credentials(str(api.http.make_url(PATH)), *api.keys)
    async with Client(credentials, journal=MemoryJournal(), around=HandClock().surroundings()) as client:
        return await read_fleet(client, scope)


@pytest.mark.parametrize("release", RELEASES)
async def test_a_current_router_and_an_old_one(release: str) -> None:
    async with served(release) as api:
        (current,) = assess(await read(api))
        assert (current.need, current.remedy.operation) == (Need.CURRENT, Operation.NONE), current.reason
        router = api.server.routers[0]
        router.template_version, router.software_version = "4.5.1", "4.5.1.0"
        router.scripts_version = "0" * 32
        (old,) = assess(await read(api))
        assert (old.need, old.remedy.operation) == (Need.TEMPLATE, Operation.RESTART), old.reason
        assert old.remedy.patch.answer == "no"
        rolling = "beside the old one" in old.remedy.consequence
        assert rolling is (release != "4.9")


@pytest.mark.parametrize("release", RELEASES)
async def test_checks_of_a_fresh_cloud(release: str) -> None:
    async with served(release) as api:
        found = {f.id: f for f in preflight(Facts(await read(api)))}
        levels = {name: f.level for name, f in found.items()}
        assert levels.pop("system-vms") is Level.WARN  # this server has none
        if release in ("4.9", "4.11.1"):
            assert levels.pop("servers") is Level.HIDDEN  # listManagementServers came with 4.12
        assert set(levels.values()) == {Level.PASS}, found


@pytest.mark.parametrize(
    ("change", "check", "level"),
    [
        (lambda api: setattr(api.server, "maintenance", True), "servers", Level.STOP),
        (lambda api: setattr(api.server.network, "restart_required", True), "restart-required", Level.WARN),
        (lambda api: setattr(api.server.network.forwarding[0], "state", "Revoke"), "rules", Level.WARN),
        (lambda api: api.server.faults.change("no-capacity", on=True), "capacity", Level.STOP),
    ],
)
async def test_what_is_wrong_on_the_server_shows(change: Callable[[Any], None], check: str, level: Level) -> None:
    async with served("4.22") as api:
        change(api)
        network = api.server.network.id
        for scope in (None, Scope(network_id=network, zone_id=api.server.fixtures.zone)):
            found = {f.id: f.level for f in preflight(Facts(await read(api, scope)))}
            assert found[check] is level


async def test_a_job_that_is_pending() -> None:
    async with served("4.22") as api:
        _, reply = await api.call("restartNetwork", id=api.server.network.id, cleanup="true")
        found = {f.id: f for f in preflight(Facts(await read(api)))}
        assert found["jobs"].level is Level.WARN
        assert "RestartNetwork" in found["jobs"].evidence
        await api.settled(reply)


async def test_a_user_sees_his_networks_and_is_told_the_rest() -> None:
    async with served("4.22") as api:
        api.as_user("ops")
        found = await read(api)
        assert found.vms == ()
        assert [n.id for n in found.networks] == [api.server.network.id]
        assert {"listRouters", "listHosts", "listConfigurations", "listCapacity"} <= {h.command for h in found.hidden}
