# SPDX-License-Identifier: Apache-2.0
"""The runbook's two dialogs: one asks for words, one shows lines and may ask yes or no."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.widgets.base import content


class WordsScreen(ModalScreen[str | None]):
    """One line of words; None for Esc."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, title: str, question: str, *, needed: bool) -> None:
        super().__init__()
        self._title, self._question, self._needed = title, question, needed

    def compose(self) -> ComposeResult:
        """The question."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._title)  # a str would be read as markup
            dialog.border_subtitle = "Enter keeps it, Esc does not"
            yield Static(self._question, markup=False)
            yield Input(max_length=4_000, id="words")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter; without words only when none are needed."""
        event.stop()
        if event.value.strip() or not self._needed:
            self.dismiss(event.value.strip())

    def action_cancel(self) -> None:
        """Nothing is kept."""
        self.dismiss(None)


class LinesScreen(ModalScreen[bool]):
    """Lines; `y` says yes where that is asked, Esc closes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("escape,n,q,question_mark,f1", "answer(False)", "Close"),
    ]

    def __init__(self, title: str, lines: Sequence[Line], glyphs: Glyphs, *, asks: bool = False) -> None:
        super().__init__()
        self._title, self._lines, self._glyphs, self._asks = title, lines, glyphs, asks

    def compose(self) -> ComposeResult:
        """The lines."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._title)  # a str would be read as markup
            dialog.border_subtitle = "y yes, Esc no" if self._asks else "Esc closes"
            with VerticalScroll(classes="dialog-text"):
                yield Static(content(self._lines, self._glyphs), markup=False)

    def action_answer(self, yes: bool) -> None:
        """Close."""
        self.dismiss(yes and self._asks)
