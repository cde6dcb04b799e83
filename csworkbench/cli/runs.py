# SPDX-License-Identifier: Apache-2.0
"""`runs`, `show`, `export`: what has been measured."""

import json
from pathlib import Path
from typing import Any

import click

from csworkbench.recording.library import RunFolder, all_runs, runs_dir
from csworkbench.recording.reader import RunFileError
from csworkbench.results.export import Form, export_run
from csworkbench.results.headline import text_report
from csworkbench.results.parquet import NoPyarrow
from csworkbench.results.run_result import RunResult, load_result
from csworkbench.results.summary import summarise
from csworkbench.results.tables import harmless

from .common import fail, has_terminal, resume_line
from .find import find
from .live import is_live
from .run_list import Since
from .screen_options import Look, screen_options
from .team import clearly, current, store_option


def load(folder: RunFolder) -> RunResult:
    """Its figures; ends with 1 when the file cannot be read."""
    try:
        with clearly():
            return load_result(folder.file)
    except RunFileError as error:
        fail(str(error), 1)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@click.option("--named", default="", help="Whose id or scenario name contains these words.")
@click.option("--since", type=Since(), help="Begun since: an age (2d, 12h) or a UTC date (2026-11-20).")
@click.option("--verdict", default="", help="Whose verdict contains these words.")
@click.option("--tag", "tags", multiple=True, help="With this tag; several: with all of them.")
@click.option("--live", is_flag=True, help="Only those that go on.")
@click.option("--interrupted", is_flag=True, help="Only those whose engine is gone and did not end them.")
@click.option("--tui", is_flag=True, help="As a screen: find, open, compare, tag, export, delete. Without a limit.")
@screen_options
@store_option
def runs(as_json: bool, limit: int, tui: bool, look: Look, **wanted: Any) -> None:
    """List the newest runs, the newest first. A cut id is a beginning that every command takes."""
    from . import run_list

    team = current()
    if tui:
        from .run_screen import browse

        if team is not None:
            fail("--tui shows the runs on this machine; `csworkbench pull` brings them here", 2)
        if not has_terminal():
            fail("--tui needs a terminal; without it `runs` prints the list", 2)
        raise SystemExit(browse(run_list.Wanted(**wanted), look))
    with clearly():
        names = [folder.name for folder in (all_runs(runs_dir()) if team is None else team.runs())]
        if not names and not as_json:
            where = f"under {runs_dir()}; `csworkbench demo` makes one" if team is None else f"in {team.store.shown}"
            click.echo(f"no runs yet {where}", err=True)
        found = run_list.listed(runs_dir(), run_list.Wanted(**wanted), limit)
    for run in found:
        if run.entry.problem:
            click.echo(f"{run.folder.name}  unreadable: {run.entry.problem}", err=True)
    readable = [run for run in found if not run.entry.problem]
    if as_json:
        for run in readable:
            click.echo(json.dumps(run_list.as_json(run)))
    elif readable:
        click.echo("\n".join(run_list.lines(readable, names)))
        if gone := [run.folder.name for run in readable if run.interrupted]:
            more = f" ({len(gone) - 1} more are interrupted)" if len(gone) > 1 else ""
            click.echo(f"{resume_line(gone[0])}{more}", err=True)
    elif names:
        click.echo(f"none of {len(names)} runs fits", err=True)


@click.command()
@click.argument("run", default="last")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@store_option
def show(run: str, as_json: bool) -> None:
    """Show the result of RUN: an id, the beginning of one, a path, or `last`."""
    folder = find(run)
    result, labels = load(folder), folder.labels
    if as_json:
        click.echo(json.dumps(summarise(result), indent=2))
        return
    click.echo(text_report(result))
    if result.state.closed is None and not is_live(folder):
        click.echo(resume_line(folder.name))
    if labels.tags:
        click.echo(f"tags: {' '.join(labels.tags)}")
    if labels.note:
        click.echo(f"note: {harmless(labels.note)}")


@click.command()
@click.argument("run", default="last")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--form", type=click.Choice([str(form) for form in Form]), default="csv", show_default=True)
@store_option
def export(run: str, folder: Path, form: str) -> None:
    """Write samples.csv, outages.csv, events.csv, summary.csv and summary.json of RUN.

    --form is that of the samples: csv, jsonl (JSON Lines), or parquet (needs pyarrow).
    """
    try:
        with clearly():
            file = find(run).file
        for path in export_run(file, folder, Form(form)):
            click.echo(str(path))
    except NoPyarrow as error:
        fail(str(error), 2)
    except (RunFileError, OSError) as error:
        fail(str(error), 1)
