# SPDX-License-Identifier: Apache-2.0
"""Lanes from the inventory, and the plan that a prober gets."""

import json

import pytest

from csworkbench.model.cloud import Forwarding, Inventory, Network, Vm
from csworkbench.model.lane import Keys, Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.sample import Reason
from csworkbench.model.scenario import Intervals
from csworkbench.probing.derive import derive_lanes
from csworkbench.probing.plan import ProbePlan
from tests.probes.net import load

S = 1_000_000_000

VMS = tuple(Vm(f"id{n}", f"vm{n:02}", "Running", f"10.1.1.{100 + n}") for n in (1, 2, 3))
RULES = tuple(Forwarding(f"198.51.100.{10 + n}", 22, 22, "tcp", f"id{n}", "Active") for n in (1, 2, 3))
WEB = Forwarding("198.51.100.11", 80, 8080, "tcp", "id1", "Active")
INVENTORY = Inventory("4.22", Network("n", "probe-net", "Implemented", gateway="10.1.1.1"), vms=VMS,
                      forwardings=(*RULES, WEB))  # fmt: skip
TENANTS = [Vantage(vm.name, VantageKind.TENANT, sentinel=vm.name == "vm01") for vm in VMS]
OUTSIDE = Vantage("outside", VantageKind.OUTSIDE)


def test_the_probe_program_knows_every_prober_and_reason() -> None:
    assert set(Prober) == set(load("keys").SHAPES)
    codes = vars(load("codes"))
    named = {name: int(reason) for name, reason in Reason.__members__.items() if name != "OTHER"}
    assert {name: codes[name] for name in named} == named


@pytest.mark.parametrize(
    "lane",
    [
        Lane(1, Service.CONTROL, Prober.CONNECT, "vm01", "10.1.1.9", S, 900_000_000, port=22, keys=Keys(path=True)),
        Lane(1, Service.CONTROL, Prober.UDP, "vm01", "10.1.1.9", S, S, port=9, keys=Keys(path=False)),
        Lane(1, Service.DNS, Prober.DNS, "vm01", "10.1.1.1", S, S,
             keys=Keys(name="a.b", type="A", expect=("1.2.3.4",))),
        Lane(1, Service.PASSWORD, Prober.HTTP, "vm01", "10.1.1.1", S, S, port=8080,
             keys=Keys(path="/x", host="h", headers=(("A", "b"),), status=204, expect_crc=7)),
        Lane(1, Service.INGRESS, Prober.HELD, "out", "10.1.1.9", 2 * S, S, port=22,
             keys=Keys(mode="keepalive", reopen_ns=60 * S)),
        Lane(1, Service.DHCP, Prober.DHCP, "vm01", "10.1.1.1", 10 * S, S),
        Lane(1, Service.GATEWAY, Prober.GARP, "vm01", "10.1.1.1", S, S, keys=Keys(interface="eth0")),
    ],
)  # fmt: skip
def test_the_probe_program_reads_what_is_planned(lane: Lane) -> None:
    (read,) = load("plan").parse_plan(json.loads(ProbePlan("ab" * 16, 60.0, (lane,)).to_json())).lanes
    for name in ("prober", "target", "port", "interval_ns", "tmax_ns", "offset_ns"):
        assert getattr(read, name) == getattr(lane, name) or (name, read.port) == ("port", 53)
    told = lane.keys.told()
    assert read.interface == told.pop("interface", None)
    assert set(told) <= set(read.options)
    as_they_are = set(told) - {"name", "expect"}  # these two are packed for the wire
    assert {name: read.options[name] for name in as_they_are} == {name: told[name] for name in as_they_are}


def test_auto_lanes() -> None:
    lanes = derive_lanes(INVENTORY, [*TENANTS, OUTSIDE], Intervals(), "203.0.113.10").lanes
    assert [lane.id for lane in lanes] == list(range(len(lanes)))
    egress = [lane for lane in lanes if lane.service is Service.EGRESS]
    assert [(lane.vantage, lane.flow, lane.headline) for lane in egress] == [
        (vm, flow, flow == "new") for vm in ("vm01", "vm02", "vm03") for flow in ("new", "same")
    ]
    # S11: asking for the gateway's MAC refreshes the asker's own entry, so only the sentinel asks.
    assert [lane.vantage for lane in lanes if lane.prober is Prober.ARP] == ["vm01"]
    ingress = [lane for lane in lanes if lane.service is Service.INGRESS]
    assert {(lane.target, lane.subject) for lane in ingress} == {(r.public_ip, f"vm0{r.vm_id[2]}") for r in RULES}
    assert all(lane.port == 22 and lane.tmax_ns < 1_000_000_000 for lane in ingress)


def test_lanes_of_a_vantage_do_not_send_in_one_burst() -> None:
    lanes = derive_lanes(INVENTORY, [*TENANTS, OUTSIDE], Intervals(), "203.0.113.10").lanes
    for vantage in ("vm01", "outside"):
        offsets = [lane.offset_ns for lane in lanes if lane.vantage == vantage]
        assert len(set(offsets)) == len(offsets)
        assert all(0 <= lane.offset_ns < lane.interval_ns for lane in lanes)


def test_plan_is_what_format_md_says() -> None:
    lanes = derive_lanes(INVENTORY, TENANTS[:1], Intervals(), "203.0.113.10").lanes
    plan = json.loads(ProbePlan("ab" * 16, 60.0, tuple(lanes)).to_json())
    assert plan["version"] == 1
    assert [(e["prober"], e.get("flow"), e["target"]) for e in plan["lanes"]] == [
        ("icmp", "new", "203.0.113.10"), ("icmp", "same", "203.0.113.10"), ("arp", None, "10.1.1.1"),
        ("garp", None, "10.1.1.1"), ("icmp", "new", "127.0.0.1"), ("icmp", "new", "10.1.1.102"),
    ]  # fmt: skip
