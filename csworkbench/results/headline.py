# SPDX-License-Identifier: Apache-2.0
"""The lines that people read after a run."""

from csworkbench.measurement.arp_report import ArpReport
from csworkbench.measurement.outage import Outage
from csworkbench.measurement.totals import ServiceReport
from csworkbench.model.lane import Service

from .answers import changed_line
from .arp import parts, role_lines
from .left_out import left_out_line
from .run_result import RunResult
from .tables import printable
from .times import rfc3339

OUTAGES_SHOWN = 12


def bounds(down_ns: int, low_ns: int, high_ns: int) -> str:
    """`1.42 s [1.32, 1.52]`."""
    return f"{down_ns / 1e9:.2f} s [{low_ns / 1e9:.2f}, {high_ns / 1e9:.2f}]"


def headline(report: ServiceReport, parts: str = "") -> str:
    """One service in one line, without its name. `parts`: what its worst downtime is made of."""
    if not report.hit:
        return f"{bounds(report.down_ns, report.low_ns, report.high_ns)}  no outage on {report.lanes} lanes"
    text = f"{bounds(report.down_ns, report.low_ns, report.high_ns)}{f'  = {parts}' if parts else ''}"
    text += f"  worst {printable(report.worst)}"
    text += f", {report.hit} of {report.lanes} lanes hit, median {report.median_ns / 1e9:.2f} s"
    return text + (", still down" if report.open else "")


def text_report(result: RunResult) -> str:
    """Verdict, services with bounds, outages and job; plain text without control characters."""
    state = result.state
    name = state.opened.name if state.opened else ""
    lines = [f"run {result.run}  {name}", f"verdict: {result.verdict}"]
    if state.verdict is not None:
        lines += [f"  {reason}" for reason in state.verdict.reasons]
    for job in state.jobs.values():
        ended = job.ended
        took = f" in {(ended.first_new_ns - job.changes[0].first_new_ns) / 1e9:.1f} s" if ended else ""
        lines.append(f"job: {job.command} {job.status}{took}")
    lines.append("")
    egress = parts(ArpReport(state, result.analysis).egress())
    lines += [
        f"{service:<12} down {headline(report, egress if service is Service.EGRESS else '')}"
        for service, report in result.services().items()
    ]
    lines += [f"  {line}" for line in role_lines(result)]
    outages = [o for o in result.analysis.outages() if state.lanes[o.lane].lane.headline]
    if outages:
        lines += ["", f"outages of the headline lanes ({len(outages)}):"]
        longest = sorted(outages, key=lambda o: -o.down_ns)[:OUTAGES_SHOWN]
        lines += [_outage_line(result, o) for o in sorted(longest, key=lambda o: o.start_ns)]
        if len(outages) > OUTAGES_SHOWN:
            lines.append(f"  … and {len(outages) - OUTAGES_SHOWN} shorter ones (`csworkbench export` writes all)")
    losses = sum(v.losses for v in state.vantages.values())
    missing = state.missing_records
    said = "not all spools were collected" if missing is None else f"{missing} missing records"
    lines += ["", f"{said}; channels lost and re-opened {losses} times; {state.call_count} API calls"]
    lines += [f"left out: {left.name}: {left.why}" for left in state.left_out]
    lines += [line for line in (left_out_line(state), changed_line(result)) if line]
    return "\n".join(printable(line) for line in lines)


def _outage_line(result: RunResult, outage: Outage) -> str:
    state = result.state
    lane = state.lanes[outage.lane].lane
    start = rfc3339(state.wall_ns(outage.start_ns))[11:23]
    end = rfc3339(state.wall_ns(outage.end_ns))[11:23] if outage.end_ns else "open"
    length = bounds(outage.down_ns, outage.low_ns, outage.high_ns)
    return (
        f"  {lane.service:<12} {lane.subject:<8} {lane.label:<12} {start} – {end:<12} {length}"
        f"  {outage.lost} lost, {outage.reason.text}{', blip' if outage.blip else ''}"
    )
