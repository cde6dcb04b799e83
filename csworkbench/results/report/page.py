# SPDX-License-Identifier: Apache-2.0
"""The HTML report: runs with their timelines and figures, and their comparison. One file, nothing is fetched."""

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from csworkbench.measurement.arp_report import ArpReport
from csworkbench.measurement.outage import Outage
from csworkbench.model.event import SUCCESSES
from csworkbench.model.lane import Service
from csworkbench.results import comparison_tables
from csworkbench.results.answers import changed_line
from csworkbench.results.arp import parts as arp_parts
from csworkbench.results.arp import role_lines
from csworkbench.results.comparison import Comparison
from csworkbench.results.headline import bounds, told
from csworkbench.results.left_out import left_out_line
from csworkbench.results.run_result import RunResult
from csworkbench.results.times import rfc3339
from csworkbench.results.uncertainty import uncertainty_lines

from .comparison_chart import chart
from .document import document
from .elements import Child, element, extend, table
from .timeline import timeline

OUTAGES = 200  # rows in the list; the CSV files have all
METHOD = (
    "Each lane is probed on schedule from inside the tenant VMs or from outside, whatever came of the probes before. "
    "An outage is a run of lost samples between two answered ones; its onset lies between the last answered and the "
    "first lost probe, its end between the last lost and the first answered one. Every figure is the middle of these "
    "bounds, which stand in brackets. A service is as long down as its worst lane; lanes are never added up. Times of "
    "different machines are placed beside each other by clock echoes, whose bound is given per vantage."
)


def page(
    results: Sequence[RunResult], comparison: Comparison | None, title: str, labels: Mapping[str, str] | None = None
) -> str:
    """The whole document. `labels`: by run, what people say of it."""
    parts: list[Child] = [] if comparison is None else _comparison(comparison)
    for result in results:
        parts += _run(result, (labels or {}).get(result.run, ""))
    return document(title, *parts, element("h2", "Method"), element("p", METHOD))


def _run(result: RunResult, labels: str) -> list[Child]:
    state = result.state
    opened, verdict = state.opened, state.verdict
    good = verdict is not None and verdict.verdict in SUCCESSES and not verdict.over_budget
    about = " · ".join(
        word
        for word in (
            opened.operation if opened else "", state.inventory.name if state.inventory else "",
            f"CloudStack {state.inventory.server_version}" if state.inventory else "",
            rfc3339(state.started_wall_ns)[:19],
        )
        if word
    )  # fmt: skip
    parts: list[Child] = [
        element("h2", f"Run {result.run}"),
        element("p", element("span", result.verdict, cls="verdict" if good else "verdict bad"), f"  {about}"),
    ]
    parts += [element("p", labels)] if labels else []
    parts += [element("p", reason) for reason in (verdict.reasons if verdict else ())]
    parts += [element("p", f"Note: {caution}", cls="note") for caution in result.cautions()]
    parts += [element("h3", "Downtime by service"), _services(result)]
    parts += [element("p", line, cls="soft") for line in role_lines(result)]
    if state.lanes:
        parts += [element("h3", "Timeline"), timeline(result)]
    parts += [element("h3", "Outages"), _outages(result), element("h3", "Uncertainty"), *_uncertainty(result)]
    parts += [element("h3", "Jobs and events"), _jobs(result)]
    return parts


def _services(result: RunResult) -> Element:
    egress = arp_parts(ArpReport(result.state, result.analysis).egress())
    rows: list[tuple[Child, ...]] = [
        (
            str(service),
            bounds(r.down_ns, r.low_ns, r.high_ns) + (f" = {egress}" if egress and service is Service.EGRESS else ""),
            r.worst or "–", f"{r.longest_ns / 1e9:.2f} s",
            f"{r.median_ns / 1e9:.2f} s", f"{r.hit} of {r.lanes}", str(r.outages), f"{r.any_down_ns / 1e9:.2f} s",
            "still down" if r.open else "",
        )
        for service, r in result.services().items()
    ]  # fmt: skip
    heads = ("service", "down [bounds]", "worst", "longest", "median lane", "lanes hit", "outages", "any lane down", "")
    return table(heads, rows)


def _outages(result: RunResult) -> Element:
    found = sorted(result.analysis.outages(), key=lambda o: (not result.state.lanes[o.lane].lane.headline, o.start_ns))
    if not found:
        return element("p", "None.")
    rows = [_outage(result, outage) for outage in found[:OUTAGES]]
    heads = ("service", "VM", "lane", "from (UTC)", "to", "length [bounds]", "lost", "reason")
    made = element("details", element("summary", f"{len(found)} outages"), table(heads, rows))
    if len(found) > OUTAGES:
        extend(made, element("p", f"{len(found) - OUTAGES} more are in outages.csv.", cls="soft"))
    if len(found) <= 40:
        made.set("open", "")
    return made


def _outage(result: RunResult, outage: Outage) -> tuple[Child, ...]:
    state = result.state
    lane = state.lanes[outage.lane].lane
    end = rfc3339(state.wall_ns(outage.end_ns))[11:23] if outage.end_ns else "open"
    return (
        str(lane.service), lane.subject, lane.label, rfc3339(state.wall_ns(outage.start_ns))[11:23], end,
        bounds(outage.down_ns, outage.low_ns, outage.high_ns), str(outage.lost),
        told(outage, lane) + (", blip" if outage.blip else ""),
    )  # fmt: skip


def _uncertainty(result: RunResult) -> list[Child]:
    state = result.state
    missing = state.missing_records
    said = "not all spools were collected" if missing is None else f"{missing} missing records"
    rows: list[tuple[Child, ...]] = [
        (
            vantage.vantage.name, vantage.started.tier if vantage.started else "–",
            f"{result.analysis.bound_ns(vantage.vantage.name) / 1e6:.2f} ms", str(vantage.losses),
            "–" if vantage.collected is None else str(vantage.collected.missing),
            ", ".join(vantage.started.cannot_see) if vantage.started else "",
        )
        for vantage in state.vantages.values()
    ]  # fmt: skip
    heads = ("vantage", "tier", "clock known to", "channel losses", "missing records", "cannot see")
    lines = [f"{said.capitalize()}.", *uncertainty_lines(result)]
    left = [f"Left out: {left.name}: {left.why}" for left in state.left_out]
    left += [line for line in (left_out_line(state), changed_line(result)) if line]
    return [*(element("p", line) for line in lines), table(heads, rows), *(element("p", line) for line in left)]


def _jobs(result: RunResult) -> Element:
    state = result.state
    rows: list[tuple[Child, ...]] = []
    for job in state.jobs.values():
        for change in job.changes:
            low, high = (rfc3339(state.wall_ns(at))[11:23] for at in (change.last_old_ns, change.first_new_ns))
            rows.append((low, high, f"{job.command} {change.status}", change.text))
    for seen_ns, event in state.cloud_events:
        low, high = (rfc3339(state.wall_ns(at))[11:23] for at in state.event_span(seen_ns, event))
        rows.append((low, high, f"{event.type} {event.state}", event.description))
    if not rows:
        return element("p", "None.")
    rows.sort(key=lambda row: str(row[0]))
    heads = ("not before (UTC)", "not after", "what", "")
    return element("details", element("summary", f"{len(rows)} entries"), table(heads, rows))


def _comparison(comparison: Comparison) -> list[Child]:
    names = comparison_tables.letters(comparison)
    parts: list[Child] = [element("h2", "Comparison")]
    parts += [element("p", element("b", names[arm]), f"  {comparison.labels[arm]}") for arm in comparison.arms]
    for service, figures in comparison.services.items():
        rows: list[tuple[Child, ...]] = [
            (names[f.arm], *comparison_tables.cells(f)) for f in figures
        ]  # fmt: skip
        parts += [element("h3", f"{service} (s)"), chart(names, figures), table(comparison_tables.HEADS, rows)]
    notes = comparison_tables.notes(comparison, names)
    return [*parts, *(element("p", note, cls="soft") for note in notes if note)]
