# SPDX-License-Identifier: Apache-2.0
"""One run's result as lines: verdict, services with bounds, outages, how sure that is, what was left out. Pure."""

from datetime import UTC

from csworkbench.measurement.arp_report import ArpReport
from csworkbench.measurement.outage import Outage
from csworkbench.measurement.totals import ServiceReport
from csworkbench.model.event import SUCCESSES
from csworkbench.model.lane import Service
from csworkbench.results.answers import changed_line
from csworkbench.results.arp import parts, role_lines
from csworkbench.results.headline import against_job, lanes_of, told
from csworkbench.results.left_out import left_out_line
from csworkbench.results.run_result import RunResult
from csworkbench.results.uncertainty import uncertainty_lines

from .guide import Line
from .runs import RunRow, when
from .text import clean, fit
from .times import bounds, day_time, number, seconds

OUTAGES_SHOWN = 40
LABEL = 13


def run_lines(row: RunRow, result: RunResult) -> list[Line]:
    """All of it; every line's first part is its label."""
    return [
        *_about(row, result),
        *_section("services", _services(result)),
        *_section("outages", _outages(result)),
        *_section("how sure", _sure(result)),
        *_section("left out", _left_out(result)),
    ]


def heading(result: RunResult) -> Line:
    """The verdict as a coloured word."""
    verdict = result.state.verdict
    good = verdict is not None and verdict.verdict in SUCCESSES and not verdict.over_budget
    return ((f" {result.verdict.upper()} ", "verdict-good" if good else "verdict-bad"),)


def _field(label: str, text: str, style: str = "") -> Line:
    return ((fit(label, LABEL), "$muted"), (clean(text, 1_000), style))


def _section(title: str, lines: list[Line]) -> list[Line]:
    return [(), ((title, "b $accent"),), *lines] if lines else []


def _about(row: RunRow, result: RunResult) -> list[Line]:
    state = result.state
    lines = [(*_field("verdict", ""), *heading(result))]
    if state.verdict is not None:
        good = lines[0][-1][1] == "verdict-good"
        lines += [_field("", reason, "" if good else "$warning") for reason in state.verdict.reasons]
    opened = state.opened
    lines += [_field("run", row.run), _field("name", row.name, "b"), _field("began", f"{when(row)} UTC")]
    if opened is not None:
        lines.append(_field("operation", f"{opened.operation} on {opened.cloud}"))
    for job in state.jobs.values():
        ended = job.ended
        took = f" in {seconds(ended.first_new_ns - job.changes[0].first_new_ns)}" if ended else ""
        lines.append(_field("job", f"{job.command} {job.status}{took}"))
    if row.tags:
        lines.append(_field("tags", " ".join(f"+{tag}" for tag in row.tags), "$accent"))
    if row.note:
        lines.append(_field("note", row.note))
    return lines


def _services(result: RunResult) -> list[Line]:
    split = parts(ArpReport(result.state, result.analysis).egress())
    lines: list[Line] = []
    for service, report in result.services().items():
        lines.append(_service(report))
        lines += [_field("", f"= {split}", "$muted")] if split and service is Service.EGRESS else []
        lines += [_field("", against_job(report), "$muted")] if against_job(report) else []
    totals = result.analysis.totals()
    if totals.services > 1:
        both = f"all at once {seconds(totals.all_services_down_ns)}, every lane {seconds(totals.all_down_ns)}"
        lines.append(_field("any service", f"{seconds(totals.any_down_ns)}   {both}"))
    return lines


def _service(report: ServiceReport) -> Line:
    name = (f"{fit(str(report.service), LABEL)}", "b")
    if not report.hit:
        up_to = f" (bounds {bounds(report.low_ns, report.high_ns)} s)" if report.high_ns else ""
        return (name, ("up", "$success"), (f"{up_to}   no outage on {lanes_of(report.lanes)}", "$muted"))
    more = [
        f"worst {clean(report.worst, 40)}", f"{report.hit} of {report.lanes} lanes",
        f"longest {seconds(report.longest_ns)}", f"median {seconds(report.median_ns)}",
        f"by loss {seconds(report.by_loss_ns)}",
    ]  # fmt: skip
    more += ["intermittent"] if report.intermittent else []
    more += [f"{seconds(report.ambiguous_ns)} ambiguous"] if report.ambiguous_ns else []
    figure = (f"{number(report.down_ns)} s {bounds(report.low_ns, report.high_ns)}", "b $error" if report.open else "b")
    still = ((" still down", "b $error"),) if report.open else ()
    return (name, figure, *still, ("   " + ", ".join(more), "$muted"))


def _outages(result: RunResult) -> list[Line]:
    lanes = result.state.lanes
    found = [o for o in result.analysis.outages() if lanes[o.lane].lane.headline]
    own = [o for o in found if lanes[o.lane].lane.service is not Service.CONTROL]
    longest = sorted(own, key=lambda o: (not o.open, -o.down_ns))[:OUTAGES_SHOWN]
    lines = [_outage(result, o) for o in sorted(longest, key=lambda o: (o.start_ns, o.lane))]
    if len(own) > OUTAGES_SHOWN:
        lines.append(_field("", f"and {len(own) - OUTAGES_SHOWN} shorter ones; the export has all", "$muted"))
    control = [o for o in result.analysis.outages() if lanes[o.lane].lane.service is Service.CONTROL]
    if control:
        lines.append(_field("", f"control lanes were down as well, {len(control)} times:", "$warning"))
        lines += [_outage(result, o) for o in control[:OUTAGES_SHOWN]]
    return lines


def _outage(result: RunResult, outage: Outage) -> Line:
    state = result.state
    lane = state.lanes[outage.lane].lane
    start, end = (day_time(state.wall_ns(ns), 2, UTC) if ns else "" for ns in (outage.start_ns, outage.end_ns))
    where = f"{clean(lane.subject, 14)} {clean(lane.label, 16)}"
    return (
        (fit(str(lane.service), LABEL), ""),
        (f"{start}-{end or 'open':<11}  ", "$muted"),
        (f"{number(outage.down_ns)} s {bounds(outage.low_ns, outage.high_ns)}", "b $error" if outage.open else "b"),
        (f"  {where}  {outage.lost} lost: {clean(told(outage, lane), 300)}{', blip' if outage.blip else ''}", "$muted"),
    )


def _sure(result: RunResult) -> list[Line]:
    missing = result.state.missing_records
    said = "not all spools were collected" if missing is None else f"{missing} missing records"
    losses = sum(v.losses for v in result.state.vantages.values())
    lines = [
        _field("records", f"{said}; channels lost and re-opened {losses} times", "" if missing == 0 else "$warning")
    ]
    for text in uncertainty_lines(result):
        label, _, rest = text.strip().partition(": ")
        lines.append(_field(label, rest) if rest and len(label) < LABEL else _field("", text.strip()))
    lines += [_field("note", text, "$warning") for text in result.cautions()]
    lines += [_field("", text, "$muted") for text in role_lines(result)]
    changed = changed_line(result)
    return [*lines, *([_field("answers", changed.partition(": ")[2], "$warning")] if changed else [])]


def _left_out(result: RunResult) -> list[Line]:
    state = result.state
    lines = [_field(clean(left.name, LABEL - 1), left.why, "$warning") for left in state.left_out]
    told_once = left_out_line(state).partition(": ")[2]
    return [*lines, *(_field("lanes", part) for part in told_once.split("; ") if part)]
