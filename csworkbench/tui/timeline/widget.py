# SPDX-License-Identifier: Apache-2.0
"""The timeline's widget: what a person does to what is drawn."""

from textual import events
from textual.geometry import Region

from csworkbench.measurement.outage import Outage
from csworkbench.tui.messages import CursorMoved

from .drawing import FROZEN, DrawnTimeline
from .measure import point
from .rows import Kind


class Timeline(DrawnTimeline):
    """Moves the cursor and the window, folds, marks and finds. `CursorMoved` says so."""

    def _moved(self) -> None:
        self._strips.clear()
        self.show()
        self.refresh()
        self.post_message(CursorMoved())

    def _to_row(self, index: int) -> None:
        """Put the cursor on a row; the row that it leaves and that row are all that is drawn."""
        left, self.cursor_row = self.cursor_row, index
        self._scroll_to_cursor()
        width = self.scrollable_content_region.width
        for row in (left, index):
            self._strips.pop(row, None)
            self.refresh(Region(0, row if row < FROZEN else row - self.scroll_offset.y, width, 1))
        self.post_message(CursorMoved())

    def follow(self) -> None:
        """Back to the present; the cursor column goes."""
        self.following, self.cursor_ns, self._fitted = True, None, False
        self._moved()

    def zoom(self, levels: int) -> None:
        """Less (negative) or more time per column, around the cursor or the present."""
        if self.window is None:
            return
        keep = self.cursor_ns if self.cursor_ns is not None else self.view.now_ns
        self.window = self.window.zoomed(levels, keep)
        self._fitted = True  # a zoom that was asked for stays
        self._moved()

    def fit(self) -> None:
        """Show everything that was measured."""
        if self.window is not None:
            self.window = self.window.fitting(*self._extent())
            self.following = self.window.shows(self.view.now_ns)
            self._moved()

    def pan(self, direction: int) -> None:
        """Half a page back or on."""
        if self.window is not None:
            self.following = False
            self.window = self.window.panned(direction * max(self.window.columns // 2, 1))
            self._moved()

    def move(self, columns: int) -> None:
        """Move the cursor by columns; the window pans when it reaches the edge."""
        if self.window is None:
            return
        at = self.cursor_ns
        if at is None:
            last = min(self.window.column(self.view.now_ns), self.window.columns - 1)
            at = self.window.time(max(last, 0))
        self.go_to(self.window.time(self.window.column(at) + columns))

    def go_to(self, at_ns: int) -> None:
        """Put the cursor at a time and bring it into view."""
        if self.window is None:
            return
        before, self.window = self.window, self.window.showing(at_ns)
        self.following, self.cursor_ns = False, at_ns
        if self.window != before:
            self._moved()
            return
        self._strips.clear()  # only the cursor's column differs
        self.refresh()
        self.post_message(CursorMoved())

    def go_to_outage(self, outage: Outage) -> None:
        """Put the cursor on an outage's lane and onset; unfolds the service when the lane is not shown."""
        service = self.view.state.lanes[outage.lane].lane.service
        if all(r.lane != outage.lane or r.kind is not Kind.LANE for r in self._built):
            self.rows.wanted = ""
            self.rows.unfolded.add(service)
            self.show()
        self.cursor_row = next(
            (i for i, r in enumerate(self._built) if r.kind is Kind.LANE and r.lane == outage.lane), self.cursor_row
        )
        self._scroll_to_cursor()
        self.go_to(outage.start_ns)

    def select(self, direction: int) -> None:
        """Move the row cursor."""
        index = self.cursor_row + direction
        while 0 <= index < len(self._built) and not self._built[index].selectable:
            index += direction
        if 0 <= index < len(self._built):
            self._to_row(index)

    def _scroll_to_cursor(self) -> None:
        height = self.scrollable_content_region.height
        top = self.scroll_offset.y
        if self.cursor_row < top + FROZEN:
            self.scroll_to(y=max(self.cursor_row - FROZEN, 0), animate=False)
        elif self.cursor_row >= top + height:
            self.scroll_to(y=self.cursor_row - height + 1, animate=False)

    def fold(self) -> bool:
        """Fold or unfold the service under the cursor; False where there is nothing to fold."""
        row = self.row
        if row is None or not self.rows.toggle(row):
            return False
        self._moved()
        return True

    def cycle_time(self) -> None:
        """Relative times, UTC, local times."""
        self.view.base = self.view.base.next
        self._moved()

    def set_mark(self) -> bool:
        """Measure from the cursor from now on; a second time at the same place forgets it. False without a cursor."""
        if self.cursor_ns is None or self.window is None:
            return False
        again = self.mark is not None and self.mark.at_ns == self.cursor_ns
        self.mark = None if again else point(self.view, self.row, self.window, self.cursor_ns)
        self.painter.mark_ns = self.mark.at_ns if self.mark is not None else None
        self._moved()
        return True

    def jump(self, digit: int) -> bool:
        """To the row with that digit; False when there is none."""
        index = next((i for i, row in enumerate(self._built) if row.digit == digit), None)
        if index is None:
            return False
        self._to_row(index)
        return True

    def search(self, text: str) -> int:
        """Show only lanes whose words hold the text, all for an empty one; how many lanes are shown."""
        self.rows.wanted = text.strip().lower()
        self._moved()
        return sum(row.kind is Kind.LANE for row in self._built)

    def adopt(self, other: "Timeline") -> None:
        """Look at what another timeline looked at: another layout has made this one."""
        self.rows, self.painter = other.rows, other.painter
        self.window, self.following, self._fitted = other.window, other.following, other._fitted
        self.cursor_ns, self.cursor_row, self.mark = other.cursor_ns, other.cursor_row, other.mark
        self._built = other._built

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is; a click on a label folds."""
        index = self._index(event.y)
        if index >= len(self._built) or self.window is None:
            return
        if self._built[index].selectable:
            self.cursor_row = index
        column = event.x - self._geometry.label
        if 0 <= column < self.window.columns:
            self.go_to(self.window.time(column))
        elif column >= 0 or not self.fold():
            self._moved()
