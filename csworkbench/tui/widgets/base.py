# SPDX-License-Identifier: Apache-2.0
"""What all panels have in common."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from textual.content import Content
from textual.widgets import Static

from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.view import RunView

# Styles that lines may name beside TCSS ones; everything is one cell high, so a colour block makes a key.
NAMED = {
    "key": "b $background on $accent",
    "verdict-good": "b $background on $success",
    "verdict-bad": "b $background on $error",
}


@runtime_checkable
class Panel(Protocol):
    """A widget that follows a run."""

    def show(self) -> None:
        """Take the run's news."""
        ...


class LinesPanel(Static):
    """Lines of styled text; drawn only when they differ. Never parses markup."""

    def __init__(self, view: RunView, glyphs: Glyphs, *, panel_id: str) -> None:
        super().__init__("", id=panel_id, markup=False)
        self.view = view
        self.glyphs = glyphs
        self._shown: tuple[Line, ...] | None = None

    def lines(self) -> Iterable[Line]:
        """What to show now."""
        raise NotImplementedError

    def show(self) -> None:
        """Take the run's news."""
        lines = tuple(self.lines())
        if lines != self._shown:
            grown = len(lines) != len(self._shown or ())
            self._shown = lines
            self.update(content(lines, self.glyphs), layout=grown)  # a layout draws the whole screen again

    @property
    def shown(self) -> str:
        """The text alone, for tests."""
        return "\n".join("".join(text for text, _ in line) for line in self._shown or ())


def content(lines: Iterable[Line], glyphs: Glyphs) -> Content:
    """Lines as Textual's content."""
    rows = [
        Content.assemble(*((glyphs.plain(text), NAMED.get(style, style)) for text, style in line)) for line in lines
    ]
    return Content("\n").join(rows)
