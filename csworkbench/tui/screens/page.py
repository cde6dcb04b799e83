# SPDX-License-Identifier: Apache-2.0
"""A page of lines under a head: drawn anew at another width."""

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.widgets.base import content


class PageScreen(Screen[None]):
    """What is drawn is asked for by `show`."""

    AUTO_FOCUS = "#page"
    SCOPED_CSS = False  # the rules are for those that are made from it
    CSS = """
    PageScreen {
        background: $background; color: $foreground;
        & > #page-head { background: $panel; padding: 0 1; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & > #page { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; overflow-x: hidden; }
        & #page-lines { height: auto; }
    }
    .-ascii PageScreen > #page { scrollbar-size-vertical: 0; }
    .-ascii PageScreen > #page-head { text-overflow: clip; }
    """

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self.glyphs = glyphs

    def head(self) -> Line:
        """Of the whole page."""
        raise NotImplementedError

    def wrapped(self) -> Iterable[Line]:
        """The lines, none longer than `room`."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Head, lines, keys."""
        yield Static("", id="page-head", markup=False)
        with VerticalScroll(id="page"):
            yield Static("", id="page-lines", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_resize(self) -> None:
        """Another width, other breaks."""
        self.show()

    @property
    def room(self) -> int:
        """Cells of a line."""
        return max(20, self.app.size.width - 4)

    def show(self) -> None:
        """Draw head and lines."""
        if not self.is_attached or not self.query("#page-lines"):
            return
        self.query_one("#page-head", Static).update(content([self.head()], self.glyphs), layout=False)
        self.query_one("#page-lines", Static).update(content(list(self.wrapped()), self.glyphs))
