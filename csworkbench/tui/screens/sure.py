# SPDX-License-Identifier: Apache-2.0
"""A question with its consequence; `y` or the focused button says yes, Esc does not."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.widgets.base import content

from .cloud_detail import hanging

WIDEST, FRAME = 84, 8  # cells of the dialog; of its border, padding and scroll bar


class SureScreen(ModalScreen[bool]):
    """Where it is about what cannot be undone, the focus is on Cancel."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[Line], yes: str, glyphs: Glyphs, *, destructive: bool) -> None:
        super().__init__()
        self._title, self._lines, self._yes, self._glyphs = title, lines, yes, glyphs
        self._destructive = destructive

    def compose(self) -> ComposeResult:
        """The question."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._glyphs.plain(self._title))  # a str would be read as markup
            with VerticalScroll(classes="dialog-text", can_focus=False):
                yield Static(self._content(), id="sure", markup=False)
            with Horizontal(classes="dialog-buttons"):
                variant = "error" if self._destructive else "warning"
                yield Button(Content(f"{self._yes} (y)"), id="go", variant=variant, compact=True)  # type: ignore[arg-type]
                yield Button("Cancel (Esc)", id="cancel", compact=True)

    def on_resize(self) -> None:
        """Another width, other breaks."""
        self.query_one("#sure", Static).update(self._content())

    def _content(self) -> Content:
        room = min(WIDEST, self.app.size.width * 96 // 100) - FRAME
        return content([piece for line in self._lines for piece in hanging(line, room)], self._glyphs)

    def on_mount(self) -> None:
        """Enter alone never destroys."""
        self.query_one("#cancel" if self._destructive else "#go", Button).focus()

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The mouse or Enter."""
        event.stop()
        self.dismiss(event.button.id == "go")
