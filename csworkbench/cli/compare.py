# SPDX-License-Identifier: Apache-2.0
"""`compare`: what the runs of each arm come to, and how much better than the first."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from csworkbench.recording.library import RunFolder, runs_dir
from csworkbench.results import comparison_tables as tables
from csworkbench.results.comparison import compare as compare_runs

from .common import fail
from .find import find
from .run_list import Wanted, listed
from .runs import load
from .team import clearly, store_option

FORMS = ("text", "markdown", "csv", "json")


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN...")
@click.option("--named", help="All runs whose id or scenario name contains these words.")
@click.option("--tag", "tags", multiple=True, help="All runs with this tag; several: with all of them.")
@click.option("--base", default="", help="A run of the arm to compare with; the first one's otherwise.")
@click.option("--form", type=click.Choice(FORMS), default="text", show_default=True)
@click.option("--to", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@store_option
def compare(runs: Sequence[str], named: str | None, tags: Sequence[str], base: str, form: str, to: Path | None) -> None:
    """Group RUNs by arm (environment, operation and all that changes a figure) and compare with the first arm.

    Runs that differ in anything that matters are never averaged together.
    """
    folders = [find(run) for run in runs] + (chosen(named or "", tags) if named or tags else [])
    if not folders:
        fail("name the runs to compare (`csworkbench runs` lists them), or use --named or --tag", 2)
    try:
        found = compare_runs([load(folder) for folder in folders], find(base).name if base else "")
    except LookupError as error:
        fail(str(error.args[0]), 2)
    told = {
        "text": lambda: tables.text(found) + "\n",
        "markdown": lambda: tables.markdown(found),
        "csv": lambda: tables.as_csv(found),
        "json": lambda: json.dumps(tables.as_json(found), indent=2) + "\n",
    }[form]()
    if to is None:
        click.echo(told, nl=False)
        return
    try:
        to.write_text(told, encoding="utf-8")
    except OSError as error:
        fail(f"cannot write {to}: {error.strerror or error}", 1)


def chosen(named: str, tags: Sequence[str]) -> list[RunFolder]:
    """Runs by name and tags, oldest first, so that the first arm measured is the base."""
    with clearly():
        return [run.folder for run in reversed(listed(runs_dir(), Wanted(named, tags=tuple(tags))))]
