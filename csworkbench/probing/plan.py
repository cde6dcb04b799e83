# SPDX-License-Identifier: Apache-2.0
"""Which lanes a run has, and the plan each prober gets."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from csworkbench.model.cloud import Inventory
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.scenario import Intervals

SECOND_NS = 1_000_000_000
ICMP_TMAX_NS = SECOND_NS
TCP_TMAX_NS = 900_000_000  # below 1 s: only the first SYN counts, its first repeat comes at 1 s (S4)
SSH_PORT = 22


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """What one prober is to do; `run` is 32 hex digits."""

    run: str
    duration_s: float
    lanes: tuple[Lane, ...]

    @property
    def lane_ids(self) -> list[int]:
        """The lane numbers that may appear in the spool."""
        return [lane.id for lane in self.lanes]

    @property
    def records_per_s(self) -> float:
        """How many verdicts fall each second, and the clock record."""
        return sum(SECOND_NS / lane.interval_ns for lane in self.lanes) + 1

    def to_json(self) -> str:
        """The plan file (probes/FORMAT.md)."""
        lanes = []
        for lane in self.lanes:
            entry: dict[str, object] = {
                "lane": lane.id,
                "prober": str(lane.prober),
                "target": lane.target,
                "interval_ns": lane.interval_ns,
                "tmax_ns": lane.tmax_ns,
                "offset_ns": lane.offset_ns,
                **lane.keys.told(),
            }
            if lane.flow:
                entry["flow"] = lane.flow
            if lane.port:
                entry["port"] = lane.port
            lanes.append(entry)
        return json.dumps({"version": 1, "run": self.run, "duration_s": self.duration_s, "lanes": lanes})


def derive_lanes(
    inventory: Inventory, vantages: Sequence[Vantage], intervals: Intervals, egress_target: str
) -> list[Lane]:
    """The lanes that a network's VMs and rules give, for the vantages that can be used.

    Each tenant: egress ICMP as new flow (the headline) and same flow. The sentinel alone: gateway ARP (S11). Outside:
    per forwarded SSH port a half-open SYN (the headline) and the banner.
    """
    lanes: list[Lane] = []

    def add(service: Service, prober: Prober, vantage: Vantage, target: str, interval_s: float, **more: object) -> None:
        tmax = TCP_TMAX_NS if prober in (Prober.SYN, Prober.BANNER) else ICMP_TMAX_NS
        lanes.append(
            Lane(len(lanes), service, prober, vantage.name, target, int(interval_s * SECOND_NS), tmax, **more)  # type: ignore[arg-type]
        )

    for vantage in vantages:
        if vantage.kind is VantageKind.TENANT:
            for flow in ("new", "same"):
                add(
                    Service.EGRESS, Prober.ICMP, vantage, egress_target, intervals.icmp,
                    flow=flow, subject=vantage.name, headline=flow == "new",
                )  # fmt: skip
            if vantage.sentinel:
                add(
                    Service.GATEWAY, Prober.ARP, vantage, inventory.network.gateway, intervals.arp, subject=vantage.name
                )
        else:
            names = {vm.id: vm.name for vm in inventory.vms}
            for rule in inventory.forwardings:
                if rule.private_port != SSH_PORT or rule.protocol.lower() != "tcp":
                    continue
                subject = names.get(rule.vm_id, rule.public_ip)
                for prober, interval_s in ((Prober.SYN, intervals.syn), (Prober.BANNER, intervals.banner)):
                    add(
                        Service.INGRESS, prober, vantage, rule.public_ip, interval_s,
                        port=rule.public_port, subject=subject, headline=prober is Prober.SYN,
                    )  # fmt: skip
    return _staggered(lanes)


def _staggered(lanes: Iterable[Lane]) -> list[Lane]:
    """Spread the lanes of a vantage over their interval, so that they do not all send in one burst."""
    by_vantage: dict[str, list[Lane]] = {}
    for lane in lanes:
        by_vantage.setdefault(lane.vantage, []).append(lane)
    staggered = []
    for group in by_vantage.values():
        for index, lane in enumerate(group):
            offset_ns = lane.interval_ns * index // len(group)
            fields = {name: getattr(lane, name) for name in Lane.__dataclass_fields__} | {"offset_ns": offset_ns}
            staggered.append(Lane(**fields))
    return sorted(staggered, key=lambda lane: lane.id)
