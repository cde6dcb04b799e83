# SPDX-License-Identifier: Apache-2.0
"""What all screens with a list have in common: moving, filter, order, head, status and detail line."""

from typing import Any, Generic, TypeVar

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.listing import Listing
from csworkbench.tui.text import clean
from csworkbench.tui.widgets.base import content
from csworkbench.tui.widgets.listing import ListingView, RowChosen, RowMoved

T = TypeVar("T")


class BrowsingScreen(Screen[None], Generic[T]):
    """A list under a head and a status line; the row under the cursor in words below it.

    `status` stands in place of the counts while it is set; one that begins with `×` is an error.
    """

    AUTO_FOCUS = "ListingView"
    SCOPED_CSS = False  # the rules are for those that are made from it
    CSS = """
    BrowsingScreen {
        background: $background; color: $foreground;
        & > .browse-head { background: $panel; padding: 0 1; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & > .browse-status { padding: 0 1; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & > .browse-detail { padding: 0 1; height: 2; color: $muted; background: $surface; text-wrap: nowrap;
            text-overflow: ellipsis; }
        & > .browse-filter { display: none; height: 1; border: none; padding: 0 1; background: $panel; }
        & > .browse-filter.-open { display: block; }
    }
    .-ascii BrowsingScreen > Static { text-overflow: clip; }
    .-tiny BrowsingScreen > .browse-detail, .-tiny BrowsingScreen > .browse-status { display: none; }
    """

    def __init__(self, rows: Listing[T], glyphs: Glyphs) -> None:
        super().__init__()
        self.glyphs = glyphs
        self.rows = rows
        self.status = ""

    @property
    def view(self) -> ListingView[T]:
        """The list."""
        return self.query_one(ListingView)

    def compose(self) -> ComposeResult:
        """Head, state, filter, rows, the row in words, keys."""
        yield Static("", classes="browse-head", markup=False)
        yield Static("", classes="browse-status", markup=False)
        hint = "words to look for; Enter keeps them, Esc shows all"
        yield Input(self.rows.filter, placeholder=hint, classes="browse-filter", compact=True)
        yield from self.above()
        yield ListingView(self.rows, self.glyphs, view_id="rows")
        yield Static("", classes="browse-detail", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def above(self) -> ComposeResult:
        """What stands between the state and the rows."""
        return ()

    def head(self) -> Line:
        """Of the whole screen."""
        raise NotImplementedError

    def detail(self) -> list[Line]:
        """The row under the cursor in at most two lines."""
        raise NotImplementedError

    def state(self) -> Line:
        """How many rows, in which order; nothing to see is said in words."""
        rows = self.rows
        told = f"{len(rows.shown):,} of {len(rows.every):,} rows"
        if rows.filter:
            told += f" with {clean(rows.filter, 60)!r}"
        marked: Line = ((f"  {len(rows.marked):,} marked", "b $accent"),) if rows.marked else ()
        return ((f"{told} · by {self.view.ordered_by}", "$muted"), *marked)

    def show(self) -> None:
        """Draw the lines around the rows."""
        if not self.is_attached or not self.query(".browse-detail"):
            return
        self._set(".browse-head", [self.head()])
        style = "b $error" if self.status.startswith("×") else "$accent"
        self._set(".browse-status", [((self.status, style),) if self.status else self.state()])
        self._set(".browse-detail", self.detail())

    def say(self, text: str, severity: str = "information") -> None:
        """A word to the person."""
        text = self.glyphs.plain(clean(text))
        self.notify(text, severity=severity, timeout=8, markup=False)  # type: ignore[arg-type]

    def _set(self, selector: str, lines: list[Line]) -> None:
        self.query_one(selector, Static).update(content(lines, self.glyphs), layout=False)

    def on_mount(self) -> None:
        """A filter that was left open is still there."""
        self.query_one(Input).set_class(bool(self.rows.filter), "-open")
        self.view.show()
        self.show()

    def on_row_moved(self, message: RowMoved) -> None:
        """The row in words."""
        message.stop()
        self.show()

    def on_row_chosen(self, message: RowChosen) -> None:
        """As Enter."""
        message.stop()
        self.action_open()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow while typing."""
        event.stop()
        if event.value != self.rows.filter:
            self.rows.narrow(event.value)
            self.view.show()
            self.show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Back to the rows; the filter stays."""
        event.stop()
        self.query_one(Input).set_class(bool(event.value), "-open")
        self.view.focus()

    # Actions; their names are in the registries

    def action_open(self) -> Any:
        """The row under the cursor."""
        raise NotImplementedError

    def action_filter(self) -> None:
        """Type words."""
        self.query_one(Input).add_class("-open")
        self.query_one(Input).focus()

    def action_sort(self) -> None:
        """By the next column."""
        self.view.next_order()
        self.show()

    def action_turn(self) -> None:
        """Descending, or ascending again."""
        self.view.order_by(self.rows.order)
        self.show()

    def action_move(self, rows: int) -> None:
        """Up or down."""
        self.view.move(rows)

    def action_page(self, pages: int) -> None:
        """A screen of rows."""
        self.view.move(pages * self.view.page)

    def action_first(self) -> None:
        """The first row."""
        self.view.go_to(0)

    def action_last(self) -> None:
        """The last row."""
        self.view.go_to(len(self.rows.shown) - 1)

    def closed_filter(self) -> bool:
        """True when there was a filter to close."""
        field = self.query_one(Input)
        if not field.has_class("-open"):
            return False
        field.value = ""
        field.remove_class("-open")
        self.view.focus()
        return True
