# SPDX-License-Identifier: Apache-2.0
"""Which stretch of time the timeline shows, and at how much time per column."""

from bisect import bisect_left
from dataclasses import dataclass, replace

ZOOMS_NS = tuple(ms * 1_000_000 for ms in (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000))
DEFAULT_STEP_NS = 500_000_000
PAGE_TO = 3  # after turning a page the present stands at 1/PAGE_TO of it


@dataclass(frozen=True, slots=True)
class Window:
    """`columns` columns of `step_ns` each from `start_ns` on (recorder's monotonic clock)."""

    start_ns: int
    step_ns: int
    columns: int

    @property
    def end_ns(self) -> int:
        """The first time that is not shown any more."""
        return self.start_ns + self.step_ns * self.columns

    def column(self, at_ns: int) -> int:
        """The column of a time; outside of 0 … columns - 1 when it is not shown."""
        return (at_ns - self.start_ns) // self.step_ns

    def time(self, column: int) -> int:
        """When a column begins."""
        return self.start_ns + column * self.step_ns

    def shows(self, at_ns: int) -> bool:
        """True for a time in the window."""
        return self.start_ns <= at_ns < self.end_ns

    def resized(self, columns: int) -> "Window":
        """The same start with another number of columns."""
        return replace(self, columns=max(columns, 1))

    def zoomed(self, levels: int, keep_ns: int) -> "Window":
        """In (negative) or out by levels; `keep_ns` stays in its column when it is shown, else the centre does."""
        index = bisect_left(ZOOMS_NS, self.step_ns)
        if levels > 0 and self.step_ns not in ZOOMS_NS:
            index -= 1  # a fitted step lies between two levels
        step = ZOOMS_NS[min(max(index + levels, 0), len(ZOOMS_NS) - 1)]
        if not self.shows(keep_ns):
            keep_ns = self.time(self.columns // 2)
        return replace(self, step_ns=step, start_ns=keep_ns - self.column(keep_ns) * step)

    def panned(self, columns: int) -> "Window":
        """Moved by columns."""
        return replace(self, start_ns=self.start_ns + columns * self.step_ns)

    def showing(self, at_ns: int) -> "Window":
        """Moved as little as brings a time into view, with some room around it."""
        margin = min(self.columns // 4, 8)
        column = self.column(at_ns)
        if column < margin and at_ns < self.start_ns:
            return self.panned(column - margin)
        if column >= self.columns:
            return self.panned(column - self.columns + 1 + margin)
        return self

    def following(self, now_ns: int) -> "Window":
        """The page with the present in it: the same one until its edge is reached, then the next."""
        if self.start_ns <= now_ns < self.end_ns - self.step_ns:
            return self
        return replace(self, start_ns=now_ns - (self.columns // PAGE_TO) * self.step_ns)

    def fitting(self, from_ns: int, to_ns: int) -> "Window":
        """The smallest zoom that shows all of a stretch."""
        length = max(to_ns - from_ns, 1)
        finest, coarsest = ZOOMS_NS[0], ZOOMS_NS[-1]
        step = -(-length // (max(self.columns - 2, 1) * finest)) * finest
        step = min(max(step, finest), coarsest)
        return replace(self, step_ns=step, start_ns=from_ns - step)


def zoom_text(step_ns: int) -> str:
    """How much time a column stands for: `0.5 s/column`."""
    return f"{step_ns / 1e9:g} s/column"
