# SPDX-License-Identifier: Apache-2.0
"""Runs compared arm by arm, on a page."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from textual.binding import BindingType

from csworkbench.results.comparison import Comparison, compare
from csworkbench.results.run_result import RunResult
from csworkbench.tui import comparison_lines
from csworkbench.tui.actions import Action
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.run_actions import COMPARISON_ACTIONS
from csworkbench.tui.runs import LibraryError, RunLibrary

from . import run_files
from .help import HelpScreen, action_lines
from .reading import ReadingScreen


class ComparisonScreen(ReadingScreen):
    """A table per service with interval, reduction, test and warnings. The first run's arm is the base at first."""

    BINDINGS: ClassVar[list[BindingType]] = [binding for action in COMPARISON_ACTIONS for binding in action.bindings()]

    def __init__(self, library: RunLibrary, runs: Sequence[str], glyphs: Glyphs) -> None:
        super().__init__(f"comparison of {len(runs)} runs", glyphs)
        self.library = library
        self.runs = list(runs)
        self.comparison: Comparison | None = None
        self._results: list[RunResult] = []
        self._base = ""

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the palette offers here."""
        return COMPARISON_ACTIONS

    def load(self, told: Callable[[str], bool]) -> None:
        """Read the run files, and compare."""
        for n, run in enumerate(self.runs[len(self._results) :], len(self._results) + 1):
            beside = f"reading run {n} of {len(self.runs)}"
            self._results.append(self.library.result(run, lambda i, b=beside: told(f"{b}: {i:,} records")))  # type: ignore[misc]
        told("comparing")
        try:
            self.comparison = compare(self._results, self._base)
        except LookupError as error:
            raise LibraryError(str(error.args[0])) from None

    def lines(self, width: int) -> Sequence[Line]:
        """The tables."""
        return comparison_lines.lines(self.comparison, self.glyphs, width) if self.comparison else []

    def action_base(self) -> None:
        """The next arm as the base."""
        found = self.comparison
        if found is None or self.progress:
            return
        if len(found.arms) < 2:
            run_files.say(self, self.glyphs, "There is one arm only: all runs are of one kind", "warning")
            return
        arms = sorted(found.arms)
        after = arms[(arms.index(found.arms[0]) + 1) % len(arms)]
        rows = (f for figures in found.services.values() for f in figures if f.arm == after)
        self._base = next(rows).runs[0]
        self.begin()

    def action_write(self) -> None:
        """Ask for a file."""
        if self.comparison is not None:
            write = partial(self.library.write, self.comparison)
            hint = "its ending says how: .md .csv .json .txt"
            run_files.ask_file(self, self.heading, hint, "comparison.md", write, self.glyphs)

    def action_help(self) -> None:
        """The keys of this screen."""
        self.app.push_screen(HelpScreen(self.glyphs, action_lines(COMPARISON_ACTIONS)))

    def action_leave(self) -> None:
        """Back to the list."""
        self.dismiss()
