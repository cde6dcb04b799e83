# SPDX-License-Identifier: Apache-2.0
"""How far the figures of a run can be off: interval, lateness, clock; and what was tried out before it."""

from dataclasses import dataclass
from typing import Any

from csworkbench.model.event import Calibrated
from csworkbench.model.state import VantageState

from .run_result import RunResult

CALIBRATED_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Of the lanes of one vantage with one interval; all in ns. An edge is reported as the middle of its bounds."""

    vantage: str
    interval_ns: int
    late_ns: int
    clock_ns: int
    step_ns: int = 0

    @property
    def length_ns(self) -> int:
        """How far the length of an outage can be off: each edge by half the distance of two samples."""
        return self.interval_ns + self.late_ns + self.step_ns

    @property
    def edge_ns(self) -> int:
        """How far an edge can be off on the recorder's clock."""
        return self.length_ns // 2 + self.clock_ns

    @property
    def line(self) -> str:
        """In one line."""
        step = f" + clock step {_ms(self.step_ns)}" if self.step_ns else ""
        late = "ping's start" if self.step_ns else "lateness p99"
        return (
            f"interval {_ms(self.interval_ns)} + {late} {_ms(self.late_ns)}{step} + clock {_ms(self.clock_ns)}"
            f" → edges ± {_ms(self.edge_ns)}, lengths ± {_ms(self.length_ns)} (worst: {self.vantage})"
        )


def uncertainties(result: RunResult) -> list[Uncertainty]:
    """For each interval of the headline lanes the vantage where it is worst; the shortest interval first."""
    worst: dict[int, Uncertainty] = {}
    for lane_state in result.state.lanes.values():
        lane, vantage = lane_state.lane, result.state.vantages.get(lane_state.lane.vantage)
        if not lane.headline or vantage is None or vantage.calibrated is None:
            continue
        tried = vantage.calibrated
        if tried.why and not tried.step_ns:
            continue
        late_ns = tried.late_p50_ns if tried.step_ns else tried.late_p99_ns
        clock_ns = result.analysis.bound_ns(lane.vantage)
        own = Uncertainty(lane.vantage, lane.interval_ns, late_ns, clock_ns, lane.stamp_step_ns)
        if lane.interval_ns not in worst or own.edge_ns > worst[lane.interval_ns].edge_ns:
            worst[lane.interval_ns] = own
    return [worst[interval_ns] for interval_ns in sorted(worst)]


def uncertainty_lines(result: RunResult) -> list[str]:
    """For the text report; empty when nothing was calibrated."""
    lines = [f"uncertainty: {found.line}" for found in uncertainties(result)]
    tried = [v.calibrated for v in result.state.vantages.values() if v.calibrated is not None]
    known = [one for one in tried if one.high_ns]
    if known:
        good = sum(not one.off_ns for one in known)
        lines.append(f"calibrated: an outage of known length lay within the bounds on {good} of {len(known)} vantages")
    not_tried = [one for one in tried if one.why]
    lines += [f"calibrated in part: {one.vantage}: {one.why}" for one in not_tried[:CALIBRATED_SHOWN]]
    if len(not_tried) > CALIBRATED_SHOWN:
        lines.append(f"  … and {len(not_tried) - CALIBRATED_SHOWN} more vantages")
    return lines


def calibration(vantage: VantageState, clock_ns: int) -> dict[str, Any] | None:
    """For summary.json; None when it was left out. Times in ms, as everywhere in a vantage's entry."""
    tried = vantage.calibrated
    if tried is None:
        return None
    return {
        "late_p50_ms": _round(tried.late_p50_ns), "late_p99_ms": _round(tried.late_p99_ns),
        "late_max_ms": _round(tried.late_max_ns), "wanted": tried.wanted, "sent": tried.sent,
        "too_late": tried.self_late, "scheduler": tried.scheduler, "clock_bound_ms": _round(clock_ns),
        "clock_step_ms": _round(tried.step_ns), "known_outage": _known(tried), "not_tried": tried.why,
    }  # fmt: skip


def _known(tried: Calibrated) -> dict[str, Any] | None:
    if not tried.high_ns:
        return None
    return {
        "interval_ms": _round(tried.judged_interval_ns), "true_low_ms": _round(tried.true_low_ns),
        "true_high_ms": _round(tried.true_high_ns), "low_ms": _round(tried.low_ns), "high_ms": _round(tried.high_ns),
        "within": not tried.off_ns,
    }  # fmt: skip


def _round(ns: int) -> float:
    return round(ns / 1e6, 3)


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.0f} ms" if ns % 1_000_000 == 0 else f"{ns / 1e6:.1f} ms"
