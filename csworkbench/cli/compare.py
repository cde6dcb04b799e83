# SPDX-License-Identifier: Apache-2.0
"""`compare`: what the runs of each arm come to, and how much better than the first."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from csworkbench.recording.library import RunFolder, runs_dir
from csworkbench.results import comparison_tables as tables
from csworkbench.results import strategy_table
from csworkbench.results.comparison import RunRecord, compare_records, record_of
from csworkbench.results.report.table_page import table_page

from .common import fail
from .find import find
from .run_list import Wanted, listed
from .runs import load
from .team import clearly, store_option

FORMS = ("text", "markdown", "csv", "json", "table", "table-html")


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

    Runs that differ in anything that matters are never averaged together. `table` (Markdown) and `table-html` have a
    row for each environment and a column for each strategy.
    """
    folders = [find(run) for run in runs] + (chosen(named or "", tags) if named or tags else [])
    if not folders:
        fail("name the runs to compare (`csworkbench runs` lists them), or use --named or --tag", 2)
    try:
        records = [record_of(load(folder)) for folder in folders]
        told = _told(form, records, find(base).name if base else "", named or " ".join(tags) or "runs")
    except LookupError as error:
        fail(str(error.args[0]), 2)
    if to is None:
        click.echo(told, nl=False)
        return
    try:
        to.write_text(told, encoding="utf-8")
    except OSError as error:
        fail(f"cannot write {to}: {error.strerror or error}", 1)


def _told(form: str, records: list[RunRecord], base: str, title: str) -> str:
    """Raises LookupError when nothing can be compared."""
    if form == "table":
        return strategy_table.markdown(strategy_table.table_of(records, base), title)
    if form == "table-html":
        return table_page(strategy_table.table_of(records, base), title)
    found = compare_records(records, base)
    if form == "markdown":
        return tables.markdown(found)
    if form == "csv":
        return tables.as_csv(found)
    return (json.dumps(tables.as_json(found), indent=2) if form == "json" else tables.text(found)) + "\n"


def chosen(named: str, tags: Sequence[str]) -> list[RunFolder]:
    """Runs by name and tags, oldest first, so that the first arm measured is the base."""
    with clearly():
        return [run.folder for run in reversed(listed(runs_dir(), Wanted(named, tags=tuple(tags))))]
