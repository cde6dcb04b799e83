# SPDX-License-Identifier: Apache-2.0
"""`report`: runs and their comparison in one file."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from csworkbench.recording.library import RunFolder
from csworkbench.recording.reader import RunFileError
from csworkbench.recording.redact import redacted_states
from csworkbench.results import comparison_tables
from csworkbench.results.comparison import Comparison, compare
from csworkbench.results.report.junit import junit
from csworkbench.results.report.page import page
from csworkbench.results.run_result import RunResult, analyse
from csworkbench.results.summary import summarise
from csworkbench.results.tables import printable

from .common import fail
from .find import find
from .runs import load
from .team import clearly, store_option

FORMS = {".html": "HTML", ".xml": "JUnit", ".md": "Markdown", ".jsonl": "JSON Lines"}


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN...")
@click.option("--to", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@click.option("--title", default="", help="The report's heading.")
@click.option("--base", default="", help="A run of the arm to compare with; the first one's otherwise.")
@click.option("--redact", is_flag=True, help="Without names and addresses; the same pseudonym in all runs.")
@store_option
def report(runs: Sequence[str], to: Path, title: str, base: str, redact: bool) -> None:
    """Write RUNs (by default the last) to FILE. Its ending says how: .html, .xml (JUnit), .md, .jsonl (summaries).

    The HTML file is one file: nothing in it is fetched from anywhere.
    """
    if to.suffix not in FORMS:
        endings = ", ".join(f"{suffix} ({name})" for suffix, name in FORMS.items())
        fail(f"{to}: what kind of report? End its name with {endings}", 2)
    folders = [find(run) for run in runs or ("last",)]
    base = find(base).name if base else ""
    if redact:
        results = _redacted(folders)
        base = next((r.run for r, folder in zip(results, folders, strict=True) if folder.name == base), base)
    else:
        results = [load(folder) for folder in folders]
    said = {} if redact else {r.run: labels_line(folder) for r, folder in zip(results, folders, strict=True)}
    try:
        text = report_text(to.suffix, results, title, base, said)
    except LookupError as error:
        fail(str(error.args[0]), 1)
    part = to.with_name(f"{to.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(to)
    except OSError as error:
        fail(f"cannot write {to}: {error.strerror or error}", 1)
    click.echo(str(to))


def _redacted(folders: list[RunFolder]) -> list[RunResult]:
    try:
        with clearly():
            files = [folder.file for folder in folders]
        return [analyse(state) for state in redacted_states(files)]
    except RunFileError as error:
        fail(str(error), 1)


def labels_line(folder: RunFolder) -> str:
    """Tags and note in one line."""
    labels = folder.labels
    return printable("  ".join(word for word in (" ".join(f"+{tag}" for tag in labels.tags), labels.note) if word))


def report_text(suffix: str, results: list[RunResult], title: str, base: str, said: dict[str, str]) -> str:
    """The report in the form of that ending. Raises LookupError when the base, or all there is, cannot be compared."""
    if suffix == ".xml":
        return junit(results)
    if suffix == ".jsonl":
        return "".join(json.dumps(summarise(result)) + "\n" for result in results)
    comparison: Comparison | None = None
    if len(results) > 1 or suffix == ".md":
        try:
            comparison = compare(results, base)
        except LookupError:
            if suffix == ".md" or base:
                raise
    if suffix == ".md" and comparison is not None:
        return comparison_tables.markdown(comparison)
    return page(results, comparison, title or _title(results), said)


def _title(results: list[RunResult]) -> str:
    opened = results[0].state.opened
    name = opened.name if opened else results[0].run
    return f"Downtime: {name}" if len(results) == 1 else f"Downtime over {len(results)} runs"
