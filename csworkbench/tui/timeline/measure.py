# SPDX-License-Identifier: Apache-2.0
"""The distance between two points of the timeline, with both bounds.

A point on an edge of an outage is that edge with its own bounds; any other is as uncertain as its column is wide.
"""

from dataclasses import dataclass

from csworkbench.measurement import order
from csworkbench.measurement.order import widened
from csworkbench.measurement.outage import Outage
from csworkbench.tui.text import clean
from csworkbench.tui.times import bounds, number
from csworkbench.tui.view import RunView

from .detail import lane_name
from .rows import Kind, Row
from .window import Window


@dataclass(frozen=True, slots=True)
class Point:
    """Between `low_ns` and `high_ns` (host monotonic); `name` says what it is; `at_ns` is where the cursor stood."""

    at_ns: int
    low_ns: int
    high_ns: int
    name: str


def point(view: RunView, row: Row | None, window: Window, at_ns: int) -> Point:
    """What stands at a time in a row: the edge of an outage in that column, else the column itself."""
    column = (at_ns, at_ns + window.step_ns)
    if row is None or row.kind is not Kind.LANE:
        return Point(at_ns, *column, view.clock(at_ns))
    report = view.reports.get(row.lane)
    for outage in report.outages if report is not None else ():
        for name, edge in _edges(outage):
            if edge[0] < column[1] and edge[1] >= column[0]:
                low, high = widened(edge, outage.clock_ns)
                return Point(at_ns, low, high, f"{name} of {clean(lane_name(view, row.lane), 60)}")
    return Point(at_ns, *column, view.clock(at_ns))


def distance(begin: Point, end: Point) -> str:
    """`onset of vm01 egress icmp → end of vm02 egress icmp: 1.42 s [1.32, 1.52]`; negative when it goes back."""
    between = order.distance((end.low_ns, end.high_ns), (begin.low_ns, begin.high_ns))
    return f"{begin.name} → {end.name}: {number(between.middle_ns)} s {bounds(between.low_ns, between.high_ns)}"


def _edges(outage: Outage) -> list[tuple[str, tuple[int, int]]]:
    onset = [("onset", outage.onset)]
    return onset if outage.open else [*onset, ("end", outage.end)]
