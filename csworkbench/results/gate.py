# SPDX-License-Identifier: Apache-2.0
"""Whether a run is worse than like runs were: held against a percentile of their downtime, service by service."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from csworkbench.model.lane import Service

from .arms import arm_of
from .comparison import uncounted
from .run_result import RunResult


class GateRefused(Exception):
    """There is too little to hold it against; the message says how much there is and how much is needed."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One service: the run's downtime, the percentile of its `n` like runs, all in s."""

    service: Service
    down_s: float
    limit_s: float
    n: int

    @property
    def over(self) -> bool:
        """True when it was down longer than the limit."""
        return self.down_s > self.limit_s


@dataclass(frozen=True, slots=True)
class Gate:
    """All services, and the runs that were left out of the history with the reason."""

    limits: tuple[Limit, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def over(self) -> bool:
        """True when a service is over its limit."""
        return any(limit.over for limit in self.limits)


def needed(percentile: float) -> int:
    """How many runs a percentile takes: with fewer it would be their largest value, whatever it is called."""
    return ceil(round(100 / (100 - percentile), 9))


def percentile_of(values: Sequence[float], percentile: float) -> float:
    """The smallest value that at least so many per cent do not exceed (nearest rank). Values must not be empty."""
    return sorted(values)[max(ceil(round(percentile * len(values) / 100, 9)), 1) - 1]


def gate(result: RunResult, history: Sequence[RunResult], percentile: float) -> Gate:
    """Hold a run against its like: runs of its arm that ended in order. The run itself never counts.

    Raises GateRefused.
    """
    why = uncounted(result)
    if why:
        raise GateRefused(f"{result.run}: {why}; its figures cannot be held against a limit")
    arm, left_out, like = arm_of(result), [], []
    for other in {found.run: found for found in history if found.run != result.run}.values():
        why = uncounted(other) or ("" if arm_of(other) == arm else "another arm")
        if why:
            left_out.append((other.run, why))
        else:
            like.append(other)
    limits, least = [], needed(percentile)
    for service, report in result.services().items():
        values = [other.services()[service].down_ns / 1e9 for other in like if service in other.services()]
        if len(values) < least:
            raise GateRefused(
                f"n = {len(values)} like runs with {service} of {len(like) + len(left_out)} found;"
                f" P{percentile:g} needs at least {least}: measure more, or ask for a lower percentile"
            )
        limits.append(Limit(service, report.down_ns / 1e9, percentile_of(values, percentile), len(values)))
    if not limits:
        raise GateRefused(f"{result.run} measured no service")
    return Gate(tuple(limits), tuple(left_out))
