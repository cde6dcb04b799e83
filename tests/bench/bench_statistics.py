# SPDX-License-Identifier: Apache-2.0
"""How often the intervals over runs hold the truth, how wide they are, and how often the test gives a false alarm.

`python -m tests.bench.bench_statistics [--full]`. Simulated run times with known means; 2,000 trials with --full, else
300. Width is told as a ratio to Student's interval on the same runs; the percentile bootstrap stands beside.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from csworkbench.measurement.statistics import least_p, mean_interval, permutation_p, ratio_interval

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


def main() -> None:
    trials = 2000 if "--full" in sys.argv else 300
    rng = np.random.default_rng(20151201)
    print(f"{trials} trials a line; goal: 92 % or more, width at most 1.5 of Student's on normal data, alarm 3-6 %")
    heads = ("held", "width", "Student", "percentile", "ratio", "alarm")
    print(f"{'run times':<22} {'n':>3} {' '.join(head.rjust(10) for head in heads)}")
    for name, (draw, truth_of) in SHAPES.items():
        for n in (5, 10, 20):
            held = student_held = percentile_held = ratio_held = ratios = alarms = 0
            width = student_width = 0.0
            for _ in range(trials):
                runs, base = draw(rng, 3.0, n).clip(1e-9), draw(rng, 10.0, n).clip(1e-9)
                truth = truth_of(3.0)
                low, high = mean_interval(runs.tolist())
                s_low, s_high = student(runs)
                p_low, p_high = percentile(rng, runs)
                held += low <= truth <= high
                student_held += s_low <= truth <= s_high
                percentile_held += p_low <= truth <= p_high
                width, student_width = width + high - low, student_width + s_high - s_low
                ratio = ratio_interval(runs.tolist(), base.tolist())
                if ratio is not None:
                    ratios += 1
                    ratio_held += ratio[0] <= truth / truth_of(10.0) <= ratio[1]
            tested = min(trials, 2000 if n < 10 else trials // 5)
            for _ in range(tested):
                one, other = draw(rng, 5.0, n), draw(rng, 5.0, n)
                alarms += (permutation_p(one.tolist(), other.tolist()) or 1.0) <= 0.05
            shares = (held, student_held, percentile_held)
            own, peer, blind = (f"{share / trials:.1%}".rjust(10) for share in shares)
            print(
                f"{name:<22} {n:>3} {own} {width / student_width:>10.2f} {peer} {blind}"
                f" {ratio_held / max(ratios, 1):>10.1%} {alarms / tested:>10.1%}"
            )
    print(f"least p that can be reached: n = 3: {least_p(3, 3):.3f}, 4: {least_p(4, 4):.3f}, 5: {least_p(5, 5):.4f}")


if __name__ == "__main__":
    main()
