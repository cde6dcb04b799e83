# SPDX-License-Identifier: Apache-2.0
"""Lanes from the inventory, and the plan that a prober gets."""

import json

from csworkbench.model.cloud import Forwarding, Inventory, Network, Vm
from csworkbench.model.lane import Prober, Service, Vantage, VantageKind
from csworkbench.model.scenario import Intervals
from csworkbench.probing.plan import ProbePlan, derive_lanes

VMS = tuple(Vm(f"id{n}", f"vm{n:02}", "Running", f"10.1.1.{100 + n}") for n in (1, 2, 3))
RULES = tuple(Forwarding(f"198.51.100.{10 + n}", 22, 22, "tcp", f"id{n}", "Active") for n in (1, 2, 3))
WEB = Forwarding("198.51.100.11", 80, 8080, "tcp", "id1", "Active")
INVENTORY = Inventory("4.22", Network("n", "probe-net", "Implemented", gateway="10.1.1.1"), vms=VMS,
                      forwardings=(*RULES, WEB))  # fmt: skip
TENANTS = [Vantage(vm.name, VantageKind.TENANT, sentinel=vm.name == "vm01") for vm in VMS]
OUTSIDE = Vantage("outside", VantageKind.OUTSIDE)


def test_auto_lanes() -> None:
    lanes = derive_lanes(INVENTORY, [*TENANTS, OUTSIDE], Intervals(), "203.0.113.10")
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
    lanes = derive_lanes(INVENTORY, [*TENANTS, OUTSIDE], Intervals(), "203.0.113.10")
    for vantage in ("vm01", "outside"):
        offsets = [lane.offset_ns for lane in lanes if lane.vantage == vantage]
        assert len(set(offsets)) == len(offsets)
        assert all(0 <= lane.offset_ns < lane.interval_ns for lane in lanes)


def test_plan_is_what_format_md_says() -> None:
    lanes = derive_lanes(INVENTORY, TENANTS[:1], Intervals(), "203.0.113.10")
    plan = json.loads(ProbePlan("ab" * 16, 60.0, tuple(lanes)).to_json())
    assert plan["version"] == 1
    assert [(e["prober"], e.get("flow"), e["target"]) for e in plan["lanes"]] == [
        ("icmp", "new", "203.0.113.10"), ("icmp", "same", "203.0.113.10"), ("arp", None, "10.1.1.1"),
    ]  # fmt: skip
