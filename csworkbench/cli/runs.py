# SPDX-License-Identifier: Apache-2.0
"""`runs`, `show`, `export`: what has been measured."""

import json
from pathlib import Path

import click

from csworkbench.recording.library import RunFolder, RunNotFound, all_runs, find_run, runs_dir
from csworkbench.recording.reader import RunFileError
from csworkbench.results.export import export_run
from csworkbench.results.headline import text_report
from csworkbench.results.run_result import RunResult, load_result
from csworkbench.results.summary import summarise
from csworkbench.results.tables import harmless

from .common import fail
from .live import is_live


def find(text: str) -> RunFolder:
    """A run by what the user typed; ends with 2 when there is none."""
    try:
        return find_run(text, runs_dir())
    except RunNotFound as error:
        fail(str(error), 2)


def load(folder: RunFolder) -> RunResult:
    """Its figures; ends with 1 when the file cannot be read."""
    try:
        return load_result(folder.file)
    except RunFileError as error:
        fail(str(error), 1)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
def runs(as_json: bool, limit: int) -> None:
    """List the newest runs."""
    found = all_runs(runs_dir())
    if not found and not as_json:
        click.echo(f"no runs yet under {runs_dir()}; `csworkbench demo` makes one", err=True)
    for folder in found[:limit]:
        try:
            result = load_result(folder.file)
        except RunFileError as error:
            click.echo(f"{folder.name}  unreadable: {error}", err=True)
            continue
        live = is_live(folder)
        verdict = f"live: {result.state.phase}" if live else result.verdict
        if not live and result.state.opened and not result.state.closed and result.state.verdict is None:
            verdict = "interrupted"  # its engine was gone before it could end
        services = {str(s): r for s, r in result.services().items()}
        if as_json:
            figures = {name: round(r.down_ns / 1e9, 3) for name, r in services.items()}
            click.echo(json.dumps({"run": folder.name, "verdict": verdict, "live": live, "down_s": figures}))
        else:
            figures_text = "  ".join(f"{name} {r.down_ns / 1e9:.2f} s" for name, r in services.items())
            name = harmless(result.state.opened.name) if result.state.opened else ""
            click.echo(f"{folder.name:<44} {verdict:<22} {figures_text}  {name}")


@click.command()
@click.argument("run", default="last")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def show(run: str, as_json: bool) -> None:
    """Show the result of RUN: an id, the beginning of one, a path, or `last`."""
    result = load(find(run))
    click.echo(json.dumps(summarise(result), indent=2) if as_json else text_report(result))


@click.command()
@click.argument("run", default="last")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False))
def export(run: str, folder: Path) -> None:
    """Write samples.csv, outages.csv, events.csv, summary.csv and summary.json of RUN."""
    try:
        for path in export_run(find(run).file, folder):
            click.echo(str(path))
    except (RunFileError, OSError) as error:
        fail(str(error), 1)
