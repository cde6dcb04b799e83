# SPDX-License-Identifier: Apache-2.0
"""Exports and reports of runs, asked for from a screen and written in a thread."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from textual.app import App
from textual.screen import Screen

from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.runs import LibraryError, RunLibrary
from csworkbench.tui.text import clean

from .ask import AskScreen


def say(screen: Screen[None], glyphs: Glyphs, text: str, severity: str = "information") -> None:
    """A word to the person; the text may be a stranger's."""
    screen.notify(glyphs.plain(clean(text)), severity=severity, timeout=8, markup=False)  # type: ignore[arg-type]


def export(screen: Screen[None], library: RunLibrary, runs: Sequence[str], glyphs: Glyphs) -> None:
    """Write the runs' CSV files, one after the other, and say where."""

    async def write() -> None:
        folders = []
        for n, run in enumerate(runs):
            if len(runs) > 1:
                say(screen, glyphs, f"Exporting {n + 1} of {len(runs)}: {run}")
            try:
                folders.append(await asyncio.to_thread(library.export, run))
            except LibraryError as error:
                say(screen, glyphs, f"{run} was not exported: {error}", "error")
        if folders:
            more = f" and {len(folders) - 1} more folders" if len(folders) > 1 else ""
            say(screen, glyphs, f"Exported to {folders[0]}{more}")

    if runs:
        say(screen, glyphs, f"Exporting {runs[0]}" if len(runs) == 1 else f"Exporting {len(runs)} runs")
        screen.run_worker(write(), name="export", group="export")


def report(screen: Screen[None], library: RunLibrary, runs: Sequence[str], glyphs: Glyphs) -> None:
    """Ask for a file, and write a report of the runs to it."""
    if not runs:
        return
    what = clean(runs[0], 60) if len(runs) == 1 else f"{len(runs)} runs"
    stem = clean(runs[0], 80) if len(runs) == 1 else f"{len(runs)}-runs"
    hint = "its ending says how: .html .md .xml (JUnit) .jsonl"
    ask_file(screen, f"report of {what}", hint, f"report-{stem}.html", partial(library.report, list(runs)), glyphs)


def ask_file(
    screen: Screen[None], title: str, hint: str, proposed: str, write: Callable[[Path], str], glyphs: Glyphs
) -> None:
    """Ask for a file's name, and write it in a thread."""

    async def work(path: Path) -> None:
        try:
            written = await asyncio.to_thread(write, path)
        except LibraryError as error:
            say(screen, glyphs, str(error), "error")
            return
        say(screen, glyphs, f"Written to {written}")

    def answered(text: str | None) -> None:
        if text and text.strip():
            say(screen, glyphs, "Writing")
            screen.run_worker(work(Path(text.strip()).expanduser()), name="write", group="export")

    app: App[object] = screen.app
    app.push_screen(AskScreen(title, hint, glyphs, str(Path.cwd() / proposed), edit=True), answered)
