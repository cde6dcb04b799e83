# SPDX-License-Identifier: Apache-2.0
"""Running an experiment: its arms in turn, what they come to so far after each round, and the comparison at the end."""

import random
import time
from collections.abc import Callable, Iterator
from math import ceil, sqrt
from pathlib import Path
from statistics import fmean, stdev

import click
from scipy import stats

from csworkbench.config.experiment_file import Experiment
from csworkbench.model.scenario import Scenario
from csworkbench.recording.library import RunFolder
from csworkbench.results import comparison_tables
from csworkbench.results.comparison import Comparison, compare
from csworkbench.results.report.page import page
from csworkbench.results.run_result import load_result
from csworkbench.results.tables import printable

from .common import fail

NARROW = 0.1  # an arm has runs enough when its mean is known to this share of itself
MOST = 999

RunOnce = Callable[[Scenario], tuple[int, RunFolder]]


def run_experiment(
    plan: Experiment, once: RunOnce, stopped: Callable[[RunFolder], bool]
) -> tuple[list[int], list[RunFolder]]:
    """All runs; Ctrl-C ends the series. Returns their exit codes and folders."""
    codes: list[int] = []
    folders: list[RunFolder] = []
    total = plan.repeat * len(plan.arms)
    for number, (arm, scenario) in enumerate(order_of(plan), 1):
        click.echo(f"run {number} of {total}: {arm}", err=True)
        code, folder = once(scenario)
        codes.append(code)
        folders.append(folder)
        if code == 2 or stopped(folder):
            break
        if number % len(plan.arms) == 0 and number < total:
            for line in needed(folders):
                click.echo(line, err=True)
        if plan.cool_down_s and number < total:
            click.echo(f"cooling down for {plan.cool_down_s:g} s", err=True)
            time.sleep(plan.cool_down_s)
    return codes, folders


def order_of(plan: Experiment, seed: int | None = None) -> Iterator[tuple[str, Scenario]]:
    """(arm, scenario) of each run. A shuffled order is another one each time, but for a given seed."""
    if plan.order == "blocks":
        for arm in plan.arms:
            yield from [arm] * plan.repeat
        return
    dice = random.Random(seed)  # noqa: S311 - an order, not a secret
    for _ in range(plan.repeat):
        arms = list(plan.arms)
        if plan.order == "shuffled":
            dice.shuffle(arms)
        yield from arms


def needed(folders: list[RunFolder]) -> Iterator[str]:
    """For each arm and service: how many more runs until the mean is known to a tenth of itself."""
    try:
        so_far = compare([load_result(folder.file) for folder in folders])
    except LookupError as error:
        yield f"so far: {error.args[0]}"
        return
    for service, figures in so_far.services.items():
        for f in figures:
            more = runs_needed(f.values)
            if more is not None and fmean(f.values) > f.bound_s:
                mean = f"{service} {fmean(f.values):.2f} s over {len(f.values)} runs"
                yield f"so far {printable(so_far.labels[f.arm])}: {mean}; {more} more for ± 10 %"


def runs_needed(values: tuple[float, ...]) -> int | None:
    """How many more runs until Student's interval is within NARROW of the mean; None from less than two."""
    if len(values) < 2 or not fmean(values):
        return None
    spread = stdev(values) / fmean(values)
    for n in range(len(values), MOST):
        if stats.t.ppf(0.975, n - 1) * spread / sqrt(n) <= NARROW:
            return n - len(values)
    return ceil((1.96 * spread / NARROW) ** 2)


def compared(folders: list[RunFolder]) -> Comparison:
    """The runs by arm; ends with 1 when none of them counts."""
    try:
        return compare([load_result(folder.file) for folder in folders])
    except LookupError as error:
        fail(str(error.args[0]), 1)


def write(plan: Experiment, folders: list[RunFolder], comparison: Comparison, out: Path) -> None:
    """comparison.csv, comparison.md and report.html. Ends with 1 when they cannot be written."""
    files = {
        "comparison.csv": comparison_tables.as_csv(comparison),
        "comparison.md": comparison_tables.markdown(comparison),
        "report.html": page([load_result(folder.file) for folder in folders], comparison, plan.name),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (out / name).write_text(text, encoding="utf-8")
            click.echo(str(out / name), err=True)
    except OSError as error:
        fail(f"cannot write to {out}: {error.strerror or error}", 1)
