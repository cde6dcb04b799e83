# SPDX-License-Identifier: Apache-2.0
"""The runbook's screen: the steps with their states, and all about the one under the cursor."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from csworkbench.tui import runbook_actions, runbook_view
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.text import clean
from csworkbench.tui.widgets.base import content
from csworkbench.upgrade.runbook.entry import Did
from csworkbench.upgrade.runbook.model import Kind, Step
from csworkbench.upgrade.runbook.state import State

from .runbook_dialogs import LinesScreen, WordsScreen

_ASKS = {
    Did.DONE: ("done", "What was seen? Enter alone is enough.", False),
    Did.EVIDENCE: ("evidence", "What was seen?", True),
    Did.SKIPPED: ("skip", "Why is it skipped?", True),
    Did.FAILED: ("failed", "What failed?", True),
    Did.ROLLBACK: ("roll back", "Why is it rolled back? The steps after this one are not walked.", True),
    Did.AGAIN: ("again", "Why is it done again?", True),
}


class Marked(Message):
    """A person says something about a step."""

    def __init__(self, step: Step, did: Did, text: str) -> None:
        super().__init__()
        self.step, self.did, self.text = step, did, text


class RunAsked(Message):
    """An automatic step is to be done."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step


class CopyAsked(Message):
    """A step's commands are wanted elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class RunbookScreen(Screen[None]):
    """Shows a State; everything that changes it is a message to the app."""

    BINDINGS: ClassVar[list[BindingType]] = list(runbook_actions.bindings())
    AUTO_FOCUS = "#steps"

    def __init__(self, state: State, cloud: str, who: str, glyphs: Glyphs) -> None:
        super().__init__()
        self.state = state
        self.busy = ""
        self._cloud, self._who, self.glyphs = cloud, who, glyphs
        self._labels = runbook_view.labels(state.runbook)
        self._steps = list(state.runbook)

    def compose(self) -> ComposeResult:
        """Header, list and detail, keys."""
        yield Static("", id="runbook-header", markup=False)
        with Horizontal(id="runbook-body"):
            yield OptionList(*(Option("", id=step.id) for step in self._steps), id="steps", markup=False)
            with VerticalScroll(id="detail", can_focus=True):
                yield Static("", id="detail-text", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin at the current step."""
        self.action_current()
        self.call_after_refresh(self.show)

    def on_resize(self, event: events.Resize) -> None:
        """Titles are cut to the list's width."""
        self.call_after_refresh(self.show)

    @property
    def chosen(self) -> Step:
        """The step under the cursor."""
        return self._steps[self.query_one("#steps", OptionList).highlighted or 0]

    def take(self, state: State, busy: str = "") -> None:
        """News: the cursor goes along when the current step moves on."""
        before, self.state, self.busy = self.state.current, state, busy
        now = state.current
        if now is not None and before is not None and now.id != before.id and self.chosen.id == before.id:
            self.action_current()
        self.show()

    def show(self) -> None:
        """Draw list, header and detail."""
        if not self.is_mounted:
            return
        steps = self.query_one("#steps", OptionList)
        cells = max(20, steps.content_size.width - 2)
        for step in self._steps:
            line = runbook_view.row(self.state, step, self._labels[step.id], cells)
            steps.replace_option_prompt(step.id, content([line], self.glyphs))
        head = runbook_view.header(self.state, self._cloud, self._who)
        if self.busy:
            head = (*head, (f"  running {self.busy}", "b $accent"))
        self.query_one("#runbook-header", Static).update(content([head], self.glyphs))
        self._show_detail()

    def _show_detail(self) -> None:
        step = self.chosen
        lines = runbook_view.detail(self.state, step, self._labels[step.id])
        self.query_one("#detail-text", Static).update(content(lines, self.glyphs))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """The detail follows the cursor."""
        event.stop()
        self._show_detail()
        self.query_one("#detail", VerticalScroll).scroll_home(animate=False)

    def action_current(self) -> None:
        """To the step whose turn it is."""
        current = self.state.current
        ids = [step.id for step in self._steps]
        self.query_one("#steps", OptionList).highlighted = ids.index(current.id) if current is not None else 0

    def action_move(self, by: int) -> None:
        """One step up or down."""
        steps = self.query_one("#steps", OptionList)
        (steps.action_cursor_down if by > 0 else steps.action_cursor_up)()

    def action_mark(self, word: str) -> None:
        """Ask for words, then tell the app."""
        did, step = Did(word), self.chosen
        title, question, needed = _ASKS[did]

        def answered(text: str | None) -> None:
            if text is not None:
                self.post_message(Marked(step, did, text))

        self.app.push_screen(
            WordsScreen(self.glyphs.plain(f"{title}: {clean(step.title, 50)}"), question, needed=needed), answered
        )

    def action_run_step(self) -> None:
        """A check at once; a command after a question."""
        step = self.chosen
        if step.kind is not Kind.COMMAND:
            self.post_message(RunAsked(step))
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.post_message(RunAsked(step))

        words = "csworkbench " + " ".join(step.run)
        lines = [((clean(step.title), "b"),), (), ((clean(words, 2_000), "$primary"),)]
        self.app.push_screen(LinesScreen("run this command?", lines, self.glyphs, asks=True), answered)

    def action_copy(self) -> None:
        """The commands of the step."""
        step = self.chosen
        words = [*step.commands, *(["csworkbench " + " ".join(step.run)] if step.run else [])]
        self.post_message(CopyAsked("\n".join(words)))

    def action_help(self) -> None:
        """All keys."""
        self.app.push_screen(LinesScreen("help", runbook_view.help_lines(), self.glyphs))

    def action_leave(self) -> None:
        """The app decides: a command may be running."""
        self.app.run_worker(self.app.run_action("leave"), exclusive=False)
