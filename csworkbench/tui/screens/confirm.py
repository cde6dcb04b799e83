# SPDX-License-Identifier: Apache-2.0
"""The two questions that the workbench asks: before the operation, and before leaving a live run."""

from collections.abc import Sequence
from enum import Enum
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from csworkbench.model.event import OperationPlanned, Phase
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line, deed
from csworkbench.tui.text import clean
from csworkbench.tui.widgets.base import content

from .cloud_detail import hanging
from .question import FRAME, LINES, WIDEST

CALLS_SHOWN = 20
TYPING = 3  # lines of what is asked for where a name is to be typed
CONSEQUENCE = 2_000  # characters; nothing of it is kept from the one who answers


class ConfirmScreen(ModalScreen[bool]):
    """Names target, consequence and the exact API calls. `y` or the focused button confirms, Esc does not.

    What cannot be undone is confirmed by typing the target's name and Enter.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
        Binding("up", "scroll(-1)", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]
    AUTO_FOCUS = "#go"

    def __init__(self, planned: OperationPlanned, left_out: Sequence[str], glyphs: Glyphs) -> None:
        super().__init__()
        self._planned = planned
        self._left_out = left_out
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        """The question."""
        destructive = self._planned.destructive
        words = deed(self._planned).split()
        verb = " ".join(words[: 2 if words[0] == "live" else 1]).capitalize()
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "start the operation?"
            with VerticalScroll(classes="dialog-text", can_focus=False):
                yield Static(id="confirm-lines", markup=False)
            if destructive:
                name = clean(self._planned.target_name, 60)
                yield Static(f"This cannot be undone. Type {name} to go ahead:", markup=False, classes="dialog-text")
                yield Input(id="typed", compact=True)
            with Horizontal(classes="dialog-buttons"):
                go = f"{verb} now" if destructive else f"{verb} now (y)"
                yield Button(go, id="go", variant="warning", compact=True, disabled=destructive)
                yield Button("Cancel (Esc)", id="cancel", compact=True)

    def _lines(self) -> list[Line]:
        planned = self._planned
        lines: list[Line] = [
            (("Target       ", "$muted"), (clean(planned.target), "b")),
            (("Operation    ", "$muted"), (clean(planned.title), "b")),
            (("Consequence  ", "$muted"), (clean(planned.consequence, CONSEQUENCE), "$warning")),
        ]
        if self._left_out:
            names = ", ".join(clean(n, 40) for n in self._left_out[:5])
            lines.append((("Not measured ", "$muted"), (names, "$warning")))
        lines += [(), (("API calls", "$muted"),)]
        lines += [((f"  {clean(call)}", "$primary"),) for call in planned.calls[:CALLS_SHOWN]]
        if not planned.calls:
            lines.append((("  none", "$faint"),))
        return lines

    def on_resize(self) -> None:
        """Another size, other breaks; the buttons are always to be seen."""
        room = max(20, min(WIDEST, self.app.size.width * 96 // 100) - FRAME)
        lines = [piece for line in self._lines() for piece in hanging(line, room)]
        self.query_one("#confirm-lines", Static).update(content(lines, self._glyphs))
        typing = TYPING if self._planned.destructive else 0
        self.query_one(VerticalScroll).styles.max_height = max(3, self.app.size.height * 92 // 100 - LINES - typing)

    def on_mount(self) -> None:
        """Where typing is asked for, it goes there."""
        if self._planned.destructive:
            self.query_one(Input).focus()

    @property
    def _agreed(self) -> bool:
        """Whether the name has been typed, where it must be."""
        if not self._planned.destructive:
            return True
        return self.query_one(Input).value.strip() == clean(self._planned.target_name, 60)

    def on_input_changed(self, event: Input.Changed) -> None:
        """The button waits for the name."""
        event.stop()
        self.query_one("#go", Button).disabled = not self._agreed

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter behind the name."""
        event.stop()
        if self._agreed:
            self.dismiss(True)

    def action_scroll(self, lines: int) -> None:
        """A long consequence on a small terminal."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        if not yes or self._agreed:
            self.dismiss(yes)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The mouse or Enter."""
        event.stop()
        self.dismiss(event.button.id == "go")


class Leave(Enum):
    """What to do with a live run when its viewer goes."""

    KEEP = "keep"
    STOP = "stop"


_STOPPING = {
    Phase.CHANGE: "The operation has been sent and cannot be recalled; stopping ends only the measurement of it.",
    Phase.SETTLE: "The change is over; stopping now leaves open whether everything has come back.",
    Phase.READY: "Nothing has been changed yet.",
}


class LeaveScreen(ModalScreen[Leave | None]):
    """Leave a live run running, or stop it. Esc stays."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "leave", "Leave it running"),
        Binding("s", "stop", "Stop"),
        Binding("escape,n,q", "stay", "Stay"),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]
    AUTO_FOCUS = "#keep"

    def __init__(self, phase: Phase, glyphs: Glyphs, *, read_only: bool) -> None:
        super().__init__()
        self._phase = phase
        self._glyphs = glyphs
        self._read_only = read_only

    def compose(self) -> ComposeResult:
        """The question."""
        consequence = _STOPPING.get(self._phase, "Stopping ends the run in order; what was measured is kept.")
        lines: list[Line] = [
            (("The run is live ", "b"), (f"(phase {self._phase.value}).", "b")),
            (
                ("Left running, it goes on without this window; ", ""),
                ("csworkbench attach", "b"),
                (" shows it again.", ""),
            ),
        ]
        if not self._read_only:
            lines.append(((consequence, "$warning"),))
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "quit"
            yield Static(content(lines, self._glyphs), markup=False, classes="dialog-text")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Leave it running (l)", id="keep", variant="primary", compact=True)
                if not self._read_only:
                    yield Button("Stop it (s)", id="stop", variant="error", compact=True)
                yield Button("Stay (Esc)", id="stay", compact=True)

    def action_leave(self) -> None:
        """Close the viewer only."""
        self.dismiss(Leave.KEEP)

    def action_stop(self) -> None:
        """End the run."""
        if not self._read_only:
            self.dismiss(Leave.STOP)

    def action_stay(self) -> None:
        """Back to the run."""
        self.dismiss(None)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The mouse or Enter."""
        event.stop()
        self.dismiss({"keep": Leave.KEEP, "stop": Leave.STOP}.get(event.button.id or ""))
