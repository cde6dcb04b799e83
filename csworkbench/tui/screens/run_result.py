# SPDX-License-Identifier: Apache-2.0
"""One run's result on a page."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import BindingType

from csworkbench.tui.actions import Action
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.run_actions import RESULT_ACTIONS
from csworkbench.tui.run_summary import run_lines
from csworkbench.tui.runs import RunLibrary, RunRow
from csworkbench.tui.visit import RunWanted

from . import run_files
from .help import HelpScreen, action_lines
from .reading import ReadingScreen


class RunResultScreen(ReadingScreen):
    """Services with bounds, outages, how sure that is, what was left out."""

    BINDINGS: ClassVar[list[BindingType]] = [binding for action in RESULT_ACTIONS for binding in action.bindings()]

    def __init__(self, library: RunLibrary, row: RunRow, glyphs: Glyphs) -> None:
        super().__init__(row.name or row.run, glyphs)
        self.library = library
        self.row = row
        self._lines: list[Line] = []

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the palette offers here."""
        return RESULT_ACTIONS

    def load(self, told: Callable[[str], bool]) -> None:
        """Read the run file."""
        result = self.library.result(self.row.run, lambda n: told(f"reading the run: {n:,} records"))
        self._lines = run_lines(self.row, result)

    def lines(self, width: int) -> Sequence[Line]:
        """They are the same for every width."""
        return self._lines

    def action_replay(self) -> None:
        """In the workbench."""
        self.app.post_message(RunWanted(self.row.run))

    def action_export(self) -> None:
        """CSV files."""
        run_files.export(self, self.library, [self.row.run], self.glyphs)

    def action_report(self) -> None:
        """One file."""
        run_files.report(self, self.library, [self.row.run], self.glyphs)

    def action_help(self) -> None:
        """The keys of this screen."""
        self.app.push_screen(HelpScreen(self.glyphs, action_lines(RESULT_ACTIONS)))

    def action_leave(self) -> None:
        """Back to the list."""
        self.dismiss()
