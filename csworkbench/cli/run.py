# SPDX-License-Identifier: Apache-2.0
"""`run` and `watch`: a scenario without a workbench."""

import asyncio
import json
import re
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click

from csworkbench.config import ConfigError
from csworkbench.config.experiment_file import Experiment, load_plan, with_repeat
from csworkbench.config.scenario_file import load_scenario
from csworkbench.model.scenario import Operation, Scenario
from csworkbench.recording.library import RunFolder, new_run, runs_dir
from csworkbench.results.export import export_run
from csworkbench.results.headline import text_report
from csworkbench.results.run_result import RunResult, load_result
from csworkbench.results.summary import summarise, summarise_many

from .common import fail
from .company import company, metrics_option
from .compose import Consent
from .host import Hosting, host
from .progress import Progress
from .team import publish_option

EXIT_ORDER = (2, 1, 5, 4, 3, 0)  # of repeated runs, the first that applies


class Duration(click.ParamType[float]):
    """A length of time as in scenarios: 500ms, 30s, 10m, 1h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)", str(value))
        if match is None:
            self.fail(f"{value!r} is no duration; write e.g. 30s or 10m", param, ctx)
        return float(match[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}[match[2]]


def _load(path: Path) -> Scenario:
    try:
        return load_scenario(path)
    except ConfigError as error:
        fail(str(error), 2)


def _load_plan(path: Path) -> Scenario | Experiment:
    try:
        return load_plan(path)
    except ConfigError as error:
        fail(str(error), 2)


def _run_experiment(plan: Experiment, out: Path | None, hosting: Hosting, as_json: bool, resume: bool) -> NoReturn:
    from csworkbench.results import comparison_tables

    from .experiment import compared, run_experiment, write
    from .series import last_series, new_series

    def once(scenario: Scenario) -> tuple[int, RunFolder]:
        # A test cloud that is up has options of its own; an arm that names some gets a cloud made for it.
        return run_once(scenario, replace(hosting, fresh_lab=scenario.lab is not None))

    try:
        series = last_series(plan, runs_dir()) if resume else new_series()
    except LookupError as error:
        fail(str(error.args[0]), 2)
    for line in series.told:
        click.echo(line, err=True)
    click.echo(f"the runs have the tag {series.tag}", err=True)
    codes = run_experiment(plan, once, series)
    if 2 in codes:
        raise SystemExit(2)
    comparison = compared(plan, series)
    click.echo(
        json.dumps(comparison_tables.as_json(comparison), indent=2) if as_json else comparison_tables.text(comparison)
    )
    if out is not None:
        for folder in series.folders:
            _export(folder, out / folder.name)
        write(plan, series, comparison, out)
    raise SystemExit(next((code for code in EXIT_ORDER if code in codes), 0))


def run_once(scenario: Scenario, hosting: Hosting) -> tuple[int, RunFolder]:
    """One headless run in this process: (exit code, its folder). Progress goes to stderr."""
    try:
        folder = new_run(scenario.name, runs_dir())
    except OSError as error:
        fail(f"cannot keep runs under {runs_dir()}: {error.strerror or error}; set CSWORKBENCH_DATA_DIR", 1)
    try:
        with company(folder), Progress() as progress:
            return asyncio.run(host(scenario, folder, replace(hosting, listener=progress))), folder
    except sqlite3.Error as error:
        fail(
            f"the run ended because {folder.file} cannot be written ({error}); how far it came:"
            f" `csworkbench show {folder.name}`; an operation that was begun goes on in CloudStack",
            1,
        )


def report(folders: list[RunFolder], out: Path | None, as_json: bool) -> None:
    """Export and print what the runs came to. A run that never measured prints nothing but its error."""
    results = [load_result(folder.file) for folder in folders]
    _print(results, as_json)
    click.echo(f"run file: {folders[-1].file}", err=True)
    if out is not None:
        for folder in folders:
            _export(folder, out if len(folders) == 1 else out / folder.name)


def _export(folder: RunFolder, target: Path) -> None:
    try:
        export_run(folder.file, target)
    except OSError as error:
        fail(f"cannot export to {target}: {error.strerror or error}; `csworkbench export` can do it later", 1)
    click.echo(f"exported to {target}", err=True)


def _print(results: list[RunResult], as_json: bool) -> None:
    if as_json:
        summaries = [summarise(result) for result in results]
        document = summaries[0] if len(summaries) == 1 else summarise_many(summaries)
        click.echo(json.dumps(document, indent=2))
        return
    for result in results:
        if result.state.lanes:
            click.echo(text_report(result))


@click.command()
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option("--repeat", type=click.IntRange(1, 1000), help="How many times; the scenario's own number otherwise.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write the CSV files here.")
@click.option("--yes", is_flag=True, help="Do not ask before the operation.")
@click.option("--force", is_flag=True, help="Go ahead although a check of the preflight says stop.")
@click.option("--no-diagnostics", is_flag=True, help="Do not collect logs when the operation went wrong.")
@click.option("--resume", is_flag=True, help="Of an experiment: go on with its last series.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@metrics_option
@publish_option
def run(
    scenario: Path,
    repeat: int | None,
    out: Path | None,
    yes: bool,
    force: bool,
    no_diagnostics: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Run SCENARIO: preflight, measure, operate, settle, verify, export.

    A file with `arms` is an experiment: its arms are run in turn and compared (docs/experiment.md).
    Progress goes to stderr. Exit codes: 0 done, 1 failed, 2 usage or missing confirmation, 3 over budget, 4 not
    measurable, 5 changed nothing.
    """
    plan = _load_plan(scenario)
    hosting = Hosting(Consent(yes=yes, force=force), diagnostics=not no_diagnostics)
    if isinstance(plan, Experiment):
        _run_experiment(with_repeat(plan, repeat), out, hosting, as_json, resume)
    if resume:
        fail(f"{scenario}: --resume is for experiments; a scenario is one run", 2)
    loaded = plan
    codes, folders = [], []
    for _ in range(repeat or loaded.repeat):
        code, folder = run_once(loaded, hosting)
        codes.append(code)
        folders.append(folder)
        if code == 2 or _stopped(folder):
            break
    if codes != [2]:
        report(folders, out, as_json)
    raise SystemExit(next(code for code in EXIT_ORDER if code in codes))


@click.command()
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option("--for", "length", type=Duration(), help="How long, e.g. 60s; until Ctrl-C otherwise.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write the CSV files here.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@metrics_option
@publish_option
def watch(scenario: Path, length: float | None, out: Path | None, as_json: bool) -> None:
    """Measure what SCENARIO names while somebody else operates. Nothing is changed."""
    loaded = replace(_load(scenario), operation=Operation())
    code, folder = run_once(loaded, Hosting(Consent(), measure_s=length))
    if code != 2:
        report([folder], out, as_json)
    raise SystemExit(code)


def _stopped(folder: RunFolder) -> bool:
    """Ctrl-C ends the whole series, not one run of it."""
    return any(acted.action == "stop" for _, acted in load_result(folder.file).state.actions)
