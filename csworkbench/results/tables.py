# SPDX-License-Identifier: Apache-2.0
"""The CSV files: fixed columns, new ones only at the end; text from tenants and the API is made harmless."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from csworkbench.measurement.arp_report import ArpReport
from csworkbench.measurement.order import Distance
from csworkbench.model import event as ev
from csworkbench.model.lane import Lane
from csworkbench.recording.reader import RunFileReader

from . import sample_table
from .arp import SPLIT_COLUMNS, split_cells
from .facts import reasons_text
from .run_result import RunResult
from .times import SECOND_NS, rfc3339, seconds_text

Cell = str | int | float
Row = list[Cell]

LANE_COLUMNS = ("lane", "service", "prober", "flow", "vantage", "subject", "target", "port")
SAMPLES = (
    "run", *LANE_COLUMNS, "seq", "phase", "sent", "sent_ns", "vantage_sent_ns", "align_bound_ns", "intended_ns",
    "rtt_ms", "outcome", "reason", "detail", "value", "late",
)  # fmt: skip
OUTAGES = (
    "run", *LANE_COLUMNS, "headline", "start", "start_ns", "end", "end_ns", "onset_low_ns", "onset_high_ns",
    "end_low_ns", "end_high_ns", "down_s", "low_s", "high_s", "lost", "reason", "blip", "open", "reasons", "unknown",
    "late", "ambiguous", "ambiguous_s", "clock_bound_ns", *SPLIT_COLUMNS,
)  # fmt: skip
EVENTS = ("run", "seq", "at", "at_ns", "source", "kind", "name", "status", "low_ns", "high_ns", "text")
SUMMARY = (
    "run", "verdict", "service", "down_s", "low_s", "high_s", "longest_s", "median_s", "outages", "worst", "hit",
    "lanes", "any_down_s", "all_down_s", "open", "budget_s", "missing_records", "by_loss_s", "ambiguous_s", "blind_s",
    "vms", "vms_hit", "median_vm_s", "onset_after_job_low_s", "onset_after_job_high_s", "end_after_job_low_s",
    "end_after_job_high_s",
)  # fmt: skip

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def printable(text: str) -> str:
    r"""Text that no terminal takes for a command: control and direction characters become `\xNN` or `\uNNNN`."""
    return _CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}" if ord(m[0]) < 256 else f"\\u{ord(m[0]):04x}", text)


def harmless(text: str) -> str:
    """Printable text that no spreadsheet takes for a formula: =, +, - or @ in front get an apostrophe before them."""
    text = printable(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def write_tables(
    result: RunResult,
    run_file: Path,
    folder: Path,
    budget: dict[str, float],
    samples: Callable[[RunResult, Path], Path] | None = None,
) -> list[Path]:
    """Write the four CSV files into a folder and return their paths. `samples` writes them in another form.

    Raises OSError.
    """
    reader = RunFileReader(run_file)
    try:
        return [
            _write_samples(folder / "samples.csv", result) if samples is None else samples(result, folder),
            _write(folder / "outages.csv", OUTAGES, _outages(result)),
            _write(folder / "events.csv", EVENTS, _events(result, reader)),
            _write(folder / "summary.csv", SUMMARY, _summary(result, budget)),
        ]
    finally:
        reader.close()


def _write(path: Path, columns: Iterable[str], rows: Iterable[Row]) -> Path:
    """Write beside and move in place, so that nobody ever reads half a file."""
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(
            [harmless(c) if isinstance(c, str) and not isinstance(c, _Number) else c for c in row] for row in rows
        )
    return part.replace(path)


def _lane_cells(run: str, lane: Lane) -> Row:
    return [
        run, lane.id, str(lane.service), str(lane.prober), lane.flow, lane.vantage, lane.subject, lane.target,
        lane.port or "",
    ]  # fmt: skip


def lane_cells(run: str, lane: Lane) -> Row:
    """The cells of LANE_COLUMNS and the run, made harmless."""
    return [harmless(c) if isinstance(c, str) else c for c in _lane_cells(run, lane)]


def _write_samples(path: Path, result: RunResult) -> Path:
    """As _write, many rows at a time."""
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerow(SAMPLES)
        file.writelines(
            sample_table.csv_text(chunk, lane_cells(result.run, chunk.lane.lane))
            for chunk in sample_table.chunks(result)
        )
    return part.replace(path)


def _outages(result: RunResult) -> Iterator[Row]:
    state, arp = result.state, ArpReport(result.state, result.analysis)
    for outage in result.analysis.outages():
        lane = state.lanes[outage.lane].lane
        end = rfc3339(state.wall_ns(outage.end_ns)) if outage.end_ns else ""
        yield [
            *_lane_cells(result.run, lane), int(lane.headline), rfc3339(state.wall_ns(outage.start_ns)),
            outage.start_ns, end, outage.end_ns or "", *outage.onset, *outage.end, seconds_text(outage.down_ns),
            seconds_text(outage.low_ns), seconds_text(outage.high_ns), outage.lost, outage.reason.text,
            int(outage.blip), int(outage.open), reasons_text(outage.causes, lane), reasons_text(outage.unknown, lane),
            outage.late, outage.ambiguous, seconds_text(outage.ambiguous_ns), outage.clock_ns,
            *split_cells(arp, lane, outage),
        ]  # fmt: skip


def _events(result: RunResult, reader: RunFileReader) -> Iterator[Row]:
    for event in reader.without_samples():
        cells = _event_cells(event.body)
        if isinstance(event.body, ev.CloudEventSeen) and cells is not None:
            low, high = result.state.event_span(event.at_ns, event.body)  # the server's clock on ours
            cells[4:6] = "" if result.state.server_clock is None else low, high
        if cells is not None:
            at = rfc3339(result.state.wall_ns(event.at_ns))
            yield [result.run, event.seq, at, event.at_ns, *cells]


def _event_cells(body: ev.Body) -> Row | None:  # noqa: PLR0911, PLR0912 - one case for each source
    """(source, kind, name, status, low_ns, high_ns, text); None for what is in samples.csv or has no moment."""
    match body:
        case ev.PhaseEntered(phase, why):
            return ["run", "phase", str(phase), "entered", "", "", why]
        case ev.RunResumed() as resumed:
            text = "this host was rebooted" if resumed.other_boot else ""
            return ["run", "resumed", str(resumed.phase), "", resumed.gone_ns, "", text]
        case ev.SpoolLeft() as left:
            return ["vantage", "spool", left.vantage, "left", "", "", f"{left.why}; {left.missing} missing"]
        case ev.OperatorActed(action, detail, about_ns):
            return ["operator", "action", action, "", about_ns or "", about_ns or "", detail]
        case ev.Notice(level, text):
            return ["run", "notice", "", str(level), "", "", text]
        case ev.ApiCalled() as call:
            return ["api", "call", call.command, call.status, call.started_ns, call.ended_ns, call.error]
        case ev.JobChanged() as job:
            return ["api", "job", job.command, str(job.status), job.last_old_ns, job.first_new_ns, job.text]
        case ev.CloudEventSeen() as seen:
            text = f"{rfc3339(seen.created_s * SECOND_NS)} {seen.level} {seen.description}"
            return ["cloudstack", "event", seen.type, seen.state, "", "", text]
        case ev.ChannelChanged(vantage, state, detail):
            return ["vantage", "channel", vantage, str(state), "", "", detail]
        case ev.ProberStarted() as started:
            return ["vantage", "prober", started.vantage, "started", "", "", tier_line(started)]
        case ev.Calibrated() as tried:
            text = f"late p99 {tried.late_p99_ns / 1e6:.3f} ms, {tried.sent} of {tried.wanted} sent; {tried.why}"
            return ["vantage", "calibration", tried.vantage, "", "", "", text.rstrip("; ")]
        case ev.SpoolCollected() as collected:
            text = f"{collected.records} records, {collected.missing} missing"
            return ["vantage", "spool", collected.vantage, collected.ended, "", "", text]
        case ev.VantageLeftOut(name, why):
            return ["vantage", "left out", name, "", "", "", why]
        case ev.LaneLeftOut(service, what, why):
            return ["run", "lane left out", f"{service} {what}", "", "", "", why]
        case ev.VerdictReached(verdict, _, reasons):
            return ["run", "verdict", str(verdict), "", "", "", "; ".join(reasons)]
        case ev.EvidenceKept() as kept:
            status, text = ("kept", f"{kept.path} {kept.sha256}") if kept.path else ("missing", kept.why)
            return ["run", "evidence", kept.what, status, "", "", text]
        case _:
            return None


def tier_line(started: ev.ProberStarted) -> str:
    """A vantage's tier, and what cannot be seen from there."""
    lacks = f": cannot see {', '.join(started.cannot_see)}" if started.cannot_see else ""
    return f"{started.tier}{lacks}"


class _Number(str):
    """Digits that were made here: a sign in front is no formula."""

    __slots__ = ()


def _edges(found: Distance | None) -> Row:
    return ["", ""] if found is None else [_Number(seconds_text(ns)) for ns in (found.low_ns, found.high_ns)]


def _summary(result: RunResult, budget: dict[str, float]) -> Iterator[Row]:
    missing = result.state.missing_records
    for service, report in result.services().items():
        yield [
            result.run, result.verdict, str(service), seconds_text(report.down_ns), seconds_text(report.low_ns),
            seconds_text(report.high_ns), seconds_text(report.longest_ns), seconds_text(report.median_ns),
            report.outages, report.worst, report.hit, report.lanes, seconds_text(report.any_down_ns),
            seconds_text(report.all_down_ns), int(report.open), budget.get(str(service), ""),
            "" if missing is None else missing, seconds_text(report.by_loss_ns), seconds_text(report.ambiguous_ns),
            seconds_text(report.blind_ns), report.vms, report.vms_hit, seconds_text(report.median_vm_ns),
            *_edges(report.onset_after_job), *_edges(report.end_after_job),
        ]  # fmt: skip
