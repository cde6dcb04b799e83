# SPDX-License-Identifier: Apache-2.0
"""How often the intervals over runs hold the truth, how wide they are, and how often the test gives a false alarm.

`python -m tests.bench.bench_statistics [--full]`. Simulated run times with known means; 2,000 trials with --full, else
fewer. Width is told as a ratio to Student's interval on the same runs; the percentile bootstrap stands beside.
Fails when a claim does not hold; with few trials, when it is beyond three standard errors of it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
from scipy import stats

from csworkbench.measurement.statistics import false_alarms, least_p, mean_interval, permutation_p, ratio_interval

from .output import Output, words

TRIALS, FULL = 200, 2000
TESTS = {3: 300, 4: 300, 5: 300, 10: 50, 20: 50}  # without --full: a test of more than 20,000 partitions takes 20 ms
HELD, WIDTH, ALARMS, LEVEL = 0.92, 1.5, (0.03, 0.06), 0.05
JUDGED = (5, 10, 20)

#: How run times are drawn (generator, mean, how many), and their true mean.
SHAPES: dict[str, tuple[Callable[[Any, float, int], Any], Callable[[float], float]]] = {
    "normal, sd 10 %": (lambda rng, mean, n: rng.normal(mean, 0.1 * mean, n), lambda mean: mean),
    "normal, sd 30 %": (lambda rng, mean, n: rng.normal(mean, 0.3 * mean, n), lambda mean: mean),
    "lognormal, sigma 0.5": (lambda rng, mean, n: mean * rng.lognormal(0, 0.5, n), lambda mean: mean * np.exp(0.125)),
    "lognormal, sigma 0.8": (lambda rng, mean, n: mean * rng.lognormal(0, 0.8, n), lambda mean: mean * np.exp(0.32)),
}


def student(values: np.ndarray) -> tuple[float, float]:
    arm = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean() - arm, values.mean() + arm


def percentile(rng: np.random.Generator, values: np.ndarray) -> tuple[float, float]:
    means = values[rng.integers(0, len(values), (499, len(values)))].mean(axis=1)
    return tuple(np.quantile(means, [0.025, 0.975]))


def intervals(rng: np.random.Generator, name: str, n: int, trials: int) -> dict[str, float]:
    """Shares of trials in which each interval held the truth, and the mean width over Student's."""
    draw, truth_of = SHAPES[name]
    held = dict.fromkeys(("own", "Student", "percentile", "ratio"), 0)
    ratios, width, student_width = 0, 0.0, 0.0
    truth, base_truth = truth_of(3.0), truth_of(10.0)
    for _ in range(trials):
        runs, base = draw(rng, 3.0, n).clip(1e-9), draw(rng, 10.0, n).clip(1e-9)
        own, peer, blind = mean_interval(runs.tolist()), student(runs), percentile(rng, runs)
        for key, (low, high) in (("own", own), ("Student", peer), ("percentile", blind)):
            held[key] += low <= truth <= high
        width, student_width = width + own[1] - own[0], student_width + peer[1] - peer[0]
        ratio = ratio_interval(runs.tolist(), base.tolist())
        if ratio is not None:
            ratios += 1
            held["ratio"] += ratio[0] <= truth / base_truth <= ratio[1]
    shares = {key: count / (ratios if key == "ratio" else trials) for key, count in held.items() if ratios}
    return {**shares, "width": width / student_width}


def alarms(rng: np.random.Generator, name: str, n: int, trials: int) -> float:
    """How often two arms that are alike are told apart at 5 %."""
    draw, _ = SHAPES[name]
    found = 0
    for _ in range(trials):
        p = permutation_p(draw(rng, 5.0, n).tolist(), draw(rng, 5.0, n).tolist())
        found += p is not None and p <= LEVEL
    return found / trials


def judge(out: Output, what: str, found: dict[str, float], alarm: float, slack: Callable[[float], float]) -> None:
    """Say what is not as claimed; `slack`: what chance may take from a share."""
    for key in ("own", "ratio"):
        if found[key] < HELD - slack(HELD):
            out.violated(f"{what}: the {key} interval held in {found[key]:.1%}")
    if what.startswith("normal") and found["width"] > WIDTH:
        out.violated(f"{what}: {found['width']:.2f} times as wide as Student's")
    if not ALARMS[0] - slack(ALARMS[0]) <= alarm <= ALARMS[1] + slack(ALARMS[1]):
        out.violated(f"{what}: {alarm:.1%} false alarms")


def main() -> int:
    given = words("bench_statistics")
    out = Output("bench_statistics", given.to)
    began = time.monotonic()
    trials = FULL if given.full else TRIALS
    rng = np.random.default_rng(20151201)
    out.say(
        f"{trials:,d} trials a line; goal: held {HELD:.0%} or more, width at most {WIDTH} of Student's on normal data,"
    )
    out.say(f"alarms at {LEVEL:.0%} between {ALARMS[0]:.0%} and {ALARMS[1]:.0%}")
    heads = ("held", "width", "Student", "percentile", "ratio", "alarm")
    out.say(f"{'run times':<22} {'n':>3} {' '.join(head.rjust(10) for head in heads)}")
    for name in SHAPES:
        for n in JUDGED:
            tests = FULL if given.full else TESTS[n]
            found, alarm = intervals(rng, name, n, trials), alarms(rng, name, n, tests)
            out.say(
                f"{name:<22} {n:>3} {found['own']:>10.1%} {found['width']:>10.2f} {found['Student']:>10.1%}"
                f" {found['percentile']:>10.1%} {found['ratio']:>10.1%} {alarm:>10.1%}"
            )
            few = 0.0 if given.full else 3.0
            judge(out, f"{name}, n = {n}", found, alarm, lambda p: few * sqrt(p * (1 - p) / tests))  # noqa: B023
    out.say("where the test is discrete, p comes in steps, and 5 % cannot be had:")
    for n in (3, 4, 5):
        alarm = alarms(rng, "lognormal, sigma 0.5", n, FULL if given.full else TESTS[n])
        exact = false_alarms(n, n, LEVEL)
        out.say(
            f"n = {n}: least p {least_p(n, n):.4f}, false alarms at 5 %: {exact:.2%} by count, {alarm:.1%} in trials"
        )
        if abs(alarm - exact) > 4 * sqrt(max(exact, 0.001) / (FULL if given.full else TESTS[n])):
            out.violated(f"n = {n}: {alarm:.1%} false alarms in trials, {exact:.2%} by count")
    out.say(f"all of it {time.monotonic() - began:.0f} s")
    return out.end()


if __name__ == "__main__":
    sys.exit(main())
