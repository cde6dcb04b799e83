# SPDX-License-Identifier: Apache-2.0
"""The list of system VMs as one line-API widget: only the rows on the screen are drawn, however many there are."""

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from csworkbench.tui.cloud import COLUMNS, Rows, header, line, shown_columns
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.messages import VmChosen, VmMoved
from csworkbench.upgrade.needs import Assessment

STYLES = ("head", "cell", "template", "scripts", "unknown", "current", "cursor")


class CloudList(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows under a title line that stays. The cursor follows its system VM through filter and order."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"cloud-list--{style}" for style in STYLES}

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="cloud-rows")
        self.rows = Rows()
        self.glyphs = glyphs
        self.cursor = 0

    @property
    def chosen(self) -> Assessment | None:
        """The system VM under the cursor."""
        return self.rows.shown[self.cursor] if self.cursor < len(self.rows.shown) else None

    @property
    def width(self) -> int:
        """Cells of a row."""
        return max(20, self.scrollable_content_region.width)

    def show(self, keep: str = "") -> None:
        """Rows, filter or order have changed; `keep`: the id of the system VM to stay on."""
        found = next((i for i, a in enumerate(self.rows.shown) if a.vm.id == keep), 0) if keep else 0
        self.virtual_size = Size(self.width, len(self.rows.shown) + 1)
        self.go_to(found)
        self.refresh()

    def go_to(self, row: int) -> None:
        """Move the cursor; bring it into view."""
        last = len(self.rows.shown) - 1
        before, self.cursor = self.cursor, max(0, min(row, last))
        height = max(1, self.scrollable_content_region.height - 1)
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False)
        if before != self.cursor:
            self.refresh()
        self.post_message(VmMoved())

    def move(self, rows: int) -> None:
        """Up or down."""
        self.go_to(self.cursor + rows)

    @property
    def page(self) -> int:
        """Rows on the screen."""
        return max(1, self.scrollable_content_region.height - 1)

    def text_rows(self) -> list[str]:
        """What is on the screen, for tests."""
        return [self.render_line(y).text.rstrip() for y in range(self.scrollable_content_region.height)]

    def render_line(self, y: int) -> Strip:
        """The title line, or a row."""
        width = self.width
        if y == 0:
            text = header(width, self.rows.order, descending=self.rows.descending)
            return self._strip([Segment(self.glyphs.plain(text), self._style("head"))], width)
        index = self.scroll_offset.y + y - 1
        if index >= len(self.rows.shown):
            return Strip.blank(width, self.rich_style)
        base = self._style("cursor") if index == self.cursor else Style()
        cells = line(self.rows.shown[index], width)
        return self._strip(
            [Segment(self.glyphs.plain(text), self._style(style) + base) for text, style in cells], width
        )

    def _strip(self, segments: list[Segment], width: int) -> Strip:
        return Strip(segments).adjust_cell_length(width, segments[-1].style or self.rich_style).crop(0, width)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"cloud-list--{name}")

    def on_resize(self) -> None:
        """Other widths of columns."""
        self.virtual_size = Size(self.width, len(self.rows.shown) + 1)
        self.go_to(self.cursor)
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A title orders by its column; a row takes the cursor, and again opens it."""
        event.stop()
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            self._order_at(offset.x)
            return
        row = self.scroll_offset.y + offset.y - 1
        if row == self.cursor and row < len(self.rows.shown):
            self.post_message(VmChosen())
        elif row < len(self.rows.shown):
            self.go_to(row)

    def _order_at(self, x: int) -> None:
        start = 0
        for index, cells in shown_columns(self.width):
            if start <= x <= start + cells:
                self.order_by(index)
                return
            start += cells + 1

    def order_by(self, column: int) -> None:
        """Order by a column; the same one again turns the order round."""
        chosen = self.chosen
        turned = column == self.rows.order and not self.rows.descending
        self.rows.sort(column, descending=turned)
        self.show(chosen.vm.id if chosen else "")

    def next_order(self) -> None:
        """The next column that is shown."""
        shown = [index for index, _ in shown_columns(self.width)]
        after = [i for i in shown if i > self.rows.order] or shown
        self.rows.descending = False
        chosen = self.chosen
        self.rows.sort(after[0])
        self.show(chosen.vm.id if chosen else "")

    @property
    def ordered_by(self) -> str:
        """The title of the column that orders."""
        return COLUMNS[self.rows.order].title

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling draws the rows anew; the title line stays."""
        super().watch_scroll_y(old_value, new_value)
        self.refresh(Region(0, 0, self.size.width, self.size.height))
