# SPDX-License-Identifier: Apache-2.0
"""Drawing the timeline as one line-API widget: all rows, one cursor, paged window, strips cached by row."""

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from csworkbench.model.event import Phase
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.view import RunView

from .canvas import Parts, changed, text_of
from .detail import detail
from .measure import Point, distance, point
from .paint import Geometry, Painter
from .rows import LOW_ROWS, Kind, Row, Rows, event_rows
from .window import DEFAULT_STEP_NS, Window, zoom_text

STYLES = (
    "none", "up", "down", "edge", "degraded", "unknown", "blind", "ambiguous", "axis", "now", "phase", "phase-name",
    "phase-change", "phase-change-name", "job", "job-unsure", "job-good", "job-bad", "event", "event-bad",
    "event-unsure", "owner-0", "owner-1", "owner-2", "owner-none", "owner-second", "label", "label-mark",
    "label-beside", "service", "figure", "figure-open", "note", "cursor", "row-cursor", "mark",
)  # fmt: skip
BACKGROUNDS = ("cursor", "row-cursor", "mark")
OWN_COLOURS = {"cursor": Style(reverse=True), "row-cursor": Style(underline=True), "mark": Style(reverse=True)}
FROZEN = 1  # the axis stays while rows scroll


class DrawnTimeline(ScrollView, can_focus=True, inherit_bindings=False):
    """Draws the rows of one run. `show` takes news; only what differs from the frame before is drawn again."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"timeline--{style}" for style in STYLES}

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__(id="timeline-rows")
        self.view = view
        self.painter = Painter(view, glyphs)
        self.rows = Rows()
        self.window: Window | None = None
        self.following = True
        self.cursor_ns: int | None = None
        self.cursor_row = 0
        self.mark: Point | None = None
        self._geometry = Geometry.of(80)
        self._built: list[Row] = []
        self._painted: dict[int, Parts] = {}
        self._strips: dict[int, Strip] = {}
        self._fitted = False
        self._styles: dict[str, Style] = {}

    @property
    def row(self) -> Row | None:
        """The row that the cursor stands on."""
        return self._built[self.cursor_row] if self.cursor_row < len(self._built) else None

    @property
    def detail(self) -> str:
        """What stands under the cursor, in words."""
        if self.window is None or self.row is None:
            return ""
        text = detail(self.view, self.row, self.window, self.cursor_ns)
        if self.mark is None or self.cursor_ns is None or self.cursor_ns == self.mark.at_ns:
            return text
        return f"{distance(self.mark, point(self.view, self.row, self.window, self.cursor_ns))} · {text}"

    @property
    def status(self) -> str:
        """Zoom and mode, for the panel's border."""
        if self.window is None:
            return ""
        mode = "following" if self.following and self.view.moving else "paused" if self.view.moving else ""
        found = f"only {self.rows.wanted!r} · " if self.rows.wanted else ""
        return f"{found}{zoom_text(self.window.step_ns)}{f' · {mode}' if mode else ''}"

    def text_rows(self) -> list[str]:
        """Every row as text, for tests."""
        assert self.window is not None  # noqa: S101
        return [text_of(self.painter.paint(row, self.window, self._geometry)) for row in self._built]

    def show(self) -> None:
        """Take the run's news and redraw the columns that differ."""
        width = self.scrollable_content_region.width
        height = self.scrollable_content_region.height
        if width < 1 or height < 1 or not self.view.state.lanes:
            return
        self._geometry = Geometry.of(width)
        self._place_window(height)
        built = self.rows.build(self.view, event_rows(height))
        if height < LOW_ROWS and len(built) > height:
            built = self.rows.build(self.view, event_rows(height), low=True)
        # Another VM in the same row is no other row: its cells are compared like any news.
        if [(r.kind, r.service) for r in built] != [(r.kind, r.service) for r in self._built]:
            self._rebuild(built)
        else:
            self._built = built
        size = Size(width, len(built))
        if self.virtual_size != size:
            self.virtual_size = size
        for y in range(height):
            self._repaint(y)

    def _place_window(self, height: int) -> None:
        view, columns = self.view, self._geometry.columns
        now = view.now_ns
        if self.window is None:
            self.rows.unfold_if_room(self.view, height)
            first = next((at for p, at, _ in view.state.phases if p is not Phase.PREPARE), view.state.started_ns)
            self.window = Window(first - DEFAULT_STEP_NS, DEFAULT_STEP_NS, columns)
        window = self.window.resized(columns)
        if not self.following:
            self.window = window
            return
        if view.moving:
            self._fitted = False
            self.window = window.following(now)
        elif view.over and (view.closed or not view.live) and not self._fitted:
            self._fitted = True
            self.window = window.fitting(*self._extent())
        elif window != self.window:
            self.window = window.fitting(*self._extent()) if self._fitted else window

    def _extent(self) -> tuple[int, int]:
        """From the start of measuring to the end of the run."""
        phases = self.view.state.phases
        starts = [at for p, at, _ in phases if p in (Phase.BASELINE, Phase.MEASURE)]
        ends = [at for p, at, _ in phases if p in (Phase.COLLECT, Phase.DONE)]
        return starts[0] if starts else self.view.state.started_ns, ends[0] if ends else self.view.now_ns

    def _rebuild(self, built: list[Row]) -> None:
        """Rows have come or gone: the cursor stays on its row, everything is drawn."""
        old = self.row
        self._built = built
        self._painted.clear()
        self._strips.clear()
        if old is not None:
            same = next(
                (i for i, r in enumerate(built) if (r.kind, r.lane, r.number) == (old.kind, old.lane, old.number)), None
            )
            near = next((i for i, r in enumerate(built) if r.service is old.service and r.kind is old.kind), None)
            self.cursor_row = same if same is not None else near if near is not None else 0
        if self.cursor_row >= len(built) or not built[self.cursor_row].selectable or self.cursor_row < FROZEN + 1:
            lanes = (i for i, r in enumerate(built) if r.kind is Kind.LANE)
            self.cursor_row = next(lanes, min(1, len(built) - 1))
        self.refresh()

    def _repaint(self, y: int) -> None:
        index = self._index(y)
        if self.window is None or index >= len(self._built):
            return
        parts = self.painter.paint(self._built[index], self.window, self._geometry)
        span = changed(self._painted.get(index, ()), parts)
        if span is not None:
            self._painted[index] = parts
            self._strips.pop(index, None)
            self.refresh(Region(span[0], y, span[1] - span[0] + 1, 1))

    def _index(self, y: int) -> int:
        """The row in line y of the viewport."""
        return y if y < FROZEN else y + self.scroll_offset.y

    def render_line(self, y: int) -> Strip:
        """Draw one line from its painted parts."""
        index = self._index(y)
        width = self.scrollable_content_region.width
        if self.window is None or index >= len(self._built):
            return Strip.blank(width, self.rich_style)
        strip = self._strips.get(index)
        if strip is None:
            parts = self._painted.get(index)
            if parts is None:
                parts = self.painter.paint(self._built[index], self.window, self._geometry)
                self._painted[index] = parts
            strip = self._strips[index] = self._strip(index, parts, width)
        return strip

    def _strip(self, index: int, parts: Parts, width: int) -> Strip:
        base = self._base()
        if index == self.cursor_row:
            base += self._style("row-cursor")
        strip = Strip([Segment(text, base + self._style(style) if style else base) for text, style in parts if text])
        strip = strip.adjust_cell_length(width, base)
        if self.mark is not None:
            strip = self._column(strip, self.mark.at_ns, "mark")
        return strip if self.cursor_ns is None else self._column(strip, self.cursor_ns, "cursor")

    def _column(self, strip: Strip, at_ns: int, style: str) -> Strip:
        """The strip with the column of a time marked."""
        if self.window is None or not self.window.shows(at_ns):
            return strip
        x = self._geometry.label + self.window.column(at_ns)
        under = strip.crop(x, x + 1).apply_style(self._style(style))
        return Strip.join([strip.crop(0, x), under, strip.crop(x + 1)])

    def _base(self) -> Style:
        """The widget's own style; Textual makes it anew from all ancestors each time that it is asked."""
        style = self._styles.get("")
        if style is None:
            style = self._styles[""] = self.rich_style
        return style

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            full = self.get_component_rich_style(f"timeline--{name}")
            # Without its background, so that the cursor's shows through.
            front = Style(color=full.color, bold=full.bold)
            if name in BACKGROUNDS:
                # Nobody knows which of the terminal's own colours can be read on which.
                own = self.app.native_ansi_color
                front = OWN_COLOURS[name] if own else Style(bgcolor=full.bgcolor)
            style = self._styles[name] = front
        return style

    def notify_style_update(self) -> None:
        """Forget styles: the theme or the layout has changed."""
        super().notify_style_update()
        self._styles.clear()
        self._strips.clear()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Draw what has come into view."""
        super().watch_scroll_y(old_value, new_value)
        self._strips.clear()

    def on_resize(self) -> None:
        """Another size has other columns."""
        self._painted.clear()
        self._strips.clear()
        self.show()
        self.refresh()
