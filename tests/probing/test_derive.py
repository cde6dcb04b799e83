# SPDX-License-Identifier: Apache-2.0
"""Which lanes each service gives, for whom, and what is left out with which reason."""

import json
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from csworkbench.model.cloud import Balancer, Forwarding, Inventory, Network, Opening, StaticNat, Vm
from csworkbench.model.lane import Keys, Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.scenario import Intervals
from csworkbench.probing.derive import Able, Derived, SystemVm, Targets, Tier, derive_lanes
from csworkbench.probing.derive.beyond_targets import SystemVmKind
from csworkbench.probing.plan import ProbePlan
from tests.probes.net import load

S = 1_000_000_000
SERVICES = ("Dhcp", "Dns", "UserData", "Lb", "Firewall")
OUT = Vantage("outside", VantageKind.OUTSIDE)
KNOWN = Targets(outside="203.0.113.10", outside_port=20007, dns_name="example.org", egress6="2001:db8::1")


def inventory(vms: int = 4, **others: object) -> Inventory:
    found = tuple(Vm(f"id{n}", f"vm{n:02}", "Running", f"10.1.1.{100 + n}") for n in range(1, vms + 1))
    network = Network(
        "n", "probe-net", "Implemented", gateway="10.1.1.1", services=SERVICES, domain="cs.internal",
        ip6_cidr="2001:db8:1::/64",
    )  # fmt: skip
    rules = tuple(Forwarding(f"198.51.100.{10 + n}", 22, 22, "tcp", f"id{n}", "Active") for n in range(1, vms + 1))
    return replace(Inventory("4.22", network, vms=found, forwardings=rules), **others)  # type: ignore[arg-type]


def tenants(found: Inventory, quiet: str = "") -> list[Vantage]:
    return [
        Vantage(vm.name, VantageKind.TENANT, guest_ip=vm.ip, sentinel=not place, quiet=vm.name == quiet)
        for place, vm in enumerate(found.vms)
    ]


def derived(found: Inventory, targets: Targets = KNOWN, quiet: str = "", able: Able | None = None) -> Derived:
    return derive_lanes(found, [*tenants(found, quiet), OUT], Intervals(), "203.0.113.10", targets, able)


def of(lanes: list[Lane], service: Service, *probers: Prober) -> list[Lane]:
    return [lane for lane in lanes if lane.service is service and (not probers or lane.prober in probers)]


def reasons(result: Derived) -> dict[tuple[Service, str], str]:
    return {(left.service, left.what): left.why for left in result.left_out}


def test_flows_need_somebody_to_answer_outside() -> None:
    lanes = derived(inventory()).lanes
    (listener,) = [lane for lane in lanes if lane.prober is Prober.LISTEN]
    assert (listener.vantage, listener.port, listener.headline) == ("outside", 20007, False)
    flows = of(lanes, Service.EGRESS, Prober.CONNECT, Prober.UDP, Prober.HELD)
    assert {(lane.target, lane.port) for lane in flows} == {("203.0.113.10", 20007)}
    assert not any(lane.headline for lane in flows)
    without = derived(inventory(), replace(KNOWN, outside=""))
    assert not any(lane.prober in (Prober.LISTEN, Prober.UDP) for lane in without.lanes)
    (why,) = [why for (service, _), why in reasons(without).items() if service is Service.EGRESS]
    assert "vantages.outside.address" in why


def test_nobody_talks_to_or_from_the_quiet_vm() -> None:
    found = inventory(
        4,
        balancers=(Balancer("web", "198.51.100.30", 80, 8000, "tcp", "Active", ("id1", "id4")),),
        static_nats=(StaticNat("198.51.100.31", "id4"),),
        openings=(Opening("198.51.100.31", "tcp", 22, 22),),
    )
    result = derived(found, quiet="vm04")
    assert {(lane.service, lane.prober, lane.target) for lane in result.lanes if lane.vantage == "vm04"} == {
        (Service.EGRESS, Prober.ICMP, "203.0.113.10"), (Service.GATEWAY, Prober.NEIGHBOUR, "10.1.1.1"),
        (Service.IPV6, Prober.ICMP6, "2001:db8::1"), (Service.CONTROL, Prober.ICMP, "127.0.0.1"),
    }  # fmt: skip
    assert not any(lane.target in ("10.1.1.104", "198.51.100.14", "198.51.100.31") for lane in result.lanes)
    assert "quiet" in reasons(result)[Service.INGRESS, "SSH to vm04"]


def test_ingress_by_static_nat_needs_a_firewall_rule() -> None:
    nat = (StaticNat("198.51.100.31", "id4"), StaticNat("198.51.100.32", "gone"))
    closed = derived(inventory(static_nats=nat, openings=(Opening("198.51.100.31", "tcp", 80, 443),)))
    assert not any(lane.target == "198.51.100.31" for lane in closed.lanes)
    assert "port 22" in reasons(closed)[Service.INGRESS, "SSH to vm04 by 198.51.100.31"]
    for opening in (Opening("198.51.100.31", "tcp", 20, 30), Opening("198.51.100.31", "all")):
        lanes = of(derived(inventory(static_nats=nat, openings=(opening,))).lanes, Service.INGRESS)
        ways = [lane for lane in lanes if lane.target == "198.51.100.31"]
        assert {(lane.prober, lane.headline, lane.subject) for lane in ways} == {
            (Prober.SYN, True, "vm04"), (Prober.BANNER, False, "vm04"), (Prober.HELD, False, "vm04"),
        }  # fmt: skip
    (held,) = [lane for lane in ways if lane.prober is Prober.HELD]
    assert held.keys == Keys(mode="keepalive", reopen_ns=60 * S)
    assert held.tmax_ns <= held.interval_ns


def test_what_the_router_serves_is_asked_by_a_few() -> None:
    lanes = derived(inventory()).lanes
    for service in (Service.DHCP, Service.METADATA, Service.PASSWORD):
        assert [lane.vantage for lane in of(lanes, service)] == ["vm01", "vm02"]
        assert all(lane.headline and lane.target == "10.1.1.1" for lane in of(lanes, service))
    names = of(lanes, Service.DNS)
    assert [(lane.vantage, lane.keys.name, lane.keys.expect, lane.headline) for lane in names] == [
        ("vm01", "vm02.cs.internal", ("10.1.1.102",), True), ("vm01", "example.org", None, False),
        ("vm02", "vm01.cs.internal", ("10.1.1.101",), True), ("vm02", "example.org", None, False),
    ]  # fmt: skip
    assert all(lane.keys.headers is None for lane in of(lanes, Service.PASSWORD))  # no DomU_Request: no effect


def test_what_the_network_does_not_offer_is_said() -> None:
    found = inventory()
    bare = derived(replace(found, network=replace(found.network, services=("Firewall",), ip6_cidr="")))
    left = {Service.DNS, Service.DHCP, Service.METADATA, Service.PASSWORD}
    assert not left & {lane.service for lane in bare.lanes}
    assert {service for service, _ in reasons(bare)} >= left
    assert Service.IPV6 not in {service for service, _ in reasons(bare)}  # a network without it lacks nothing
    assert "no UserData" in reasons(bare)[Service.METADATA, "GET"]


def test_balancers_and_their_back_ends() -> None:
    rules = (
        Balancer("web", "198.51.100.30", 80, 8000, "tcp", "Active", ("id1", "id2")),
        Balancer("dns", "198.51.100.30", 53, 53, "udp", "Active", ("id1",)),
        Balancer("empty", "198.51.100.30", 81, 81, "tcp", "Active"),
    )
    result = derived(inventory(balancers=rules))
    (lane,) = of(result.lanes, Service.BALANCER)
    assert (lane.prober, lane.vantage, lane.port, lane.headline) == (Prober.CONNECT, "outside", 80, True)
    behind = of(result.lanes, Service.CONTROL, Prober.CONNECT)
    assert {(lane.subject, lane.port) for lane in behind} == {("vm01", 8000), ("vm02", 8000)}
    assert all(lane.vantage not in (lane.subject, "outside") and not lane.headline for lane in behind)
    assert "udp" in reasons(result)[Service.BALANCER, "dns 198.51.100.30:53"]
    assert "no VM" in reasons(result)[Service.BALANCER, "empty 198.51.100.30:81"]
    unread = inventory(balancers=rules[2:], unlisted=("back ends of load balancers",))
    assert of(derived(unread).lanes, Service.BALANCER)


def test_ipv6_and_who_can() -> None:
    able = Able(frozenset({"vm01", "vm02", "vm03", "outside"}), frozenset({"vm02"}), {"vm02": "ens3"})
    result = derived(inventory(), able=able)
    assert [(lane.prober, lane.vantage) for lane in of(result.lanes, Service.IPV6)] == [
        (Prober.ICMP6, "vm02"), (Prober.RA, "vm02"),
    ]  # fmt: skip
    assert of(result.lanes, Service.IPV6)[1].keys.interface == "ens3"
    assert [lane.vantage for lane in of(result.lanes, Service.DHCP)] == ["vm02"]
    shell = {lane.prober for lane in result.lanes if lane.vantage == "vm04"}
    assert shell == {Prober.ICMP}


def test_only_the_services_that_are_wanted_and_always_controls() -> None:
    targets = replace(KNOWN, services=frozenset({Service.DNS}))
    result = derived(inventory(), targets)
    assert {lane.service for lane in result.lanes} == {Service.DNS, Service.CONTROL}
    assert {service for service, _ in reasons(result)} <= {Service.DNS, Service.CONTROL}


def test_beyond_the_network() -> None:
    targets = replace(
        KNOWN,
        tiers=(Tier("app", "vm09", "10.1.2.101"),),
        system_vms=(
            SystemVm(SystemVmKind.CONSOLE_PROXY, "v-2-VM", "198.51.100.241"),
            SystemVm(SystemVmKind.SECONDARY_STORAGE, "s-1-VM", "198.51.100.240"),
        ),
    )
    lanes = derived(inventory(), targets).lanes
    assert {(lane.target, lane.port, lane.headline) for lane in of(lanes, Service.TIERS)} == {("10.1.2.101", 22, True)}
    for service, address in ((Service.CONSOLE, "198.51.100.241"), (Service.STORAGE, "198.51.100.240")):
        seen = [(lane.target, lane.port, lane.headline) for lane in of(lanes, service)]
        assert seen == [(address, 443, True), (address, 80, False)]  # never 3922


@given(
    vms=st.integers(0, 40), quiet=st.integers(0, 40), outside=st.booleans(), services=st.sets(st.sampled_from(SERVICES))
)
def test_lanes_are_few_numbered_and_readable(vms: int, quiet: int, outside: bool, services: set[str]) -> None:
    found = inventory(vms, balancers=(Balancer("web", "198.51.100.30", 80, 8000, "tcp", "Active", ("id1", "id2")),))
    found = replace(found, network=replace(found.network, services=tuple(services)))
    vantages = [*tenants(found, f"vm{quiet:02}"), *([OUT] if outside else [])]
    lanes = derive_lanes(found, vantages, Intervals(), "203.0.113.10", KNOWN).lanes
    assert [lane.id for lane in lanes] == list(range(len(lanes)))
    assert all(0 <= lane.offset_ns < min(lane.interval_ns, S) for lane in lanes)
    of_each = Counter(lane.vantage for lane in lanes)
    most = 14 if vms > 5 else 20  # IPv6, a second name and a balancer included
    assert all(count <= most for name, count in of_each.items() if name != "outside"), of_each
    assert not any(lane.headline and (lane.heartbeat or lane.service is Service.CONTROL) for lane in lanes)
    for name in of_each:
        own = tuple(lane for lane in lanes if lane.vantage == name)
        read = load("plan").parse_plan(json.loads(ProbePlan("ab" * 16, 60.0, own).to_json())).lanes
        assert [lane.lane for lane in read] == [lane.id for lane in own]
