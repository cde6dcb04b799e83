# SPDX-License-Identifier: Apache-2.0
"""The panel of the timeline; while there is nothing to draw yet, it shows what is being prepared."""

import re
from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import Vertical

from csworkbench.model.event import Level, Notice
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.text import clean
from csworkbench.tui.timeline.widget import Timeline
from csworkbench.tui.times import span
from csworkbench.tui.view import RunView

from .base import LinesPanel
from .chrome import LEVELS

KEPT = 60
_COUNT = re.compile(r"\d+/\d+$")


def last_of_each(notices: Iterable[tuple[int, Notice]]) -> list[tuple[int, Notice]]:
    """Notices in order; of those in a row that differ only in how far it is, as `pushing probes 3/11`, the last."""
    kept: list[tuple[int, Notice]] = []
    for at_ns, notice in notices:
        if kept and notice.level is kept[-1][1].level is Level.INFO:
            was, now = kept[-1][1].text, notice.text
            if _COUNT.search(was) and _COUNT.search(now) and _COUNT.sub("", was) == _COUNT.sub("", now):
                kept.pop()
        kept.append((at_ns, notice))
    return kept


class ProgressPanel(LinesPanel):
    """The run's notices, newest last."""

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__(view, glyphs, panel_id="progress")

    def lines(self) -> Iterable[Line]:
        """One line per notice with its time since the run was opened."""
        state = self.view.state
        notices = last_of_each(state.notices)[-max(min(self.size.height - 2, KEPT), 1) :]
        if not notices:
            yield (("waiting for the engine …", "$faint"),)
        for index, (at_ns, notice) in enumerate(notices):
            newest = index == len(notices) - 1
            style = "b" if newest and LEVELS[notice.level] == "$muted" else LEVELS[notice.level]
            mark = "▸ " if newest and self.view.moving else "✓ " if LEVELS[notice.level] == "$muted" else "× "
            yield ((f"{span(at_ns - state.started_ns):>7}  ", "$faint"), (mark + clean(notice.text), style))


class TimelinePanel(Vertical):
    """Border, title and zoom around the timeline."""

    BORDER_TITLE = "preparing"

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__(id="timeline")
        self.view = view
        self.glyphs = glyphs
        self.progress = ProgressPanel(view, glyphs)
        self.timeline = Timeline(view, glyphs)

    def compose(self) -> ComposeResult:
        """Both faces; one is displayed."""
        self.timeline.display = False
        yield self.progress
        yield self.timeline

    def show(self) -> None:
        """Take the run's news."""
        drawing = self.view.has_samples
        if drawing != self.timeline.display:
            self.timeline.display = drawing
            self.progress.display = not drawing
            if not drawing:
                self.border_title = "preparing"
            if drawing:
                self.call_after_refresh(self.timeline.show)
        if drawing:
            self.timeline.show()
            subtitle = self.glyphs.plain(self.timeline.status)
        else:
            self.progress.show()
            subtitle = ""
        if drawing:
            self._legend()
        if subtitle != str(self.border_subtitle or ""):
            self.border_subtitle = subtitle

    def _legend(self) -> None:
        """What the glyphs mean, where there is room for it."""
        names = ("up", "down", "edge", "mixed", "unknown", "blind", "ambiguous")
        words = zip(names, self.glyphs.cells[1:], strict=True)
        legend = "  ".join(f"{glyph} {word}" for word, glyph in words)
        title = f"timeline   {legend}" if self.outer_size.width > 80 else "timeline"
        if title != str(self.border_title or ""):
            self.border_title = title
