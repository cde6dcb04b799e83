# SPDX-License-Identifier: Apache-2.0
"""What a VPC and system VMs add to the lanes of a run, and to its preflight."""

import pytest

from csworkbench.cli.cloud_access import scenario_facts
from csworkbench.cli.targets import targets_of
from csworkbench.cloudstack import Client, Credentials
from csworkbench.cloudstack.targets import read_target
from csworkbench.lab.api.server import PATH
from csworkbench.model.cloud import Inventory, Network, SystemVm, Vm, Vpc
from csworkbench.model.lane import Prober, Service, Vantage, VantageKind
from csworkbench.model.operation import LivePatch, Operation, Restart
from csworkbench.model.scenario import Intervals, Scenario
from csworkbench.probing.derive import Derived, derive_lanes
from csworkbench.upgrade import Level, preflight
from tests.cloudstack.support import HandClock, MemoryJournal
from tests.lab.served import served

OUTSIDE = Vantage("outside", VantageKind.OUTSIDE)
SERVICES = ("Dhcp", "Dns", "UserData")
WEB = Network("w", "web", "Implemented", cidr="10.1.1.0/24", gateway="10.1.1.1", vpc_id="v", services=SERVICES)
APP = Network("a", "app", "Implemented", cidr="10.1.2.0/24", gateway="10.1.2.1", vpc_id="v")
VMS = (
    Vm("1", "vm01", "Running", "10.1.1.11"), Vm("2", "vm02", "Running", "10.1.1.12"),
    Vm("3", "vm03", "Stopped", "10.1.2.10"), Vm("4", "vm04", "Running", "10.1.2.11"),
)  # fmt: skip
IN_VPC = Inventory("4.22", WEB, vms=VMS, vpc=Vpc("v", "probe-vpc", "Enabled"), tiers=(WEB, APP))


def derived(inventory: Inventory, tenants: list[Vantage]) -> Derived:
    targets = targets_of(Scenario("x"), None, inventory)
    return derive_lanes(inventory, [*tenants, OUTSIDE], Intervals(), "203.0.113.10", targets)


def test_each_tier_has_its_gateway_its_services_and_its_peers() -> None:
    running = [vm for vm in VMS if vm.state == "Running"]
    tenants = [Vantage(v.name, VantageKind.TENANT, guest_ip=v.ip, sentinel=v.name == "vm01") for v in running]
    result = derived(IN_VPC, tenants)
    found = {(lane.service, lane.prober, lane.vantage, lane.target) for lane in result.lanes}
    tiers = {place for place in found if place[0] is Service.TIERS}
    assert {(vantage, target) for _, _, vantage, target in tiers} == {
        ("vm01", "10.1.2.11"), ("vm02", "10.1.2.11"), ("vm04", "10.1.1.11"),
    }  # fmt: skip
    assert [place for place in found if place[1] is Prober.ARP] == [(Service.GATEWAY, Prober.ARP, "vm01", "10.1.1.1")]
    assert (Service.GATEWAY, Prober.NEIGHBOUR, "vm04", "10.1.2.1") in found
    assert {place[3] for place in found if place[0] is Service.METADATA} == {"10.1.1.1"}
    peers = {(v, t) for s, _, v, t in found if s is Service.CONTROL and t.startswith("10.")}
    assert peers == {("vm01", "10.1.1.12"), ("vm02", "10.1.1.11"), ("vm04", "10.1.2.10")}
    assert "GET in app" in [one.what for one in result.left_out]


def test_a_system_vm_has_its_own_lanes_alone() -> None:
    vms = (SystemVm("p", "v-2-VM", "consoleproxy", "Running", public_ip="198.51.100.241"),)
    result = derived(Inventory("4.22", Network("", "", ""), systemvms=vms), [])
    assert [(lane.service, lane.port) for lane in result.lanes if lane.service is not Service.CONTROL] == [
        (Service.CONSOLE, 443), (Service.CONSOLE, 80),
    ]  # fmt: skip
    assert {one.service for one in result.left_out} == {Service.CONTROL}


@pytest.mark.parametrize("kind", ["network", "router"])
@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (Operation(), (None, None)),
        (Operation(restart=Restart(cleanup=False, makeredundant=True)), (True, False)),
        (Operation(restart=Restart(cleanup=False, livepatch=True)), (False, True)),
        (Operation(live_patch=LivePatch()), (False, True)),
    ],
)
async def test_the_preflight_knows_the_operation(
    kind: str, operation: Operation, expected: tuple[bool | None, bool | None]
) -> None:
    async with served("4.22") as api:
        names = {"network": api.server.network.name, "router": api.server.routers[0].name}
        scenario = Scenario("x", operation=operation, **{kind: names[kind]})  # type: ignore[arg-type]
        credentials = Credentials(str(api.http.make_url(PATH)), *api.keys)
        async with Client(credentials, journal=MemoryJournal(), around=HandClock().surroundings()) as client:
            inventory = await read_target(client, *scenario.target)
            facts = await scenario_facts(client, scenario, inventory, lambda *_: None)
        assert facts.target is not None
        assert (facts.target.cleanup, facts.target.live_patch) == expected
        assert (facts.target.vm_id != "") is (kind == "router")
        assert len(facts.operated) == 1
        levels = {finding.id: finding.level for finding in preflight(facts)}
        assert levels.get("patchable") == (Level.PASS if expected[1] else None)
