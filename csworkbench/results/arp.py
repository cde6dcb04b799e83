# SPDX-License-Identifier: Apache-2.0
"""Router gap and ARP tail in words, in JSON and in CSV."""

from typing import Any

from csworkbench.measurement.arp_report import ArpReport, EgressSplit, Split
from csworkbench.measurement.arp_split import Part
from csworkbench.measurement.outage import Outage
from csworkbench.model.event import ChannelState
from csworkbench.model.lane import Lane
from csworkbench.model.sample import mac_text
from csworkbench.model.state import VantageState

from .run_result import RunResult
from .times import seconds, seconds_text

SPLIT_COLUMNS = (
    "router_gap_s", "router_gap_low_s", "router_gap_high_s", "arp_tail_s", "arp_tail_low_s", "arp_tail_high_s", "split",
)  # fmt: skip


def split_json(split: Split) -> dict[str, Any]:
    """Under the names of SPLIT_COLUMNS; null where an outage could not be split."""
    figures = [None if ns is None else seconds(ns) for ns in _figures(split)]
    return dict(zip(SPLIT_COLUMNS, [*figures, split.why or None], strict=True))


def split_cells(arp: ArpReport, lane: Lane, outage: Outage) -> list[str | int | float]:
    """The cells of SPLIT_COLUMNS; empty for outages that are not of egress."""
    if not arp.splittable(lane):
        return [""] * len(SPLIT_COLUMNS)
    split = arp.split(outage)
    return [*("" if ns is None else seconds_text(ns) for ns in _figures(split)), split.why]


def egress_json(arp: ArpReport) -> dict[str, Any]:
    """What services.egress has beside its figures: the split of its worst VM, and of the quiet one."""
    worst, quiet = arp.egress(), arp.quiet()
    return {
        **split_json(worst.split if worst else Split()),
        "quiet": {"vm": quiet.vantage, **split_json(quiet.split)} if quiet else None,
    }


def gateway_json(result: RunResult, arp: ArpReport) -> dict[str, Any]:
    """What gateway ARP has beside its figures. Stamps are the recording host's, ns."""
    dual, arp_lane = arp.dual_owners(), [s.lane for s in result.state.lanes.values() if s.second_owners]
    align = result.analysis.align
    vantage = arp_lane[0].vantage if arp_lane else ""
    return {
        "dual_owner_s": seconds(dual.down_ns) if dual else None,
        "dual_owner_low_s": seconds(dual.low_ns) if dual else None,
        "dual_owner_high_s": seconds(dual.high_ns) if dual else None,
        "second_owners": [
            {"ns": align(vantage, second.remote_ns), "mac": mac_text(second.mac)}
            for lane in arp_lane
            for second in result.state.lanes[lane.id].second_owners[:MOST_LISTED]
        ],
        "owners": [{"since_ns": at, "mac": mac_text(mac)} for at, mac in arp.owners()[:MOST_LISTED]],
        "announcements": [
            {"ns": at, "vantage": name, "mac": mac_text(mac)} for at, name, mac in arp.announcements()[:MOST_LISTED]
        ],
        "stale": [
            {"vm": one.vantage, "mac": mac_text(one.mac) if one.mac else None, "start_ns": sum(one.onset) // 2,
             "end_ns": sum(one.end) // 2, "low_s": seconds(max(one.end[0] - one.onset[1], 0)),
             "high_s": seconds(one.end[1] - one.onset[0])}
            for one in arp.stale()[:MOST_LISTED]
        ],
    }  # fmt: skip


MOST_LISTED = 1000  # of what a run on a broken network may have without end


def quiet_json(vantage: VantageState) -> dict[str, Any]:
    """Whether it was the quiet VM, and from when to when nobody talked to it (host ns; null: still)."""
    return {
        "quiet": vantage.vantage.quiet,
        "hushed": [{"from_ns": a, "until_ns": b or None} for a, b in vantage.hushed],
    }


def parts(egress: EgressSplit | None) -> str:
    """`router gap 5.30 s + ARP tail 4.12 s (quiet vm10)`; empty when it is not known."""
    if egress is None or egress.split.gap is None or egress.split.tail is None:
        return ""
    return f"router gap {_s(egress.split.gap)} + ARP tail {_s(egress.split.tail)} ({egress.role})"


def role_lines(result: RunResult) -> list[str]:
    """Which VM was what, and what that means for the figures."""
    arp = ArpReport(result.state, result.analysis)
    worst, quiet = arp.egress(), arp.quiet()
    names = {v.vantage.name: v for v in result.state.vantages.values()}
    sentinel = next((n for n, v in names.items() if v.vantage.sentinel), "")
    silent = next((n for n, v in names.items() if v.vantage.quiet), "")
    lines = []
    if sentinel:
        lines.append(
            f"sentinel {sentinel}: asks who has the gateway; asking heals its own entry: its ARP tail is about 0"
        )
    if silent:
        still = ", still is" if names[silent].channel is ChannelState.QUIET else ""
        lines.append(f"quiet {silent}: nobody talked to it from the change on{still}; the ARP tail is its word")
    elif sentinel:
        lines.append("no VM was quiet: our own channels and probes may have ended an ARP tail")
    for one in dict.fromkeys(e for e in (worst, quiet) if e is not None):
        if one.split.why:
            lines.append(f"{one.role}: {'not split: ' if one.split.gap is None else ''}{one.split.why}")
    if quiet is not None and (worst is None or worst.vantage != quiet.vantage) and parts(quiet):
        lines.append(f"its egress was down for {parts(quiet)}")
    dual = arp.dual_owners()
    if dual is not None and dual.spans:
        lines.append(f"two owners answered for the gateway for {dual.down_ns / 1e9:.2f} s")
    return lines


def _s(part: Part) -> str:
    return f"{part.down_ns / 1e9:.2f} s"


def _figures(split: Split) -> list[int | None]:
    if split.gap is None or split.tail is None:
        return [None] * 6
    return [ns for part in (split.gap, split.tail) for ns in (part.down_ns, part.low_ns, part.high_ns)]
