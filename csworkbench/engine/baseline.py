# SPDX-License-Identifier: Apache-2.0
"""What a lane's baseline means for the run, and which lanes are too slow to settle with (S13)."""

from collections.abc import Container
from enum import Enum, auto

from csworkbench.measurement.analysis import Analysis
from csworkbench.measurement.outage import Baseline
from csworkbench.model.event import LaneLeftOut
from csworkbench.model.lane import Lane, Service
from csworkbench.model.scenario import Scenario
from csworkbench.model.state import RunState

FEWEST = 3  # fewer samples than these are no baseline
SPARE_S = 1.0  # for a verdict to be written and read
CORE = frozenset({Service.EGRESS, Service.GATEWAY, Service.INGRESS})


class Ruling(Enum):
    """What becomes of a lane when its baseline is over."""

    COUNTS = auto()
    LEFT_OUT = auto()
    BLOCKS = auto()


def needed_services(scenario: Scenario) -> frozenset[Service]:
    """What a run is for: egress, gateway and ingress, and what the scenario names. Without these it must not begin."""
    named = [*scenario.budget, *(() if isinstance(scenario.lanes, str) else scenario.lanes)]
    return CORE | {service for service in Service if str(service) in named}


def judge(lane: Lane, baseline: Baseline, *, needed: Container[Service]) -> Ruling:
    """A lane that loses samples before anything was touched cannot say what the change did.

    A headline lane of a needed service blocks the start, and so does one that works but loses samples. What was
    derived from the inventory and never worked is left out.
    """
    if baseline.measurable or lane.heartbeat or (lane.slow and not baseline.lost):
        return Ruling.COUNTS
    if not baseline.sent:  # nothing is known of it at all
        return Ruling.BLOCKS if lane.headline and lane.service in needed else Ruling.LEFT_OUT
    if baseline.sent < FEWEST:
        return Ruling.COUNTS if baseline.sent > baseline.lost else Ruling.LEFT_OUT
    worked = baseline.sent > baseline.lost
    if lane.headline and (lane.service in needed or worked):
        return Ruling.BLOCKS
    return Ruling.LEFT_OUT


def judge_all(
    state: RunState, analysis: Analysis, *, needed: Container[Service]
) -> tuple[list[str], list[LaneLeftOut]]:
    """The lanes that block the start, each in words, and those that are left out. `analysis` is up to date."""
    bad: list[str] = []
    left_out: list[LaneLeftOut] = []
    for lane_id, lane_state in state.lanes.items():
        lane, baseline = lane_state.lane, analysis.baseline_so_far(lane_id)
        match judge(lane, baseline, needed=needed):
            case Ruling.BLOCKS:
                bad.append(f"{lane.subject} {lane.service} {lane.label} lost {baseline.lost} of {baseline.sent}")
            case Ruling.LEFT_OUT:
                why = f"lost {baseline.lost} of {baseline.sent} samples before the change"
                left_out.append(LaneLeftOut(lane.service, f"{lane.subject} {lane.label}", why, lane_id))
    return bad, left_out


def late_checks(state: RunState, confirm_s: float) -> frozenset[int]:
    """Numbers of the slow lanes that say less than one sample in a confirm window; they are looked at afterwards."""
    return frozenset(
        number
        for number, lane_state in state.lanes.items()
        if lane_state.lane.awaited
        and not lane_state.left_out
        and lane_state.lane.slow
        and lane_state.lane.interval_ns > confirm_s * 1e9
    )


def late_limit_s(state: RunState, late: Container[int]) -> float:
    """How long it takes at most until each of these has spoken once."""
    waits = [
        (lane_state.lane.interval_ns + lane_state.lane.tmax_ns) / 1e9
        for number, lane_state in state.lanes.items()
        if number in late
    ]
    return max(waits, default=0.0) + SPARE_S


def names(state: RunState, lanes: Container[int]) -> str:
    """These lanes in words."""
    return ", ".join(f"{s.lane.subject} {s.lane.service}" for number, s in state.lanes.items() if number in lanes)
