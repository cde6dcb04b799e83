# SPDX-License-Identifier: Apache-2.0
"""The rows above the lanes: time axis, phases, job brackets, CloudStack's events, the gateway's owner."""

from csworkbench.model.event import JobStatus, Phase
from csworkbench.model.sample import mac_text
from csworkbench.model.state import JobState
from csworkbench.tui.glyphs import Cell, Glyphs
from csworkbench.tui.text import clean, narrow
from csworkbench.tui.times import SECOND, TimeBase, relative, seconds, span
from csworkbench.tui.view import RunView

from .canvas import Canvas, Parts
from .window import Window

TICKS_NS = tuple(int(s * SECOND) for s in (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200))
NAME_LEAST = 4  # a phase's name is cut to no fewer characters
_GOOD, _BAD = "job-good", "job-bad"
NOTE_SHOWN = 24  # characters of a note in its row; the detail line has all of it
TICK_ROOM = 10  # columns between two labels
MEASURED = (Phase.WARMUP, Phase.BASELINE, Phase.READY, Phase.CHANGE, Phase.SETTLE, Phase.MEASURE, Phase.COLLECT)


def axis(window: Window, view: RunView, glyphs: Glyphs, mark_ns: int | None = None) -> Parts:
    """Labels at round times, where the present is, and the mark that distances are measured from."""
    canvas = Canvas(window.columns)
    in_utc = view.base is not TimeBase.RELATIVE
    room = TICK_ROOM if not in_utc else TICK_ROOM + 2
    every = next((t for t in TICKS_NS if t >= window.step_ns * room), TICKS_NS[-1])
    # UTC ticks stand at round UTC times, relative ones at round distances from the change.
    anchor = view.anchor_ns - (view.state.wall_ns(view.anchor_ns) % every if in_utc else 0)
    at_ns = anchor + -((anchor - window.start_ns) // every) * every
    digits = 1 if every < SECOND else 0
    while at_ns < window.end_ns:
        label = view.clock(at_ns, digits) if in_utc else _label(at_ns - view.anchor_ns, every, digits)
        if view.change_ns is not None and not in_utc and at_ns == view.anchor_ns:
            label = "change"
        canvas.put(window.column(at_ns), f"{glyphs.bar}{label}", "axis")
        at_ns += every
    if mark_ns is not None and window.shows(mark_ns):
        canvas.put(window.column(mark_ns), glyphs.point, "now")
    if view.moving and window.shows(view.now_ns):
        canvas.put(window.column(view.now_ns), glyphs.now, "now")
    return canvas.parts()


def _label(ns: int, every: int, digits: int) -> str:
    if every >= 60 * SECOND:
        return ("-" if ns < 0 else "+") + span(abs(ns))
    return relative(ns, digits)


def phases(window: Window, view: RunView, glyphs: Glyphs) -> Parts:
    """The run's phases as stretches with their names."""
    canvas = Canvas(window.columns)
    entered = view.state.phases
    for index, (phase, at_ns, _) in enumerate(entered):
        if phase not in MEASURED:
            continue
        until = entered[index + 1][1] if index + 1 < len(entered) else view.now_ns
        first, last = window.column(at_ns), window.column(max(until - 1, at_ns))
        if last < 0 or first >= window.columns:
            continue
        style = "phase-change" if phase is Phase.CHANGE else "phase"
        canvas.line(first, last, glyphs.line, style)
        canvas.put(first, glyphs.bar, style)
        shown = max(first + 1, 0)
        name = phase.value[: max(min(last, window.columns - 1) - shown + 1, 0)]
        if len(name) >= min(len(phase.value), NAME_LEAST):
            canvas.put(shown, name, f"{style}-name")
    return canvas.parts()


def job(window: Window, view: RunView, glyphs: Glyphs, state: JobState) -> Parts:
    """A job as a bracket whose ends have a width: (last poll with the old state, first with the new)."""
    canvas = Canvas(window.columns)
    if not state.changes:
        return canvas.parts()
    begin, ended = state.changes[0], state.ended
    first, first_sure = window.column(begin.last_old_ns), window.column(begin.first_new_ns)
    last_sure = window.column(ended.last_old_ns if ended else view.now_ns)
    canvas.line(first_sure, last_sure, glyphs.line, "job")
    canvas.line(first, first_sure - 1, glyphs.unsure, "job-unsure")
    canvas.put(first_sure, glyphs.start, "job")
    if ended is None:
        canvas.put(last_sure, glyphs.running, "job")
        return canvas.parts()
    last = window.column(ended.first_new_ns)
    canvas.line(last_sure + 1, last, glyphs.unsure, "job-unsure")
    good = ended.status is JobStatus.SUCCEEDED
    canvas.put(last, glyphs.end, "job")
    length = seconds((ended.first_new_ns + ended.last_old_ns - begin.first_new_ns - begin.last_old_ns) // 2)
    text = f"{ended.status.value} {length}"
    beside = last + 2 + len(text) <= window.columns
    canvas.put(last + 2 if beside else last - 2 - len(text), text if beside else f" {text} ", _GOOD if good else _BAD)
    return canvas.parts()


def events(window: Window, view: RunView, glyphs: Glyphs, rows: int) -> list[Parts]:
    """Operators' notes and CloudStack's events, packed into rows.

    An event is a mark, as wide as its time is uncertain, then type and state. Notes come first: a person wrote them.
    """
    canvases = [Canvas(window.columns) for _ in range(rows)]
    for at_ns, text in view.notes:
        if window.shows(at_ns):
            first, label = window.column(at_ns), narrow(clean(text, NOTE_SHOWN))
            free = next((c for c in canvases if c.free(first, first + len(label) + 1)), canvases[-1])
            free.put(first, glyphs.note, "note")
            free.put(first + 1, glyphs.plain(label), "note")
    spans = [(view.state.event_span(seen, event), event) for seen, event in view.state.cloud_events]
    for (low, high), event in sorted(spans, key=lambda item: item[0]):
        first = window.column(low)
        last = min(max(window.column(high), first), first + window.columns)
        if last < 0 or first >= window.columns:
            continue
        name, state = clean(event.type, 40), clean(event.state, 12)
        labels = (f"{name} {state}", name, name.rsplit(".", 1)[-1], "")
        style = "event-bad" if event.level.upper() in ("ERROR", "WARN") else "event"
        # Shorter words rather than none; without any room the mark is left to the detail line.
        places = ((label, c) for label in labels for c in canvases if c.free(first, last + 1 + len(label)))
        label, canvas = next(places, ("", None))
        if canvas is None:
            continue
        canvas.put(first, glyphs.mark, style)
        canvas.line(first + 1, last, glyphs.unsure, "event-unsure")
        canvas.put(last + 1, label, style)
    return [canvas.parts() for canvas in canvases]


def owners(window: Window, view: RunView, glyphs: Glyphs, lane_id: int, cells: bytearray) -> Parts:
    """Which MAC answers for the gateway, from when on; a second owner is marked where it answered."""
    canvas = Canvas(window.columns)
    changes = view.analysis.owners(lane_id)
    palette = {mac: f"owner-{i % 3}" for i, mac in enumerate(dict.fromkeys(mac for _, mac in changes))}
    for index, (from_ns, mac) in enumerate(changes):
        until = changes[index + 1][0] if index + 1 < len(changes) else window.end_ns
        first, last = max(window.column(from_ns), 0), min(window.column(until), window.columns) - 1
        if last < first:
            continue
        for column in range(first, last + 1):
            if cells[column] is not Cell.NONE and cells[column]:
                up = cells[column] in (Cell.UP, Cell.EDGE, Cell.DEGRADED)
                canvas.put(column, glyphs.line if up else glyphs.unsure, palette[mac] if up else "owner-none")
        text = mac_text(mac)
        reach = last - first if index + 1 < len(changes) else window.columns - first - 1
        label = next((t for t in (text, text[9:], text[12:]) if len(t) + 3 <= reach), "")
        canvas.put(first, glyphs.bar if window.shows(from_ns) and index else "", palette[mac])
        if label:
            canvas.put(first + 2, f" {label} " if first else f"{label} ", palette[mac])
    lane = view.state.lanes[lane_id]
    for second in lane.second_owners:
        at_ns = view.analysis.align(lane.lane.vantage, second.remote_ns)
        if window.shows(at_ns):
            canvas.put(window.column(at_ns), glyphs.second, "owner-second")
    return canvas.parts()
