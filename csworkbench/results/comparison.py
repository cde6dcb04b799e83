# SPDX-License-Identifier: Apache-2.0
"""Runs grouped by arm and compared with the first arm, service by service (S15)."""

from collections.abc import Sequence
from dataclasses import dataclass

from csworkbench.measurement.statistics import (
    Interval,
    Spread,
    false_alarms,
    fisher_p,
    least_p,
    permutation_p,
    ratio_interval,
    spread,
)
from csworkbench.model.event import Verdict
from csworkbench.model.lane import Service

from .arms import Arm, arm_of, differing
from .run_result import RunResult

FEW = 5  # a percentage from fewer runs carries a warning
LEVEL = 0.05
CAUTIOUS = 0.03  # a test that gives fewer false alarms than this at LEVEL misses much, and is said to
NOT_THE_OPERATION = {
    Verdict.FAILED: "the operation failed",
    Verdict.FAILED_AND_RECOVERED: "the operation failed",
    Verdict.OPEN: "still down at its end",
    Verdict.NOT_MEASURABLE: "not measurable",
}


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a comparison needs of a run, without its samples.

    `why`: why none of its figures counts, empty when they do. `down`: (down, half its bounds) by service, in s.
    """

    run: str
    arm: Arm
    why: str
    down: dict[Service, tuple[float, float]]
    gapless: bool


@dataclass(frozen=True, slots=True)
class Reduction:
    """How much less than the base, 1 being all of it. `highest` is that of the arm's best run.

    `p` is two-sided; `reachable` is the least p that so many runs can give; `test` names the test.
    """

    average: float
    highest: float
    interval: Interval | None
    p: float | None
    reachable: float
    test: str


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One arm in one service. `bound_s`: half of the widest bounds of its runs.

    `reduction` is None for the base, and when the base was down for less than its bounds.
    """

    arm: Arm
    runs: tuple[str, ...]
    values: tuple[float, ...]
    bound_s: float
    spread: Spread
    reduction: Reduction | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All arms, base first, per service. `left_out` are runs that count in none, and why."""

    arms: tuple[Arm, ...]
    labels: dict[Arm, str]
    services: dict[Service, tuple[ArmFigures, ...]]
    left_out: tuple[tuple[str, str], ...]
    warnings: tuple[tuple[Arm, str], ...]


def compare(results: Sequence[RunResult], base: str = "") -> Comparison:
    """`compare_records` of whole results."""
    return compare_records([record_of(result) for result in results], base)


def compare_records(records: Sequence[RunRecord], base: str = "") -> Comparison:
    """Group and compare. `base` is the id of a run of the arm to compare with, by default the first run's.

    Raises LookupError when no run of the base arm counts.
    """
    left_out: list[tuple[str, str]] = []
    groups: dict[Arm, list[RunRecord]] = {}
    for record in {record.run: record for record in records}.values():
        if record.why:
            left_out.append((record.run, record.why))
        else:
            groups.setdefault(record.arm, []).append(record)
    first = next((arm for arm, runs in groups.items() if any(r.run == base for r in runs)), None)
    if first is None and base:
        raise LookupError(f"{base}: {dict(left_out).get(base, 'not among the runs')}")
    order = tuple(sorted(groups, key=lambda arm: arm != first))  # stable: the base, then as they were named
    if not order:
        raise LookupError("no run to compare: " + "; ".join(f"{run}: {why}" for run, why in left_out))
    measured = {service for runs in groups.values() for record in runs for service in record.down}
    services = {service: _service(service, order, groups) for service in Service if service in measured}
    return Comparison(order, _labels(order), services, tuple(left_out), _warnings(order, groups))


def record_of(result: RunResult) -> RunRecord:
    """What is needed of a run once its samples are let go."""
    down = {service: (r.down_ns / 1e9, (r.high_ns - r.low_ns) / 2e9) for service, r in result.services().items()}
    return RunRecord(result.run, arm_of(result), uncounted(result), down, result.state.missing_records == 0)


def uncounted(result: RunResult) -> str:
    """Why no figure of a run counts; empty for one whose figures do."""
    verdict = result.state.verdict
    if verdict is None:
        return "unfinished"
    return NOT_THE_OPERATION.get(verdict.verdict, "")


def _service(service: Service, order: Sequence[Arm], groups: dict[Arm, list[RunRecord]]) -> tuple[ArmFigures, ...]:
    found: list[ArmFigures] = []
    base: tuple[float, ...] = ()
    for arm in order:
        reports = [(r.run, *r.down[service]) for r in groups[arm] if service in r.down]
        if not reports:
            continue
        values = tuple(down_s for _, down_s, _ in reports)
        bound_s = max(half_s for _, _, half_s in reports)
        reduction = _reduction(values, base) if base and arm != order[0] else None
        if arm == order[0] and sum(values) / len(values) > bound_s:  # else per cent of nothing that can be measured
            base = values
        found.append(ArmFigures(arm, tuple(run for run, _, _ in reports), values, bound_s, spread(values), reduction))
    return tuple(found)


def _reduction(values: tuple[float, ...], base: tuple[float, ...]) -> Reduction:
    mean_base = sum(base) / len(base)
    # By all runs together, not by which arm they are in: else the choice of the test would be a test of its own.
    share = 2 * sum(v == 0 for v in (*values, *base)) > len(values) + len(base)
    ratio = ratio_interval(values, base)
    return Reduction(
        average=1 - sum(values) / len(values) / mean_base,
        highest=1 - min(values) / mean_base,
        interval=None if ratio is None else (1 - ratio[1], 1 - ratio[0]),
        p=fisher_p(values, base) if share else permutation_p(values, base),
        reachable=least_p(len(values), len(base)),
        test="share of runs without downtime (Fisher)" if share else "difference of means (permutation)",
    )


def _labels(arms: Sequence[Arm]) -> dict[Arm, str]:
    """Titles, with what tells two arms of one title apart."""
    apart = differing(list(arms))
    return {arm: f"{arm.title} ({apart[arm]})" if apart[arm] else arm.title for arm in arms}


def _warnings(order: Sequence[Arm], groups: dict[Arm, list[RunRecord]]) -> tuple[tuple[Arm, str], ...]:
    told = []
    for arm in order:
        n = len(groups[arm])
        reachable = least_p(n, len(groups[order[0]]))
        if len(order) > 1 and n < FEW:
            told.append((arm, f"percentages from fewer than {FEW} runs say little"))
        if arm != order[0] and reachable > LEVEL:
            told.append((arm, f"so few runs cannot reach p <= {LEVEL:g} (at best {reachable:.2g})"))
        alarms = false_alarms(n, len(groups[order[0]]), LEVEL)
        if arm != order[0] and 0 < alarms < CAUTIOUS:
            told.append((arm, f"with so few runs p <= {LEVEL:g} is more cautious than it says: {alarms:.1%} by chance"))
        missing = [r.run for r in groups[arm] if not r.gapless]
        if missing:
            told.append((arm, f"records are missing in {', '.join(missing)}"))
    return tuple(told)
