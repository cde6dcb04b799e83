# SPDX-License-Identifier: Apache-2.0
"""A Listing as one line-API widget: only the rows on the screen are drawn, however many there are."""

from typing import ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.listing import Listing
from csworkbench.tui.text import clean, fit

T = TypeVar("T")
STYLES = ("head", "cell", "good", "warn", "urgent", "unknown", "bad", "busy", "dim", "strong", "cursor", "marked")
EMPTY_AT = 2  # the line of a list without rows that says so


class RowMoved(Message):
    """The cursor of a list stands on another row; the newest one is enough."""

    def can_replace(self, message: Message) -> bool:
        """Several moves before the next frame are one."""
        return isinstance(message, RowMoved)


class RowChosen(Message):
    """The row under the cursor was picked with the mouse."""


class ListingView(ScrollView, Generic[T], can_focus=True, inherit_bindings=False):
    """Rows under a title line that stays. The cursor follows its row through filter and order."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"listing--{style}" for style in STYLES}
    SCOPED_CSS = False  # or else the class of the app says nothing
    DEFAULT_CSS = """
    ListingView {
        height: 1fr; padding: 0 1; overflow-x: hidden; scrollbar-size-vertical: 1;
        & > .listing--head { color: $secondary; text-style: bold; }
        & > .listing--cell { color: $foreground; }
        & > .listing--good { color: $success; }
        & > .listing--warn { color: $warning; }
        & > .listing--urgent { color: $warning; text-style: bold; }
        & > .listing--unknown { color: $violet; }
        & > .listing--bad { color: $error; text-style: bold; }
        & > .listing--busy { color: $accent; text-style: bold; }
        & > .listing--dim { color: $muted; }
        & > .listing--strong { color: $foreground; text-style: bold; }
        & > .listing--cursor { background: $cursor-row; }
        & > .listing--marked { background: $mark-column; }
    }
    .-ascii ListingView { scrollbar-size-vertical: 0; }
    """

    def __init__(self, rows: Listing[T], glyphs: Glyphs, *, view_id: str) -> None:
        super().__init__(id=view_id)
        self.rows = rows
        self.glyphs = glyphs
        self.empty = ""  # what to say where there is no row at all

    @property
    def width(self) -> int:
        """Cells of a row."""
        return max(20, self.scrollable_content_region.width)

    @property
    def page(self) -> int:
        """Rows on the screen."""
        return max(1, self.scrollable_content_region.height - 1)

    def show(self) -> None:
        """Rows, filter, order or marks have changed."""
        self.virtual_size = Size(self.width, len(self.rows.shown) + 1)
        self.go_to(self.rows.cursor)
        self.refresh()

    def go_to(self, row: int) -> None:
        """Move the cursor; bring it into view."""
        before, self.rows.cursor = self.rows.cursor, max(0, min(row, len(self.rows.shown) - 1))
        cursor, top = self.rows.cursor, self.scroll_offset.y
        if cursor < top:
            self.scroll_to(y=cursor, animate=False)
        elif cursor >= top + self.page:
            self.scroll_to(y=cursor - self.page + 1, animate=False)
        if before != cursor:
            self.refresh()
        self.post_message(RowMoved())

    def move(self, rows: int) -> None:
        """Up or down."""
        self.go_to(self.rows.cursor + rows)

    def order_by(self, column: int) -> None:
        """Order by a column; the same one again turns the order round."""
        turned = not self.rows.descending if column == self.rows.order else False
        self.rows.sort(column, descending=turned)
        self.show()

    def next_order(self) -> None:
        """By the next column that is shown."""
        shown = [index for index, _ in self.rows.fitting(self.width) if self.rows.columns[index].title]
        self.rows.sort(([i for i in shown if i > self.rows.order] or shown)[0])
        self.show()

    @property
    def ordered_by(self) -> str:
        """The title of the column that orders."""
        return self.rows.columns[self.rows.order].title

    def text_rows(self) -> list[str]:
        """What is on the screen, for tests."""
        return [self.render_line(y).text.rstrip() for y in range(self.scrollable_content_region.height)]

    def render_line(self, y: int) -> Strip:
        """The title line, or a row."""
        width = self.width
        if y == 0:
            return self._strip([Segment(self.glyphs.plain(self.rows.header(width)), self._style("head"))], width)
        index = self.scroll_offset.y + y - 1
        if index >= len(self.rows.shown):
            if y == EMPTY_AT and not self.rows.every and self.empty:
                text = fit(self.glyphs.plain(clean(self.empty)), width)
                return self._strip([Segment(text, self._style("dim"))], width)
            return Strip.blank(width, self.rich_style)
        row = self.rows.shown[index]
        base = self._style("marked") if self.rows.identity(row) in self.rows.marked else Style()
        if index == self.rows.cursor:
            base = self._style("cursor")
        return self._strip(
            [Segment(self.glyphs.plain(t), self._style(style) + base) for t, style in self.rows.line(row, width)], width
        )

    def _strip(self, segments: list[Segment], width: int) -> Strip:
        return Strip(segments).adjust_cell_length(width, segments[-1].style or self.rich_style).crop(0, width)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"listing--{name}")

    def on_resize(self) -> None:
        """Other widths of columns."""
        self.show()

    def on_click(self, event: events.Click) -> None:
        """A title orders by its column; a row takes the cursor, and again is picked."""
        event.stop()
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            self._order_at(offset.x)
            return
        row = self.scroll_offset.y + offset.y - 1
        if row >= len(self.rows.shown):
            return
        if row == self.rows.cursor:
            self.post_message(RowChosen())
        else:
            self.go_to(row)

    def _order_at(self, x: int) -> None:
        start = 0
        for index, cells in self.rows.fitting(self.width):
            if start <= x <= start + cells and self.rows.columns[index].title:
                self.order_by(index)
                return
            start += cells + 1

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling draws the rows anew; the title line stays."""
        super().watch_scroll_y(old_value, new_value)
        self.refresh(Region(0, 0, self.size.width, self.size.height))
