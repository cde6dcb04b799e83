# SPDX-License-Identifier: Apache-2.0
"""The lines that people read after a run."""

from csworkbench.measurement.arp_report import ArpReport
from csworkbench.measurement.order import Distance
from csworkbench.measurement.outage import Outage
from csworkbench.measurement.totals import ServiceReport
from csworkbench.model.lane import Lane, Service

from .answers import changed_line
from .arp import parts, role_lines
from .evidence import evidence_lines
from .facts import reasons_text, server_clock
from .left_out import left_out_line
from .run_result import RunResult
from .tables import printable
from .times import rfc3339
from .uncertainty import uncertainty_lines

OUTAGES_SHOWN = 12


def lanes_of(n: int) -> str:
    """`1 lane`, `2 lanes`."""
    return f"{n} lane" if n == 1 else f"{n} lanes"


def bounds(down_ns: int, low_ns: int, high_ns: int) -> str:
    """`1.42 s [1.32, 1.52]`."""
    return f"{down_ns / 1e9:.2f} s [{low_ns / 1e9:.2f}, {high_ns / 1e9:.2f}]"


def headline(report: ServiceReport, parts: str = "") -> str:
    """One service in one line, without its name. `parts`: what its worst downtime is made of."""
    if not report.hit:
        return f"{bounds(report.down_ns, report.low_ns, report.high_ns)}  no outage on {lanes_of(report.lanes)}"
    text = f"{bounds(report.down_ns, report.low_ns, report.high_ns)}{f'  = {parts}' if parts else ''}"
    text += f"  worst {printable(report.worst)}"
    text += f", {report.hit} of {report.lanes} lanes hit, median {report.median_ns / 1e9:.2f} s"
    if report.vms != report.lanes:
        text += f", {report.vms_hit} of {report.vms} VMs"
    text += f", by loss {report.by_loss_ns / 1e9:.2f} s"
    if report.intermittent:
        text += ", intermittent"
    if report.ambiguous_ns:
        text += f", {report.ambiguous_ns / 1e9:.2f} s ambiguous"
    return text + (", still down" if report.open else "")


def against_job(report: ServiceReport) -> str:
    """When a service went and came back relative to the job, as far as the clocks can tell; empty without a job."""
    parts = []
    if report.onset_after_job is not None:
        parts.append(f"began {_relation(report.onset_after_job, 'the job did')}")
    if report.end_after_job is not None:
        parts.append(f"ended {_relation(report.end_after_job, 'its end')}")
    return ", ".join(parts)


def _relation(found: Distance, what: str) -> str:
    low, high = found.low_ns / 1e9, found.high_ns / 1e9
    if low > 0:
        return f"{low:.2f} to {high:.2f} s after {what}"
    if high < 0:
        return f"{-high:.2f} to {-low:.2f} s before {what}"
    return f"within {max(-low, high):.2f} s of {what}, which came first cannot be told"


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
    for service, report in result.services().items():
        lines.append(f"{service:<12} down {headline(report, egress if service is Service.EGRESS else '')}")
        if against_job(report):
            lines.append(f"{'':<12} {against_job(report)}")
    totals = result.analysis.totals()
    if totals.services > 1:
        lines.append(
            f"{'any service':<12} down {totals.any_down_ns / 1e9:.2f} s, "
            f"all at once {totals.all_services_down_ns / 1e9:.2f} s, every lane {totals.all_down_ns / 1e9:.2f} s"
        )
    lines += [f"  {line}" for line in role_lines(result)]
    warnings = result.cautions()
    lines += ["", *(f"note: {text}" for text in warnings)] if warnings else []
    lanes = state.lanes
    found = [o for o in result.analysis.outages() if lanes[o.lane].lane.headline]
    outages = [o for o in found if lanes[o.lane].lane.service is not Service.CONTROL]
    if outages:
        lines += ["", f"outages of the headline lanes ({len(outages)}):"]
        longest = sorted(outages, key=lambda o: -o.down_ns)[:OUTAGES_SHOWN]
        lines += [_outage_line(result, o) for o in sorted(longest, key=lambda o: o.start_ns)]
        if len(outages) > OUTAGES_SHOWN:
            lines.append(f"  … and {len(outages) - OUTAGES_SHOWN} shorter ones (`csworkbench export` writes all)")
    control = [o for o in result.analysis.outages() if lanes[o.lane].lane.service is Service.CONTROL]
    if control:
        lines += ["", f"control lanes were down as well ({len(control)}):"]
        lines += [_outage_line(result, o) for o in control[:OUTAGES_SHOWN]]
    losses = sum(v.losses for v in state.vantages.values())
    missing = state.missing_records
    said = "not all spools were collected" if missing is None else f"{missing} missing records"
    lines += ["", f"{said}; channels lost and re-opened {losses} times; {state.call_count} API calls"]
    lines += [_clocks(result)] if state.vantages else []
    lines += uncertainty_lines(result)
    lines += [f"left out: {left.name}: {left.why}" for left in state.left_out]
    lines += [line for line in (left_out_line(state), changed_line(result)) if line]
    lines += evidence_lines(state)
    return "\n".join(printable(line) for line in lines)


def _outage_line(result: RunResult, outage: Outage) -> str:
    state = result.state
    lane = state.lanes[outage.lane].lane
    start = rfc3339(state.wall_ns(outage.start_ns))[11:23]
    end = rfc3339(state.wall_ns(outage.end_ns))[11:23] if outage.end_ns else "open"
    length = bounds(outage.down_ns, outage.low_ns, outage.high_ns)
    return (
        f"  {lane.service:<12} {lane.subject:<8} {lane.label:<12} {start} – {end:<12} {length}"
        f"  {outage.lost} lost: {told(outage, lane)}{', blip' if outage.blip else ''}"
    )


def told(outage: Outage, lane: Lane) -> str:
    """An outage's reasons with their counts, and what makes it doubtful: `timeout 12, refused 3; 2 answered late`."""
    parts = [reasons_text(outage.causes, lane)]
    if outage.late:
        parts.append(f"{outage.late} answered late")
    if outage.unknown:
        parts.append(f"not known: {reasons_text(outage.unknown, lane)}")
    if outage.ambiguous:
        parts.append(f"ambiguous for {outage.ambiguous_ns / 1e9:.2f} s: {outage.ambiguous}")
    return "; ".join(parts)


def _clocks(result: RunResult) -> str:
    """The alignment bounds, and what is known of the management server's clock."""
    bounds_ns = {name: result.analysis.bound_ns(name) for name in result.state.vantages}
    worst = max(bounds_ns, key=lambda name: bounds_ns[name])
    text = f"clocks: vantages placed within {bounds_ns[worst] / 1e6:.2f} ms ({worst})"
    server = server_clock(result.state)
    if server is not None:
        text += (
            f"; the management server's is {server['offset_s']:+.2f} s [{server['low']:.2f}, {server['high']:.2f}] off"
        )
    return text
