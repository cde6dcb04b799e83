# SPDX-License-Identifier: Apache-2.0
"""A row painted: label, columns, and its figure at the right. Pure; the widget only draws what this returns."""

from dataclasses import dataclass
from itertools import groupby

from csworkbench.measurement.order import widened
from csworkbench.measurement.outage import Outage
from csworkbench.tui.glyphs import Cell, Glyphs
from csworkbench.tui.text import clean, fit, width
from csworkbench.tui.times import TimeBase, number
from csworkbench.tui.view import RunView, lane_label, subject_of

from . import marks
from .canvas import Parts
from .rows import Kind, Row
from .track import LaneTrack
from .window import Window

CELL_STYLES = ("none", "up", "down", "edge", "degraded", "unknown", "blind", "ambiguous")
FOLD = 3
SERVICE = 7


@dataclass(frozen=True, slots=True)
class Geometry:
    """How many cells the label, the columns and the figure get."""

    label: int
    columns: int
    figure: int

    @staticmethod
    def of(cells: int) -> "Geometry":
        """Divide a row: labels get what is needed first, figures only where there is room."""
        label = 12 if cells < 40 else 28 if cells < 120 else 33
        figure = 0 if cells < 40 else 9
        return Geometry(label, max(cells - label - figure, 1), figure)


class Painter:
    """Paints rows of one run. Keeps what it has folded of each lane."""

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        self.view = view
        self.glyphs = glyphs
        self.mark_ns: int | None = None
        self._tracks: dict[int, LaneTrack] = {}
        self._cells: dict[int, tuple[tuple[object, ...], bytearray]] = {}

    def paint(self, row: Row, window: Window, geometry: Geometry) -> Parts:
        """The whole row."""
        label = self._label(row, geometry.label)
        return (*label, *self._body(row, window), *self._figure(row, geometry.figure))

    def cells(self, lane_id: int, window: Window) -> bytearray:
        """One Cell per column of a lane; painted anew only when the lane has news or the window has moved."""
        state = self.view.state.lanes[lane_id]
        track = self._tracks.get(lane_id)
        if track is None or track.state is not state:  # a replay that went back tells the lane anew
            track = self._tracks[lane_id] = LaneTrack(state)
            self._cells.pop(lane_id, None)
        track.take()
        report = self.view.reports.get(lane_id)
        outages = tuple(report.outages) if report else ()
        middle_ns = window.time(window.columns // 2)
        # One offset for the whole window: clocks drift by less than a column in it.
        offset = self.view.analysis.to_remote(state.lane.vantage, middle_ns) - middle_ns
        key = (len(state.samples), window, offset // max(window.step_ns // 8, 1), outages)
        kept = self._cells.get(lane_id)
        if kept is None or kept[0] != key:
            cells = track.cells(window.start_ns + offset, window.step_ns, window.columns)
            for outage in outages:
                _soften(cells, window, outage)
                if outage.ambiguous:
                    _doubt(cells, window, outage)
            kept = self._cells[lane_id] = (key, cells)
        return kept[1]

    def _body(self, row: Row, window: Window) -> Parts:  # noqa: PLR0911 - one case for each kind of row
        view, glyphs = self.view, self.glyphs
        match row.kind:
            case Kind.AXIS:
                return marks.axis(window, view, glyphs, self.mark_ns)
            case Kind.PHASES:
                return marks.phases(window, view, glyphs)
            case Kind.JOB:
                job = view.state.jobs.get(row.job)
                return marks.job(window, view, glyphs, job) if job else ((" " * window.columns, ""),)
            case Kind.EVENTS:
                return marks.events(window, view, glyphs, row.of)[row.number]
            case Kind.OWNERS:
                return marks.owners(window, view, glyphs, row.lane, self.cells(row.lane, window))
            case Kind.LANE:
                return lane_parts(self.cells(row.lane, window), glyphs)
            case Kind.QUIET:
                return ((fit(glyphs.plain(row.label), window.columns), "axis"),)

    def _zone(self) -> str:
        return "" if self.view.base is TimeBase.RELATIVE else self.view.zone

    def _label(self, row: Row, cells: int) -> Parts:
        if row.kind is Kind.AXIS:
            return ((fit(f"   {self._zone()}", cells), "axis"),)
        mark = {"folded": self.glyphs.folded, "unfolded": self.glyphs.unfolded}.get(row.fold, " ") if row.first else " "
        digit = str(row.digit or " ")
        if row.kind is not Kind.LANE:
            text = row.label
            if row.kind is Kind.QUIET:
                return ((digit, "axis"), (f"{mark} {fit('no outage', cells - FOLD - 1)} ", "label-beside"))
            if row.kind is Kind.JOB and row.job:
                text += f"    {clean(self.view.state.jobs[row.job].command, 60)}"
            return ((fit(f"   {self.glyphs.plain(text)}", cells - 1) + " ", "label-mark"),)
        lane = self.view.state.lanes[row.lane].lane
        service = fit(row.label if row.first else "", SERVICE)
        room = cells - FOLD - SERVICE - 2
        subject = subject_of(lane)
        if room < 8:  # a very narrow terminal: service or subject, not both
            text = fit(f"{mark} {row.label if row.first else subject}", cells - 1)
            return ((self.glyphs.plain(text) + " ", "label"),)
        taken = min(width(subject), max(room - 6, room // 2))
        kind = fit(clean(lane_label(self.view, lane), 40), room - taken - 1)
        return (
            (f"{digit}", "axis"),
            (f"{mark} {self.glyphs.plain(service)} ", "service"),
            (f"{self.glyphs.plain(kind)} ", "label" if lane.headline else "label-beside"),
            (f"{self.glyphs.plain(fit(subject, taken))} ", "label" if lane.headline else "label-beside"),
        )

    def _figure(self, row: Row, cells: int) -> Parts:
        if not cells:
            return ()
        text, style = "", ""
        report = self.view.reports.get(row.lane)
        if row.kind is Kind.LANE and report is not None and report.outages:
            text, style = f"{number(report.down_ns)} s", "figure-open" if report.open else "figure"
        elif row.kind is Kind.LANE and report is not None and report.sent:
            text, style = "-", "axis"
        elif row.kind is Kind.OWNERS:
            owners = {mac for _, mac in self.view.analysis.owners(row.lane)}
            text, style = f"{len(owners)} MAC{'s' * (len(owners) != 1)}", "axis"
        return ((fit(f" {text}", cells, right=True), style),)


def lane_parts(cells: bytearray, glyphs: Glyphs) -> Parts:
    """Columns as runs of one state each."""
    return tuple((glyphs.cells[cell] * len(list(run)), CELL_STYLES[cell]) for cell, run in groupby(cells))


def _soften(cells: bytearray, window: Window, outage: Outage) -> None:
    """Columns between an edge's bounds, that of its clock included, are uncertain.

    Even where a delayed answer makes them look up.
    """
    edges = [outage.onset] if outage.open else [outage.onset, outage.end]
    for low, high in (widened(edge, outage.clock_ns) for edge in edges):
        for column in range(max(window.column(low) + 1, 0), min(window.column(high), window.columns)):
            if cells[column] in (Cell.UP, Cell.DOWN):
                cells[column] = Cell.EDGE


def _doubt(cells: bytearray, window: Window, outage: Outage) -> None:
    """Where a lane was down while a control lane was: it may not have been the router."""
    first, last = window.column(outage.onset[0]), window.column(outage.end[1])
    for column in range(max(first, 0), min(last + 1, window.columns)):
        if cells[column] == Cell.DOWN:
            cells[column] = Cell.AMBIGUOUS
