# SPDX-License-Identifier: Apache-2.0
"""A question with its consequence, broken for the width that there is: `y` says yes, Esc does not."""

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
LINES = 6  # of the dialog's border, padding and buttons


class QuestionScreen(ModalScreen[bool]):
    """Answers True for `y` or its button, False for anything else.

    Where it is about what cannot be undone, the focus is on Cancel: Enter alone never destroys.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
        Binding("up", "scroll(-1)", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(
        self, title: str, lines: Sequence[Line], yes: str, glyphs: Glyphs, *, destructive: bool = False
    ) -> None:
        super().__init__()
        self._title, self._lines, self._yes, self._glyphs = title, lines, yes, glyphs
        self._destructive = destructive

    def compose(self) -> ComposeResult:
        """The question."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._glyphs.plain(self._title))  # a str would be read as markup
            with VerticalScroll(classes="dialog-text", can_focus=False):
                yield Static(self._content(), id="question", markup=False)
            with Horizontal(classes="dialog-buttons"):
                variant = "error" if self._destructive else "warning"
                yield Button(Content(f"{self._yes} (y)"), id="go", variant=variant, compact=True)  # type: ignore[arg-type]
                yield Button("Cancel (Esc)" if self._destructive else "Back (Esc)", id="back", compact=True)

    def on_mount(self) -> None:
        """The answer that Enter gives."""
        self.query_one("#back" if self._destructive else "#go", Button).focus()

    def on_resize(self) -> None:
        """Another size, other breaks; the buttons are always to be seen."""
        self.query_one("#question", Static).update(self._content())
        self.query_one(".dialog-text").styles.max_height = max(3, self.app.size.height * 92 // 100 - LINES)

    def _content(self) -> Content:
        room = min(WIDEST, self.app.size.width * 96 // 100) - FRAME
        return content([piece for line in self._lines for piece in hanging(line, room)], self._glyphs)

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)

    def action_scroll(self, lines: int) -> None:
        """A long question on a small terminal."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The mouse or Enter."""
        event.stop()
        self.dismiss(event.button.id == "go")
