# SPDX-License-Identifier: Apache-2.0
"""A run as Prometheus metrics: a function of its state and analysis, so that it shows what the viewers see."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from csworkbench.measurement.analysis import Analysis
from csworkbench.measurement.totals import LaneReport
from csworkbench.model.event import ChannelState, JobStatus, Phase, Verdict
from csworkbench.model.lane import Lane
from csworkbench.model.sample import Reason
from csworkbench.model.state import LaneState, RunState, VantageState

from .tables import printable

MOST_LANES = 2000
MOST_VANTAGES = 1000
MOST_JOBS = 50  # the newest
MOST_VALUE = 120  # characters of a label
LANE = ("lane", "service", "prober", "flow", "vantage", "subject", "target")
Row = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric. `name` is as it is scraped; a counter's ends with _total."""

    name: str
    labels: tuple[str, ...]
    help: str

    @property
    def counter(self) -> bool:
        """Whether it only ever grows within a run."""
        return self.name.endswith("_total")


SPECS = (
    Spec("csworkbench_run_info", ("run", "name", "cloud", "operation", "version"), "The run that is told about; 1."),
    Spec("csworkbench_run_start_time_seconds", (), "When it was opened, since 1970."),
    Spec("csworkbench_run_last_event_time_seconds", (), "When its newest event was written, since 1970."),
    Spec("csworkbench_run_phase", ("phase",), "1 for the phase that it is in, 0 for the others."),
    Spec("csworkbench_run_verdict", ("verdict",), "1 for its verdict, 0 for the others; all 0 before there is one."),
    Spec("csworkbench_run_over_budget", (), "1 when a service was down for longer than its budget."),
    Spec(
        "csworkbench_service_downtime_seconds", ("service", "bound"),
        "Downtime of the service's worst headline lane: estimate, low and high bound. Exact; may be corrected.",
    ),
    Spec("csworkbench_service_lanes", ("service",), "Headline lanes that make up the service's figures."),
    Spec("csworkbench_service_lanes_down", ("service",), "Of these, those that are down now."),
    Spec("csworkbench_lane_up", LANE, "1 when the lane's last outage has ended, 0 while one goes on."),
    Spec("csworkbench_lane_probes_total", (*LANE, "outcome"), "Samples by outcome: ok, fail or unknown."),
    Spec("csworkbench_lane_outages_total", LANE, "Outages that have ended, blips included."),
    Spec("csworkbench_outage_seconds_total", LANE, "Length of the lane's outages that have ended."),
    Spec("csworkbench_lane_open_outage_seconds", LANE, "Length so far of the outage that goes on; 0 without one."),
    Spec("csworkbench_lane_round_trip_seconds", LANE, "Round trip of the newest sample that was answered."),
    Spec("csworkbench_lanes_left_out", (), "Lanes that are not told about because there are too many."),
    Spec("csworkbench_channel_up", ("vantage",), "1 while the channel to the vantage is open."),
    Spec("csworkbench_channel_lost_total", ("vantage",), "How often the channel was lost."),
    Spec("csworkbench_channel_reopened_total", ("vantage",), "How often it was opened again after a loss."),
    Spec("csworkbench_prober_lateness_seconds", ("vantage",), "How late the newest sample that was sent left."),
    Spec("csworkbench_prober_late_probes_total", ("vantage",), "Samples that say nothing as they left too late."),
    Spec("csworkbench_clock_bound_seconds", ("vantage",), "How far an aligned stamp of the vantage can be off."),
    Spec("csworkbench_missing_records_total", ("vantage",), "Records of the spool that were not collected."),
    Spec("csworkbench_job_state", ("job_id", "command", "state"), "1 for the state that the job is in, 0 for others."),
    Spec("csworkbench_job_duration_seconds", ("job_id", "command"), "From its first sight to its end, or until now."),
    Spec("csworkbench_api_calls_total", (), "Calls to the management server."),
)  # fmt: skip


class Counts:
    """What a scrape would have to look for in all samples, kept up to date sample by sample."""

    def __init__(self) -> None:
        self._taken: dict[int, int] = {}
        self._late: dict[str, int] = {}
        self._lateness: dict[str, tuple[int, int]] = {}  # (sent, late) ns
        self._round_trips: dict[int, int] = {}

    def update(self, state: RunState) -> None:
        """Take in what has come since the last call."""
        for lane_id, lane in state.lanes.items():
            taken = self._taken.get(lane_id, 0)
            if len(lane.samples) > taken:
                self._take(lane_id, lane, taken)
                self._taken[lane_id] = len(lane.samples)

    def _take(self, lane_id: int, lane: LaneState, taken: int) -> None:
        vantage = lane.lane.vantage
        for sample in lane.samples.since(taken):
            if sample.reason is Reason.SELF_LATE:
                self._late[vantage] = self._late.get(vantage, 0) + 1
            if sample.sent_ns and sample.intended_ns and sample.sent_ns >= self._lateness.get(vantage, (0, 0))[0]:
                self._lateness[vantage] = sample.sent_ns, max(sample.sent_ns - sample.intended_ns, 0)
            if sample.rtt_ns:
                self._round_trips[lane_id] = sample.rtt_ns

    def late(self, vantage: str) -> int:
        """Samples that were unknown because they left too late."""
        return self._late.get(vantage, 0)

    def lateness_ns(self, vantage: str) -> int | None:
        """How late the newest sample that was sent left; None before one was."""
        found = self._lateness.get(vantage)
        return found[1] if found is not None else None

    def round_trip_ns(self, lane_id: int) -> int | None:
        """Of the newest sample that was answered; None before one was."""
        return self._round_trips.get(lane_id)


def metrics_of(state: RunState, analysis: Analysis, counts: Counts) -> list[Metric]:
    """All metrics of a state; `analysis` and `counts` are up to date with it."""
    rows: dict[str, list[Row]] = {}
    for name, labels, value in _rows(state, analysis, counts):
        rows.setdefault(name, []).append((labels, value))
    found: list[Metric] = []
    for spec in SPECS:
        made = family(spec)
        for labels, value in rows.pop(spec.name, ()):
            made.add_metric([printable(text[:MOST_VALUE]) for text in labels], value)
        found.append(made)
    return found


def family(spec: Spec) -> CounterMetricFamily | GaugeMetricFamily:
    """A metric without samples."""
    return (CounterMetricFamily if spec.counter else GaugeMetricFamily)(spec.name, spec.help, labels=spec.labels)


Told = tuple[str, tuple[str, ...], float]


def _rows(state: RunState, analysis: Analysis, counts: Counts) -> Iterator[Told]:
    opened = state.opened
    if opened is None:
        return
    words = opened.run, opened.name, opened.cloud, opened.operation, opened.version
    yield "csworkbench_run_info", words, 1
    yield "csworkbench_run_start_time_seconds", (), state.started_wall_ns / 1e9
    yield "csworkbench_run_last_event_time_seconds", (), state.wall_ns(state.last_ns) / 1e9
    yield from _one_of("csworkbench_run_phase", (), Phase, state.phase)
    verdict = state.verdict
    yield from _one_of("csworkbench_run_verdict", (), Verdict, verdict.verdict if verdict is not None else None)
    yield "csworkbench_run_over_budget", (), verdict is not None and verdict.over_budget
    yield "csworkbench_api_calls_total", (), state.call_count
    yield from _lanes(state, analysis, counts)
    yield from _services(state, analysis)
    for vantage in list(state.vantages.values())[:MOST_VANTAGES]:
        yield from _vantage(vantage, analysis, counts)
    for job in list(state.jobs.values())[-MOST_JOBS:]:
        yield from _one_of("csworkbench_job_state", (job.job, job.command), JobStatus, job.status)
        if job.changes:
            until = job.ended.first_new_ns if job.ended is not None else state.last_ns
            seconds = max(until - job.changes[0].first_new_ns, 0) / 1e9
            yield "csworkbench_job_duration_seconds", (job.job, job.command), seconds


def _services(state: RunState, analysis: Analysis) -> Iterator[Told]:
    for report in analysis.services():
        name = str(report.service)
        bounds = ("estimate", report.down_ns), ("low", report.low_ns), ("high", report.high_ns)
        for bound, value in bounds:
            yield "csworkbench_service_downtime_seconds", (name, bound), value / 1e9
        lanes = [i for i, s in state.lanes.items() if s.lane.service is report.service]
        down = [i for i in lanes if state.lanes[i].lane.headline and _up(analysis.lane(i), state.lanes[i]) == 0]
        yield "csworkbench_service_lanes", (name,), report.lanes
        yield "csworkbench_service_lanes_down", (name,), len(down)


def _lanes(state: RunState, analysis: Analysis, counts: Counts) -> Iterator[Told]:
    yield "csworkbench_lanes_left_out", (), max(len(state.lanes) - MOST_LANES, 0)
    for lane_id in list(state.lanes)[:MOST_LANES]:
        lane_state, report = state.lanes[lane_id], analysis.lane(lane_id)
        words = _words(lane_state.lane)
        up = _up(report, lane_state)
        if up is not None:
            yield "csworkbench_lane_up", words, up
        for outcome, value in (("ok", report.ok), ("fail", report.fail), ("unknown", report.unknown)):
            yield "csworkbench_lane_probes_total", (*words, outcome), value
        ended = [o for o in report.outages if o.end_ns]
        going_on = sum(o.down_ns for o in report.outages if not o.end_ns)
        yield "csworkbench_lane_outages_total", words, len(ended)
        yield "csworkbench_outage_seconds_total", words, sum(o.down_ns for o in ended) / 1e9
        yield "csworkbench_lane_open_outage_seconds", words, going_on / 1e9
        round_trip = counts.round_trip_ns(lane_id)
        if round_trip is not None:
            yield "csworkbench_lane_round_trip_seconds", words, round_trip / 1e9


def _vantage(vantage: VantageState, analysis: Analysis, counts: Counts) -> Iterator[Told]:
    name = vantage.vantage.name
    yield "csworkbench_channel_up", (name,), vantage.channel is ChannelState.OPEN
    yield "csworkbench_channel_lost_total", (name,), vantage.losses
    yield "csworkbench_channel_reopened_total", (name,), vantage.reopened
    yield "csworkbench_prober_late_probes_total", (name,), counts.late(name)
    yield "csworkbench_clock_bound_seconds", (name,), analysis.bound_ns(name) / 1e9
    lateness = counts.lateness_ns(name)
    if lateness is not None:
        yield "csworkbench_prober_lateness_seconds", (name,), lateness / 1e9
    if vantage.collected is not None:
        yield "csworkbench_missing_records_total", (name,), vantage.collected.missing


def _up(report: LaneReport, lane: LaneState) -> int | None:
    """None for a lane that says nothing of a service: it only listens, was left out, or has not been answered yet."""
    if lane.lane.heartbeat or lane.left_out or not report.ok + report.fail:
        return None
    return 0 if report.open or not report.ok else 1


def _words(lane: Lane) -> tuple[str, ...]:
    return (str(lane.id), lane.service, lane.prober, lane.flow, lane.vantage, lane.subject, lane.target)


def _one_of(name: str, labels: tuple[str, ...], states: Iterable[str], current: str | None) -> Iterator[Told]:
    for state in states:
        yield name, (*labels, str(state)), state == current
