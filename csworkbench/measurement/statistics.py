# SPDX-License-Identifier: Apache-2.0
"""Figures over many runs (S15): means with intervals that hold at small n, ratios of means, tests of a difference.

All values are in s and not negative, as downtimes are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, exp, floor, inf, log, sqrt
from statistics import fmean, median, stdev

CONFIDENCE = 0.95
WIDEST = 3.0  # the upper arm of an interval is at most so many times Student's: values near 0 make logarithms wild
LEAST = 0.001  # below the resolution of a run there is no tail to the left to speak of
LARGEST_LOG = 700.0
EXACT = 20_000  # partitions of the runs that are all tried; beyond, a sample of them with a fixed seed
SHUFFLES = 9_999
SEED = 20_150_701  # any; fixed, so that the same runs give the same bytes

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """What n runs come to, in s. `sd` and `interval` (of the mean, 95 %) are None for a single run."""

    n: int
    mean: float
    median: float
    lowest: float
    highest: float
    sd: float | None
    interval: Interval | None


def spread(values: Sequence[float]) -> Spread:
    """Describe the runs. Raises ValueError without any."""
    if not values:
        raise ValueError("no runs")
    several = len(values) > 1
    return Spread(
        len(values), fmean(values), median(values), min(values), max(values),
        stdev(values) if several else None, mean_interval(values) if several else None,
    )  # fmt: skip


def mean_interval(values: Sequence[float]) -> Interval:
    """95 % interval of the mean; at least two values.

    The hull of Student's and of Cox's for log-normal values (with t, Olsson 2005): downtimes have long tails to the
    right, and Student's alone then covers 83 to 91 % at n = 5. Its ends are held to [0, three times Student's arm].
    """
    n, mean = len(values), fmean(values)
    from scipy import stats  # noqa: PLC0415 - takes half a second, and a run that is watched needs none of it

    t = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))
    arm = t * stdev(values) / sqrt(n)
    low, high = mean - arm, mean + arm
    if min(values) >= LEAST:
        logs = [log(value) for value in values]
        variance = stdev(logs) ** 2
        centre = fmean(logs) + variance / 2
        reach = t * sqrt(variance / n + variance**2 / (2 * (n - 1)))
        low = min(low, exp(min(centre - reach, log(mean))))
        high = max(high, min(exp(min(centre + reach, LARGEST_LOG)), mean + WIDEST * arm))
    return max(low, 0.0), high


def ratio_interval(over: Sequence[float], under: Sequence[float]) -> Interval | None:
    """95 % interval of mean(over) / mean(under), from the intervals of both (MOVER, Donner and Zou 2012).

    None when the interval below reaches 0, or a side has a single value: the ratio is then not bounded.
    """
    if len(over) < 2 or len(under) < 2:
        return None
    a, (a_low, a_high) = fmean(over), mean_interval(over)
    b, (b_low, b_high) = fmean(under), mean_interval(under)
    if b_low <= 0:
        return None
    return max(_mover(a, a_low, b, b_high, -1), 0.0), _mover(a, a_high, b, b_low, 1)


def _mover(a: float, a_end: float, b: float, b_end: float, side: int) -> float:
    """One end of the ratio; `b_end` is the end of b's interval that lies on the other side."""
    da, db = (a - a_end) ** 2, (b - b_end) ** 2
    below = b * b - db
    if below <= 0:
        # The quadratic has no end here: take the corner of both intervals, which is never narrower.
        return a_end / b_end
    return (a * b + side * sqrt(max(a * a * b * b - (a * a - da) * below, 0.0))) / below


def permutation_p(left: Sequence[float], right: Sequence[float]) -> float | None:
    """How likely means so far apart are when both sides are alike (two-sided); None with a side under two runs.

    All partitions where they are at most EXACT, else SHUFFLES of them.
    """
    if len(left) < 2 or len(right) < 2:
        return None
    if len({*left, *right}) == 1:
        return 1.0
    exact = comb(len(left) + len(right), len(left)) <= EXACT
    from scipy import stats  # noqa: PLC0415

    found = stats.permutation_test(
        (left, right), lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis), vectorized=True,
        n_resamples=inf if exact else SHUFFLES, rng=SEED,
    )  # fmt: skip
    return float(found.pvalue)


def least_p(left: int, right: int) -> float:
    """The smallest two-sided p that so many runs can reach at all."""
    return min(1.0, 2 / comb(left + right, left))


def false_alarms(left: int, right: int, level: float) -> float:
    """How often the permutation test gives p <= level when both sides are alike: less than level where n is small.

    Two-sided p comes in steps of two partitions.
    """
    partitions = comb(left + right, left)
    return 2 * floor(level * partitions / 2) / partitions


def fisher_p(left: Sequence[float], right: Sequence[float]) -> float:
    """Fisher's exact test on the share of runs without any downtime (two-sided)."""
    table = [[sum(v == 0 for v in side), sum(v > 0 for v in side)] for side in (left, right)]
    from scipy import stats  # noqa: PLC0415

    return float(stats.fisher_exact(table)[1])
