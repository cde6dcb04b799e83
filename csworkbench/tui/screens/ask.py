# SPDX-License-Identifier: Apache-2.0
"""One line of text from the person: a note, a search."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from csworkbench.tui.glyphs import Glyphs

LONGEST = 500


class AskScreen(ModalScreen[str | None]):
    """Answers with the text, or None after Esc. `edit`: the text there is to be gone on with, not typed over."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", "Back")]
    AUTO_FOCUS = "#asked"

    def __init__(self, title: str, hint: str, glyphs: Glyphs, text: str = "", *, edit: bool = False) -> None:
        super().__init__()
        self._title, self._hint, self._glyphs, self._text = title, hint, glyphs, text
        self._edit = edit

    def compose(self) -> ComposeResult:
        """The line and what it is for."""
        with Vertical(classes="dialog -ask") as dialog:
            dialog.border_title = Content(self._glyphs.plain(self._title))  # a str would be read as markup
            dialog.border_subtitle = self._glyphs.plain("Enter goes on · Esc goes back")
            yield Input(self._text, max_length=LONGEST, id="asked", compact=True, select_on_focus=not self._edit)
            yield Static(self._glyphs.plain(self._hint), classes="dialog-hint", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The answer."""
        event.stop()
        self.dismiss(event.value)

    def action_give_up(self) -> None:
        """No answer."""
        self.dismiss(None)
