# SPDX-License-Identifier: Apache-2.0
"""`report`: runs and their comparison in one file."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from csworkbench.results import comparison_tables
from csworkbench.results.comparison import Comparison, compare
from csworkbench.results.report.junit import junit
from csworkbench.results.report.page import page
from csworkbench.results.run_result import RunResult
from csworkbench.results.summary import summarise

from .common import fail
from .runs import find, load

FORMS = {".html": "HTML", ".xml": "JUnit", ".md": "Markdown", ".jsonl": "JSON Lines"}


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN...")
@click.option("--to", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@click.option("--title", default="", help="The report's heading.")
@click.option("--base", default="", help="A run of the arm to compare with; the first one's otherwise.")
def report(runs: Sequence[str], to: Path, title: str, base: str) -> None:
    """Write RUNs (by default the last) to FILE. Its ending says how: .html, .xml (JUnit), .md, .jsonl (summaries).

    The HTML file is one file: nothing in it is fetched from anywhere.
    """
    if to.suffix not in FORMS:
        endings = ", ".join(f"{suffix} ({name})" for suffix, name in FORMS.items())
        fail(f"{to}: what kind of report? End its name with {endings}", 2)
    results = [load(find(run)) for run in runs or ("last",)]
    text = _text(to.suffix, results, title, find(base).name if base else "")
    part = to.with_name(f"{to.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(to)
    except OSError as error:
        fail(f"cannot write {to}: {error.strerror or error}", 1)
    click.echo(str(to))


def _text(suffix: str, results: list[RunResult], title: str, base: str) -> str:
    if suffix == ".xml":
        return junit(results)
    if suffix == ".jsonl":
        return "".join(json.dumps(summarise(result)) + "\n" for result in results)
    comparison: Comparison | None = None
    if len(results) > 1 or suffix == ".md":
        try:
            comparison = compare(results, base)
        except LookupError as error:
            if suffix == ".md" or base:
                fail(str(error.args[0]), 1)
    if suffix == ".md" and comparison is not None:
        return comparison_tables.markdown(comparison)
    return page(results, comparison, title or _title(results))


def _title(results: list[RunResult]) -> str:
    opened = results[0].state.opened
    name = opened.name if opened else results[0].run
    return f"Downtime: {name}" if len(results) == 1 else f"Downtime over {len(results)} runs"
