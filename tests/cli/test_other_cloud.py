# SPDX-License-Identifier: Apache-2.0
"""A run never dials the test cloud's addresses from this host, under whatever name the cloud is given."""

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from csworkbench.cli import compose, other_cloud
from csworkbench.cli.compose import Consent, prepare_for
from csworkbench.cli.lab_cloud import LabCloud
from csworkbench.cli.other_cloud import dials_itself, in_test_net, refuse_test_nets
from csworkbench.config import ConfigError
from csworkbench.engine.prepared import NotPrepared
from csworkbench.model.cloud import Inventory, Network
from csworkbench.model.event import Body
from csworkbench.model.scenario import Outside, Scenario, Tenants, Vantages

ENDPOINT = "http://127.0.0.1:8096/client/api"
LAB = LabCloud(ENDPOINT, "k", "s", "203.0.113.10", "/nowhere", "ops", "", "", ())
SCENARIO = Scenario("x", "probe-net", cloud="env", egress_target="203.0.113.10")
THROUGH = Vantages(Tenants(proxy_command="csworkbench lab nc %h %p"), Outside(exec=("csworkbench", "lab", "exec")))
INVENTORY = Inventory("4.22", Network("n", "net", "Implemented"), public_ips=("198.51.100.11",))


class Memory:
    def write(self, *bodies: Body) -> None:
        """Keeps nothing."""


@pytest.fixture(autouse=True)
def _lab_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def running() -> LabCloud:
        return LAB

    def dialled(*_: object, **__: object) -> NoReturn:
        raise AssertionError("asked, or dialled")

    monkeypatch.setattr(other_cloud, "running_lab", running)
    monkeypatch.setattr(compose, "Client", dialled)
    for name, value in (("ENDPOINT", ENDPOINT), ("KEY", "k"), ("SECRET", "s")):
        monkeypatch.setenv(f"CLOUDSTACK_{name}", value)


@pytest.mark.parametrize("endpoint", [ENDPOINT, f"{ENDPOINT}/"])
async def test_the_test_cloud_under_another_name_is_refused(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLOUDSTACK_ENDPOINT", endpoint)
    with pytest.raises(NotPrepared, match="is the test cloud: its VMs are reached only with `cloud: lab`") as refused:
        await prepare_for(SCENARIO, Consent(yes=True))(Memory())
    assert refused.value.exit_code == 2


def test_who_dials_itself() -> None:
    assert dials_itself(SCENARIO)
    assert not dials_itself(replace(SCENARIO, vantages=THROUGH))
    assert dials_itself(replace(SCENARIO, vantages=replace(THROUGH, outside=Outside())))
    assert not dials_itself(replace(SCENARIO, vantages=Vantages(None, None)))


def test_a_test_cloud_that_is_up_elsewhere_is_known_by_its_addresses() -> None:
    with pytest.raises(ConfigError, match=r"198.51.100.11 is an address for documentation"):
        refuse_test_nets(SCENARIO, INVENTORY)
    refuse_test_nets(replace(SCENARIO, vantages=THROUGH), INVENTORY)
    refuse_test_nets(SCENARIO, replace(INVENTORY, public_ips=("100.64.0.1", "not one", "2001:db8::1")))
    assert [in_test_net(a) for a in ("192.0.2.255", "203.0.113.0", "198.51.99.1")] == [True, True, False]
