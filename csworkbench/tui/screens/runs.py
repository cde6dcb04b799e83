# SPDX-License-Identifier: Apache-2.0
"""The run library: every run as a row to find, open, mark, compare, keep words of, and delete."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.message import Message

from csworkbench.tui.actions import Action
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.listing import Listing
from csworkbench.tui.run_actions import RUN_ACTIONS
from csworkbench.tui.runs import (
    LibraryError,
    Removal,
    RunLibrary,
    RunRow,
    counts,
    listing,
    megabytes,
    names,
    other_figures,
)
from csworkbench.tui.text import clean
from csworkbench.tui.visit import RunWanted

from . import run_files
from .ask import AskScreen
from .browsing import BrowsingScreen
from .comparison import ComparisonScreen
from .help import HelpScreen, action_lines
from .question import QuestionScreen
from .run_result import RunResultScreen

LOOK_S = 3.0  # between two looks at the runs that go on


class RunsRead(Message):
    """Some more rows, or with `done` the last ones; `runs`: how many there are."""

    def __init__(self, rows: Sequence[RunRow], read: int, runs: int, *, done: bool) -> None:
        super().__init__()
        self.rows, self.read, self.runs, self.done = rows, read, runs, done


class RunsFailed(Message):
    """The library could not be read, and why."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class RunsScreen(BrowsingScreen[RunRow]):
    """Reads the library in a thread, which speaks to it by messages only. `rows` keeps filter and marks for later."""

    BINDINGS: ClassVar[list[BindingType]] = [binding for action in RUN_ACTIONS for binding in action.bindings()]

    def __init__(self, library: RunLibrary, glyphs: Glyphs, rows: Listing[RunRow] | None = None) -> None:
        super().__init__(rows or listing(), glyphs)
        self.library = library
        self.read = bool(rows and rows.every)  # once
        self._fresh: list[RunRow] = []
        self._reading = False
        self._looking = False
        self._gone = threading.Event()

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the palette offers here."""
        return RUN_ACTIONS

    def on_mount(self) -> None:
        """Read at once; look again at what goes on."""
        super().on_mount()
        self.action_read()
        self.set_interval(LOOK_S, self._look)

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self._gone.set()

    def head(self) -> Line:
        """Where, and how many."""
        return (
            (" csworkbench ", "b $primary"), (" runs ", "b"), (f" {counts(self.rows.every)}  ", ""),
            (clean(self.library.where, 200), "$muted"),
        )  # fmt: skip

    def detail(self) -> list[Line]:
        """The run's id and words of people, then all its services."""
        row = self.rows.chosen
        if row is None:
            return [(), ()]
        tags = "".join(f" +{tag}" for tag in row.tags)
        first: Line = ((clean(row.run, 80), "b"), (f"  {clean(row.name, 80)}", ""), (tags, "$accent"),
                       (f"  {clean(row.note)}" if row.note else "", "$foreground"))  # fmt: skip
        if row.problem:
            return [first, ((clean(row.problem), "$error"),)]
        return [first, ((other_figures(row), "$muted"),)]

    # Reading

    def action_read(self) -> None:
        """All runs once more; the rows stay until the new ones are there."""
        if not self._reading:
            self._reading, self._fresh = True, []
            self.status = "looking for runs"
            self.show()
            self.run_worker(self._read, name="runs", group="runs", thread=True)

    def _read(self) -> None:
        def told(read: int, runs: int, rows: Sequence[RunRow]) -> bool:
            self.post_message(RunsRead(list(rows), read, runs, done=False))
            return not self._gone.is_set()

        try:
            self.library.read(told)
        except LibraryError as error:
            self.post_message(RunsFailed(str(error)))
            return
        self.post_message(RunsRead((), 0, 0, done=True))

    def on_runs_read(self, message: RunsRead) -> None:
        """Show what there is so far, the first time; later all at once."""
        self._fresh += message.rows
        if message.done:
            self._reading, self.read, self.status = False, True, ""
        else:
            self.status = f"reading {message.read:,} of {message.runs:,} run files"
        if message.done or not self.read:
            self._take(self._fresh)
        self.show()

    def _take(self, rows: Sequence[RunRow]) -> None:
        self.rows.take(rows)
        self.view.empty = "" if self._reading else f"No runs under {self.library.where}. csworkbench demo makes one."
        self.view.show()

    def on_runs_failed(self, message: RunsFailed) -> None:
        """Say so; what was read before stays."""
        self._reading, self.status = False, f"× {clean(message.text)} (g looks again)"
        self.show()

    def _look(self) -> None:
        """At the runs that go on."""
        live = [row.run for row in self.rows.every if row.live]
        if live and not self._reading and not self._looking and self.is_current:
            self._looking = True
            self.run_worker(self._again(live), name="look", group="look")

    async def _again(self, runs: Sequence[str]) -> None:
        """Some rows anew, in their places."""
        try:
            found = {row.run: row for row in await asyncio.to_thread(self.library.rows, runs)}
        except LibraryError:
            return
        finally:
            self._looking = False
        if not self._reading:
            asked = set(runs)
            self._take([found.get(r.run, r) for r in self.rows.every if r.run not in asked or r.run in found])
            self.show()

    def _do(self, work: object, runs: Sequence[str]) -> None:
        """Something that changes these runs, in a thread; then look at them again."""

        async def doing() -> None:
            try:
                await asyncio.to_thread(work)  # type: ignore[arg-type]
            except LibraryError as error:
                self.say(str(error), "error")
            await self._again(runs)

        self.run_worker(doing(), name="change", group="change")

    # Actions; their names are in the registry

    def action_open(self) -> None:
        """Its result; the timeline of one that goes on."""
        row = self.rows.chosen
        if row is None:
            return
        if row.problem:
            self.say(f"{row.run}: {row.problem}", "warning")
        elif row.live:
            self.action_replay()
        else:
            self.app.push_screen(RunResultScreen(self.library, row, self.glyphs))

    def action_replay(self) -> None:
        """In the workbench."""
        row = self.rows.chosen
        if row is not None and not row.problem:
            self.app.post_message(RunWanted(row.run))

    def action_mark(self) -> None:
        """Mark, and on to the next row."""
        self.rows.mark()
        self.view.move(1)
        self.view.show()

    def action_mark_all(self) -> None:
        """All that pass the filter."""
        self.rows.mark_shown()
        self.view.show()
        self.show()

    def action_compare(self) -> None:
        """The marked runs; the first one marked is of the base."""
        runs = [row.run for row in self.rows.picked if not row.problem]
        if len(runs) < 2:
            self.say("Mark two runs or more first: Space marks, a marks all that are shown", "warning")
            return
        self.app.push_screen(ComparisonScreen(self.library, runs, self.glyphs))

    def action_export(self) -> None:
        """CSV files of the picked runs."""
        run_files.export(self, self.library, self._picked(), self.glyphs)

    def action_report(self) -> None:
        """A file about the picked runs."""
        run_files.report(self, self.library, self._picked(), self.glyphs)

    def _picked(self) -> list[str]:
        return [row.run for row in self.rows.picked]

    def _what(self, runs: Sequence[str]) -> str:
        return clean(runs[0], 60) if len(runs) == 1 else f"{len(runs):,} runs"

    def action_tag(self) -> None:
        """Ask for changes."""
        runs = self._picked()
        if not runs:
            return

        def asked(text: str | None) -> None:
            if text and text.strip():
                self._do(lambda: self.library.tag(runs, text), runs)

        hint = "+baseline adds a tag, -old takes one away; several with blanks"
        self.app.push_screen(AskScreen(f"tags of {self._what(runs)}", hint, self.glyphs), asked)

    def action_note(self) -> None:
        """Ask for the note of the run under the cursor."""
        row = self.rows.chosen
        if row is None:
            return
        run = row.run

        def asked(text: str | None) -> None:
            if text is not None:
                self._do(lambda: self.library.note(run, text), [run])

        hint = "Enter keeps it; an empty one takes it away"
        self.app.push_screen(AskScreen(f"note on {clean(run, 60)}", hint, self.glyphs, row.note, edit=True), asked)

    async def action_delete(self) -> None:
        """Show which, and ask."""
        runs = self._picked()
        if not runs:
            return
        try:
            removal = await asyncio.to_thread(self.library.removal, runs)
        except LibraryError as error:
            self.say(str(error), "error")
            return
        if not removal.doomed:
            self.say("Nothing to delete: " + "; ".join(f"{run}: {why}" for run, why in removal.kept), "warning")
            return
        self.app.push_screen(self._question(removal), lambda yes: self._delete(removal.doomed) if yes else None)

    def _question(self, removal: Removal) -> QuestionScreen:
        by_name = {row.run: row for row in self.rows.every}
        lines: list[Line] = [((f"{len(removal.doomed):,} with {megabytes(removal.size_bytes)}, for good:", "b"),)]
        for name, run in zip(names(removal.doomed), (*removal.doomed, ""), strict=False):
            tags = "".join(f" +{tag}" for tag in by_name[run].tags) if run in by_name and name != "" else ""
            lines.append(((f"  {name}", ""), (tags, "$accent")))
        lines += [((f"  kept: {clean(run, 60)}: {why}", "$warning"),) for run, why in removal.kept]
        what = "delete this run?" if len(removal.doomed) == 1 else f"delete {len(removal.doomed):,} runs?"
        return QuestionScreen(what, lines, "Delete", self.glyphs, destructive=True)

    def _delete(self, runs: Sequence[str]) -> None:
        def work() -> None:
            self.library.delete(runs)

        self.say(f"Deleting {self._what(runs)}")
        self._do(work, runs)

    def action_help(self) -> None:
        """The keys of this screen."""
        self.app.push_screen(HelpScreen(self.glyphs, action_lines(RUN_ACTIONS)))

    def action_leave(self) -> None:
        """Close the filter, or the screen."""
        if not self.closed_filter():
            self.dismiss()


def show_runs(app: App[Any], library: RunLibrary | None, glyphs: Glyphs) -> None:
    """Put the list of runs in front; says so where there is no library."""
    if library is None:
        app.notify("There is no run library here", severity="warning", markup=False)
    elif not any(isinstance(screen, RunsScreen) for screen in app.screen_stack):
        app.push_screen(RunsScreen(library, glyphs))
