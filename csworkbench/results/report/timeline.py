# SPDX-License-Identifier: Apache-2.0
"""One run's timeline as SVG: phases, job, events, gateway owners and lanes on one axis of seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from csworkbench.measurement.totals import LaneReport
from csworkbench.model.event import Phase
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.model.sample import mac_text
from csworkbench.results.run_result import RunResult

from .elements import element

WIDTH, LEFT, RIGHT, ROW, TOP = 1100, 215, 75, 16, 22
STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
MARKS = 14  # at most so many on the axis
LANES = 60  # more rows than this nobody reads; the CSV files have all
OWNERS = 4  # colours


@dataclass(frozen=True, slots=True)
class Scale:
    """Recorder's ns to x. `zero_ns` is 0 on the axis."""

    from_ns: int
    to_ns: int
    zero_ns: int

    def x(self, at_ns: int) -> float:
        """Within the drawing, whatever the time."""
        share = (at_ns - self.from_ns) / max(self.to_ns - self.from_ns, 1)
        return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)

    def marks(self) -> Iterator[tuple[float, str]]:
        """(x, label) of the axis' marks."""
        length_s = (self.to_ns - self.from_ns) / 1e9
        step = next((s for s in STEPS_S if length_s / s <= MARKS), STEPS_S[-1])
        first = -int((self.zero_ns - self.from_ns) / 1e9 / step)
        for number in range(first, first + int(length_s / step) + 2):
            at_ns = self.zero_ns + round(number * step * 1e9)
            if self.from_ns <= at_ns <= self.to_ns:
                yield self.x(at_ns), f"{number * step:+g} s" if number else "0"


def timeline(result: RunResult) -> Element:
    """The drawing; rows grouped by service, the worst lane of each kind first."""
    scale = _scale(result)
    rows = [_phases(result, scale), *_jobs(result, scale), _events(result, scale)]
    shown = _chosen(result)
    rows += [row for report in shown for row in _lane(result, scale, report)]
    height = TOP + ROW * len(rows) + 6
    drawing = element(
        "svg", viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=f"timeline of run {result.run}",
        xmlns="http://www.w3.org/2000/svg",
    )  # fmt: skip
    for x, label in scale.marks():
        drawing.append(element("line", x1=x, x2=x, y1=TOP - 4, y2=height, cls="grid"))
        drawing.append(element("text", label, x=x, y=TOP - 8, cls="axis"))
    for number, (label, parts, figure) in enumerate(rows):
        row = element("g", transform=f"translate(0 {TOP + number * ROW})")
        row.append(element("text", label, x=4, y=ROW - 4, cls="label"))
        for part in parts:
            row.append(part)
        if figure:
            row.append(element("text", figure, x=WIDTH - 4, y=ROW - 4, cls="figure"))
        drawing.append(row)
    hidden = sum(bool(report.outages) for report in result.lanes()) - sum(bool(report.outages) for report in shown)
    note = f"{hidden} more lanes with outages are in outages.csv" if hidden else ""
    return element("figure", drawing, element("figcaption", note) if note else "")


Row = tuple[str, list[Element], str]


def _scale(result: RunResult) -> Scale:
    state = result.state
    starts = [at for p, at, _ in state.phases if p in (Phase.BASELINE, Phase.MEASURE)]
    ends = [at for p, at, _ in state.phases if p in (Phase.COLLECT, Phase.DONE)]
    start = starts[0] if starts else state.started_ns
    change = state.phase_ns(Phase.CHANGE)
    if change is not None:
        start = max(start, change - 10_000_000_000)
    return Scale(start, max(ends[0] if ends else state.last_ns, start + 1), change or start)


def _chosen(result: RunResult) -> list[LaneReport]:
    """Headline lanes first in each service, the worst first; quiet ones go when there are too many."""
    order = list(Service)
    found = sorted(
        (report for report in result.lanes() if _tells(result, report)),
        key=lambda r: (order.index(r.lane.service), not r.lane.headline, str(r.lane.prober), r.lane.flow, -r.down_ns),
    )
    if len(found) <= LANES:
        return found
    kept = sorted(found, key=lambda r: (not r.outages, not r.lane.headline, -r.down_ns))[:LANES]
    return [report for report in found if report in kept]


def _tells(result: RunResult, report: LaneReport) -> bool:
    """Heartbeats and lanes that were left out say nothing of a service; control lanes and those beside, when down."""
    lane = report.lane
    if lane.heartbeat or result.state.lanes[lane.id].left_out:
        return False
    return bool(report.outages or report.blind) or (lane.headline and lane.service is not Service.CONTROL)


def _bar(scale: Scale, start_ns: int, end_ns: int, cls: str, title: str = "") -> Element:
    x = scale.x(start_ns)
    made = element("rect", x=x, y=3, width=round(max(scale.x(end_ns) - x, 0.8), 1), height=ROW - 6, cls=cls)
    if title:
        made.append(element("title", title))
    return made


def _phases(result: RunResult, scale: Scale) -> Row:
    phases = result.state.phases
    parts = []
    for i, (phase, at_ns, _) in enumerate(phases):
        end_ns = phases[i + 1][1] if i + 1 < len(phases) else scale.to_ns
        if end_ns <= scale.from_ns or at_ns >= scale.to_ns:
            continue
        parts.append(_bar(scale, at_ns, end_ns, f"phase p-{phase.name.lower()}"))
        if scale.x(end_ns) - scale.x(at_ns) > 50:
            parts.append(element("text", str(phase), x=scale.x(at_ns) + 4, y=ROW - 4, cls="phase-name"))
    return "phase", parts, ""


def _jobs(result: RunResult, scale: Scale) -> Iterator[Row]:
    for job in result.state.jobs.values():
        begin, ended = job.changes[0], job.ended
        sure_end = ended.last_old_ns if ended else scale.to_ns
        last = ended.first_new_ns if ended else scale.to_ns
        title = f"{job.command} {job.status}"
        parts = [
            _bar(scale, begin.last_old_ns, last, "job-unsure", title),
            _bar(scale, begin.first_new_ns, sure_end, "job", title),
        ]
        length = f"{(last + sure_end - begin.first_new_ns - begin.last_old_ns) / 2e9:.1f} s" if ended else "runs"
        yield f"job {job.command} {job.status}", parts, length


def _events(result: RunResult, scale: Scale) -> Row:
    parts = []
    for seen_ns, event in result.state.cloud_events:
        low, high = result.state.event_span(seen_ns, event)
        if scale.from_ns <= high and low <= scale.to_ns:
            words = f"{event.type} {event.state}: {event.description}"
            parts.append(_bar(scale, low, high, "event", words))
    return "CloudStack events", parts, str(len(parts))


def _lane(result: RunResult, scale: Scale, report: LaneReport) -> Iterator[Row]:
    lane = report.lane
    parts = [_bar(scale, scale.from_ns, scale.to_ns, "up" if lane.headline else "up beside")]
    parts += [_bar(scale, *blind.span, "blind", f"blind: {blind.cause}") for blind in report.blind]
    for outage in report.outages:
        end = outage.end if outage.end_ns else (scale.to_ns, scale.to_ns)
        words = (
            f"{outage.down_ns / 1e9:.2f} s [{outage.low_ns / 1e9:.2f}, {outage.high_ns / 1e9:.2f}],"
            f" {outage.lost} lost, {outage.reason.text}"
        )
        parts.append(_bar(scale, outage.onset[0], end[1], "edge", words))
        if end[0] > outage.onset[1]:
            parts.append(_bar(scale, outage.onset[1], end[0], "down", words))
    figure = f"{report.down_ns / 1e9:.2f} s" if report.outages else ""
    yield f"{lane.service} {lane.subject or lane.vantage} {lane.label}", parts, figure
    if lane.prober is Prober.ARP:
        yield _owners(result, scale, lane)


def _owners(result: RunResult, scale: Scale, lane: Lane) -> Row:
    changes = result.analysis.owners(lane.id)
    macs = list(dict.fromkeys(mac for _, mac in changes))
    parts = []
    for i, (from_ns, mac) in enumerate(changes):
        until = changes[i + 1][0] if i + 1 < len(changes) else scale.to_ns
        text = mac_text(mac)
        parts.append(_bar(scale, from_ns, until, f"owner o{macs.index(mac) % OWNERS}", text))
        if scale.x(until) - scale.x(from_ns) > 120:
            parts.append(element("text", text, x=scale.x(max(from_ns, scale.from_ns)) + 4, y=ROW - 4, cls="owner-name"))
    return "gateway MAC", parts, f"{len(macs)} MACs" if len(macs) > 1 else ""
