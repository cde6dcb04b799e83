# SPDX-License-Identifier: Apache-2.0
"""Running an experiment: its arms in turn, what they come to so far after each round, and the comparison at the end."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil, sqrt
from pathlib import Path
from statistics import fmean, stdev

import click
from scipy import stats

from csworkbench.config.experiment_file import Experiment
from csworkbench.model.scenario import Scenario
from csworkbench.recording.library import RunFolder
from csworkbench.recording.reader import RunFileError
from csworkbench.results import comparison_tables, strategy_table
from csworkbench.results.comparison import Comparison, RunRecord, compare_records
from csworkbench.results.report.page import page
from csworkbench.results.report.table_page import table_page
from csworkbench.results.run_result import load_result
from csworkbench.results.strategy_table import table_of
from csworkbench.results.tables import printable

from .common import fail
from .series import Series

NARROW = 0.1  # an arm has runs enough when its mean is known to this share of itself
MOST = 999
REPORTED = 40  # runs whose timelines report.html holds; of a longer series it holds the comparison alone

RunOnce = Callable[[Scenario], tuple[int, RunFolder]]


def run_experiment(plan: Experiment, once: RunOnce, series: Series) -> list[int]:
    """All runs that the series lacks; Ctrl-C ends it. Returns their exit codes."""
    codes: list[int] = []
    left = remaining(plan, series.done)
    for number, (arm, scenario) in enumerate(left, 1):
        click.echo(f"run {number} of {len(left)}: {arm}", err=True)
        code, folder = once(scenario)
        codes.append(code)
        if code == 2:
            break
        try:
            stopped = series.add(arm, folder)
        except (OSError, RunFileError) as error:
            fail(f"{folder.path}: the run cannot be kept with its series: {error}", 1)
        if number == len(left):
            break
        if number % len(plan.arms) == 0:
            for line in needed(series.records):
                click.echo(line, err=True)
        if stopped:
            click.echo(f"stopped; --resume goes on with {series.tag}", err=True)
            break
        if plan.cool_down_s:
            click.echo(f"cooling down for {plan.cool_down_s:g} s", err=True)
            time.sleep(plan.cool_down_s)
    return codes


def remaining(plan: Experiment, done: Mapping[str, int], seed: int | None = None) -> list[tuple[str, Scenario]]:
    """The runs that are left, in the experiment's order, when so many of each arm are done."""
    skip = Counter(done)
    left = []
    for arm, scenario in order_of(plan, seed):
        if skip[arm] > 0:
            skip[arm] -= 1
        else:
            left.append((arm, scenario))
    return left


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


def needed(records: Sequence[RunRecord]) -> Iterator[str]:
    """For each arm, by service: how many more runs until the mean is known to a tenth of itself."""
    try:
        so_far = compare_records(records)
    except LookupError as error:
        yield f"so far: {error.args[0]}"
        return
    for arm in so_far.arms:
        told = []
        for service, figures in so_far.services.items():
            for f in figures:
                more = runs_needed(f.values) if f.arm == arm else None
                if more is not None and f.spread.mean > f.bound_s:
                    told.append(f"{service} {f.spread.mean:.2f} s, {more} more")
        if told:
            yield f"so far (for ± 10 %) {printable(so_far.labels[arm])}: {'; '.join(told)}"


def runs_needed(values: tuple[float, ...]) -> int | None:
    """How many more runs until Student's interval is within NARROW of the mean; None from less than two."""
    if len(values) < 2 or not fmean(values):
        return None
    spread = stdev(values) / fmean(values)
    for n in range(len(values), MOST):
        if stats.t.ppf(0.975, n - 1) * spread / sqrt(n) <= NARROW:
            return n - len(values)
    return ceil((1.96 * spread / NARROW) ** 2)


def compared(plan: Experiment, series: Series) -> Comparison:
    """The runs by arm; ends with 1 when none of them counts."""
    try:
        return compare_records(series.records, series.base(plan))
    except LookupError as error:
        fail(str(error.args[0]), 1)


def write(plan: Experiment, series: Series, comparison: Comparison, out: Path) -> None:
    """Comparison, table and report. Ends with 1 when they cannot be written."""
    table = table_of(series.records, series.base(plan))
    results = [load_result(folder.file) for folder in series.folders] if len(series.folders) <= REPORTED else []
    files = {
        "comparison.csv": comparison_tables.as_csv(comparison),
        "comparison.md": comparison_tables.markdown(comparison),
        "comparison.json": json.dumps(comparison_tables.as_json(comparison), indent=1) + "\n",
        "table.md": strategy_table.markdown(table, plan.name),
        "table.html": table_page(table, plan.name),
        "report.html": page(results, comparison, plan.name),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (out / name).write_text(text, encoding="utf-8")
            click.echo(str(out / name), err=True)
    except OSError as error:
        fail(f"cannot write to {out}: {error.strerror or error}", 1)
