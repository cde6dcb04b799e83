# SPDX-License-Identifier: Apache-2.0
"""The parts of summary.json that say how far the figures can be trusted."""

from collections.abc import Iterable
from typing import Any

from csworkbench.measurement.blind import Blind
from csworkbench.measurement.order import Distance
from csworkbench.measurement.reasons import cause_text, causes_text
from csworkbench.model.lane import Lane
from csworkbench.model.sample import Reason
from csworkbench.model.state import RunState

from .run_result import RunResult
from .times import rfc3339, seconds

Counted = Iterable[tuple[Reason, int, int]]


def counted(causes: Counted, lane: Lane) -> list[dict[str, Any]]:
    """Reasons with their counts, the commonest first."""
    ipv6 = ":" in lane.target
    return [
        {"reason": reason.text, "text": cause_text(reason, detail, lane.prober, ipv6=ipv6), "count": count}
        for reason, detail, count in causes
    ]


def reasons_text(causes: Counted, lane: Lane) -> str:
    """`timeout 12, unreachable: host 3/1 2`."""
    return causes_text(causes, lane.prober, ipv6=":" in lane.target)


def distance(found: Distance | None) -> dict[str, float] | None:
    """Seconds from one thing to another, with bounds; None when one of the two is not known."""
    if found is None:
        return None
    return {"s": seconds(found.middle_ns), "low": seconds(found.low_ns), "high": seconds(found.high_ns)}


def blind(result: RunResult, found: Blind) -> dict[str, Any]:
    """One blind stretch."""
    wall = result.state.wall_ns
    return {
        "start": rfc3339(wall(found.start_ns)), "start_ns": found.start_ns,
        "end": rfc3339(wall(found.end_ns)), "end_ns": found.end_ns,
        "s": seconds(found.end_ns - found.start_ns), "samples": found.samples, "cause": found.cause,
    }  # fmt: skip


def run_totals(result: RunResult) -> dict[str, Any]:
    """S14: the run as a whole."""
    totals = result.analysis.totals()
    return {
        "any_down_s": seconds(totals.any_down_ns), "all_services_down_s": seconds(totals.all_services_down_ns),
        "all_down_s": seconds(totals.all_down_ns), "services": totals.services, "services_hit": totals.hit,
    }  # fmt: skip


def server_clock(state: RunState) -> dict[str, float] | None:
    """The management server's wall clock less ours when the run began, s; None when it never gave its date."""
    clock = state.server_clock
    if clock is None:
        return None
    ours_s = (state.started_wall_ns - state.started_ns) / 1e9
    low, high = clock.low_s - ours_s, clock.high_s - ours_s
    return {"offset_s": round((low + high) / 2, 3), "low": round(low, 3), "high": round(high, 3)}


def clock_steps(result: RunResult) -> list[dict[str, Any]]:
    """Wall clocks that were set while the run went on; no figure depends on one."""
    wall = result.state.wall_ns
    return [
        {"clock": step.clock, "after": rfc3339(wall(step.after_ns)), "after_ns": step.after_ns,
         "before": rfc3339(wall(step.before_ns)), "before_ns": step.before_ns, "step_s": seconds(step.step_ns)}
        for step in result.analysis.clock_steps()
    ]  # fmt: skip
