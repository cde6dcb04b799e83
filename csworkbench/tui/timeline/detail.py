# SPDX-License-Identifier: Apache-2.0
"""The line below the timeline: what stands under the cursor, in words."""

from collections.abc import Callable

from csworkbench.measurement.blind import Blind
from csworkbench.measurement.outage import Outage
from csworkbench.measurement.reasons import causes_text
from csworkbench.measurement.totals import LaneReport
from csworkbench.model.event import Phase
from csworkbench.model.sample import mac_text
from csworkbench.tui.text import clean
from csworkbench.tui.times import bounds, clock_text, relative, seconds
from csworkbench.tui.view import RunView, lane_label, subject_of

from .rows import Kind, Row
from .window import Window


def detail(view: RunView, row: Row | None, window: Window, at_ns: int | None) -> str:
    """One line about a row at a time; without a time, about its newest part."""
    makers: dict[Kind, Callable[[], str]] = {
        Kind.LANE: lambda: _lane(view, row.lane, window, at_ns) if row else "",
        Kind.JOB: lambda: _job(view, row.job) if row else "",
        Kind.EVENTS: lambda: _event(view, at_ns),
        Kind.OWNERS: lambda: _owners(view, row.lane, at_ns) if row else "",
        Kind.PHASES: lambda: _phase(view, at_ns),
        Kind.QUIET: lambda: f"no outage so far: {row.label}" if row else "",
    }
    return makers.get(row.kind, str)() if row is not None else ""


def outage_text(view: RunView, outage: Outage) -> str:
    """An outage in words: `down 14:03:11.42 – 14:03:12.84 · 1.42 s [1.32, 1.52] · timeout 14`. Times are UTC or local.

    What makes it doubtful, and the bound of its clock, follow.
    """
    end = "still open" if outage.open and not outage.end_ns else view.clock(outage.end_ns)
    kind = "blip" if outage.blip else "down"
    lane = view.state.lanes[outage.lane].lane
    ipv6 = ":" in lane.target
    text = (
        f"{kind} {view.clock(outage.start_ns)} – {end} · "
        f"{seconds(outage.down_ns)} {bounds(outage.low_ns, outage.high_ns)} · "
        f"{causes_text(outage.causes, lane.prober, ipv6=ipv6)}"
    )
    if outage.ambiguous:
        text += f" · ambiguous: {clean(outage.ambiguous, 120)}"
    if outage.unknown:
        text += f" · not known: {causes_text(outage.unknown, lane.prober, ipv6=ipv6)}"
    if outage.late:
        text += f" · {outage.late} answered late"
    return f"{text} · clock {clock_text(outage.clock_ns)}"


def lane_name(view: RunView, lane_id: int) -> str:
    """A lane in words: `vm01 egress icmp`."""
    lane = view.state.lanes[lane_id].lane
    label = "" if lane.service.value.lower().endswith(lane.label) else f" {clean(lane_label(view, lane), 40)}"
    return f"{subject_of(lane)} {lane.service.value}{label}"


def _lane(view: RunView, lane_id: int, window: Window, at_ns: int | None) -> str:
    lane = view.state.lanes[lane_id].lane
    report = view.reports.get(lane_id)
    name = lane_name(view, lane_id)
    if report is None:
        return f"{name}: no data yet"
    found = _near(report, window, at_ns)
    if found is not None:
        return f"{name}: {outage_text(view, found)}"
    outages = f", {len(report.outages)} outages" if len(report.outages) > 1 else ""
    every = f"every {lane.interval_ns / 1e9:g} s"
    target = f"{clean(lane.vantage, 40)} → {clean(lane.target, 60)}{f':{lane.port}' if lane.port else ''}"
    state = "up" if at_ns is None else f"at {view.clock(at_ns)} no outage"
    if not report.sent:
        return f"{name}: nothing counted yet · {target} {every}"
    unknown = f", {report.unknown} unknown" if report.unknown else ""
    blind = _blind(report, window, at_ns)
    if blind is not None:
        return (
            f"{name}: blind {view.clock(blind.start_ns)} – {view.clock(blind.end_ns)} · "
            f"{seconds(blind.end_ns - blind.start_ns)}: {clean(blind.cause, 80)} · an outage may have gone unseen"
        )
    return f"{name}: {state} · {report.ok} ok, {report.fail} lost{unknown} of {report.sent}{outages} · {target} {every}"


def _near(report: LaneReport, window: Window, at_ns: int | None) -> Outage | None:
    """The outage in the cursor's column; without a cursor the longest one."""
    if at_ns is None:
        return max(report.outages, key=lambda o: o.down_ns, default=None)
    column_end = at_ns + window.step_ns
    for outage in report.outages:
        until = outage.end[1] if outage.end_ns else column_end
        if outage.onset[0] < column_end and until > at_ns:
            return outage
    return None


def _blind(report: LaneReport, window: Window, at_ns: int | None) -> Blind | None:
    """The blind stretch in the cursor's column."""
    if at_ns is None:
        return None
    return next((b for b in report.blind if b.start_ns < at_ns + window.step_ns and b.end_ns > at_ns), None)


def _job(view: RunView, job_id: str) -> str:
    job = view.state.jobs.get(job_id)
    if job is None or not job.changes:
        return "no job has been started yet"
    begin, ended = job.changes[0], job.ended
    text = f"job {clean(job.command, 60)}: started {view.clock(begin.first_new_ns)} {view.zone}"
    if ended is None:
        return f"{text}, {job.status.value}"
    window = f"between {view.clock(ended.last_old_ns)} and {view.clock(ended.first_new_ns)} {view.zone}"
    error = f": {clean(ended.text, 200)}" if ended.text else ""
    return f"{text}, {ended.status.value} {window}{error}"


def _event(view: RunView, at_ns: int | None) -> str:
    events = view.state.cloud_events
    note = min(view.notes, key=lambda n: abs(n[0] - (at_ns or view.now_ns)), default=None)
    placed = [(view.state.event_span(seen, event), event) for seen, event in events]
    if note is not None and at_ns is not None:
        nearest = min((abs(low - at_ns) for (low, _), _ in placed), default=None)
        if nearest is None or abs(note[0] - at_ns) <= nearest:
            return f"note at {view.clock(note[0])} {view.zone}: {clean(note[1])}"
    if not placed:
        return "no events of CloudStack yet"
    if at_ns is None:
        (low, high), event = placed[-1]
    else:
        (low, high), event = min(placed, key=lambda item: abs(item[0][0] - at_ns))
    when = f"between {view.clock(low)} and {view.clock(high)} {view.zone}"
    name = f"{clean(event.type, 60)} {clean(event.state, 20)} {clean(event.level, 10)}"
    return f"{name}: {clean(event.description)} · {when}"


def _owners(view: RunView, lane_id: int, at_ns: int | None) -> str:
    owners = view.analysis.owners(lane_id)
    if not owners:
        return "nobody has answered for the gateway yet"
    state = view.state.lanes[lane_id]
    index = max((i for i, (t, _) in enumerate(owners) if at_ns is None or t <= at_ns), default=0)
    since, mac = owners[index]
    text = f"gateway {clean(state.lane.target, 40)} is {mac_text(mac)} since {view.clock(since)} {view.zone}"
    if index:
        text += f", before that {mac_text(owners[index - 1][1])}"
    if state.second_owners:
        macs = {mac_text(s.mac) for s in state.second_owners}
        text += f" · a second owner answered {len(state.second_owners)} times ({', '.join(sorted(macs)[:2])})"
    return text


def _phase(view: RunView, at_ns: int | None) -> str:
    entered = view.state.phases
    if not entered:
        return ""
    past = [p for p in entered if at_ns is None or p[1] <= at_ns] or entered[:1]
    phase, since, why = past[-1]
    after = (
        f" ({relative(since - view.anchor_ns, 1)})" if view.change_ns is not None and phase is not Phase.CHANGE else ""
    )
    return f"phase {phase.value} since {view.clock(since)} {view.zone}{after}{f' · {clean(why)}' if why else ''}"
