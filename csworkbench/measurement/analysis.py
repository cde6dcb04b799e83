# SPDX-License-Identifier: Apache-2.0
"""All figures of a run as a function of its state; incremental for live viewers, the same code for finished runs."""

from collections import Counter
from collections.abc import Container
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from csworkbench.model.event import Phase
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.model.sample import Outcome, Reason
from csworkbench.model.state import RunState, VantageState

from . import order
from .blind import SUSPENDED, Blind, between_sessions, cause_of, clipped, unseen_end
from .clock import Alignment
from .clock_steps import ClockStep, steps
from .control import Controls, stopped_spans
from .episode import episodes
from .lane_analysis import LaneAnalysis, Window
from .outage import Baseline, Cause, LaneFold, Outage, Span, Stretch, durations, edges
from .resumed import host_clock_off, resumed_lines
from .totals import LaneReport, RunTotals, ServiceReport, run_totals, service_report

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

SERVICE_ORDER = tuple(Service)


class Analysis:
    """Figures of one run. Call `update` after the state has changed, `finish` once it will not change any more.

    They are a function of the state alone: it does not matter how often `update` was called on the way.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._clocks: dict[str, Alignment] = {}
        self._echoes_taken: dict[str, int] = {}
        self._pairs_taken: dict[str, int] = {}
        self._steps: list[ClockStep] = []  # of vantages, each on its own clock
        self._lanes: dict[int, LaneAnalysis] = {}
        self._reports: dict[int, tuple[object, LaneReport]] = {}
        self._over: dict[
            int, tuple[LaneFold, Span, list[Outage]]
        ] = {}  # by lane: fold, (echoes, late), its ended outages
        self._remotes: dict[tuple[str, int], tuple[int, int]] = {}  # (vantage, host ns): (echoes then, remote ns)
        self._judged: dict[int, tuple[object, LaneReport]] = {}
        self._controls: tuple[object, Controls] | None = None

    def update(self) -> None:
        """Fold in what has come since the last call."""
        for name, vantage in self._state.vantages.items():
            clock = self._clocks.setdefault(name, Alignment())
            for echo in vantage.echoes[self._echoes_taken.get(name, 0) :]:
                clock.add(echo)
            self._echoes_taken[name] = len(vantage.echoes)
            for first, last in _unbroken(vantage, max(self._pairs_taken.get(name, 0) - 1, 0)):
                self._steps += steps(name, vantage.clock_pairs[first:last])
            self._pairs_taken[name] = len(vantage.clock_pairs)
        phases = self._baseline_phase()
        for lane_id, lane_state in self._state.lanes.items():
            clock = self._clocks.setdefault(lane_state.lane.vantage, Alignment())
            if lane_id not in self._lanes:
                self._lanes[lane_id] = LaneAnalysis(lane_state)
            if clock.known:  # a stamp that cannot be placed cannot be assigned to a phase
                self._lanes[lane_id].update(self._window(lane_state.lane, phases))

    def finish(self) -> None:
        """Fold everything that is left; the run has ended."""
        self.update()
        for lane in self._lanes.values():
            lane.finish()

    def align(self, vantage: str, remote_ns: int) -> int:
        """A vantage's stamp on the recorder's clock, ns."""
        return self._clocks.setdefault(vantage, Alignment()).to_host_ns(remote_ns)

    def place(self, vantage: str, remote_ns: "NDArray[int64]") -> tuple["NDArray[int64]", "NDArray[int64]"]:
        """`align` and `bound_ns` of many stamps of a vantage."""
        return self._clocks.setdefault(vantage, Alignment()).many(remote_ns)

    def to_remote(self, vantage: str, host_ns: int) -> int:
        """A recorder's stamp on the vantage's clock, ns."""
        return self._clocks.setdefault(vantage, Alignment()).to_remote_ns(host_ns)

    def _phase_to_remote(self, vantage: str, host_ns: int) -> int:
        """As to_remote, kept: every lane of a vantage asks for the same few phases, each time."""
        clock = self._clocks[vantage]
        kept = self._remotes.get((vantage, host_ns))
        if kept is None or kept[0] != clock.echoes:
            kept = self._remotes[vantage, host_ns] = clock.echoes, clock.to_remote_ns(host_ns)
        return kept[1]

    def bound_ns(self, vantage: str, remote_ns: int | None = None) -> int:
        """How far an aligned stamp of the vantage can be off (by default: at its newest echo); 0 before the first."""
        clock = self._clocks.get(vantage)
        return clock.bound_ns(remote_ns) if clock is not None and clock.known else 0

    def baseline(self, lane_id: int) -> Baseline | None:
        """The lane's baseline, None until the baseline phase is over and its verdicts have fallen."""
        return self._lanes[lane_id].baseline if lane_id in self._lanes else None

    def baseline_so_far(self, lane_id: int) -> Baseline:
        """The baseline of what has been sampled since the warm-up, for a run that is about to decide."""
        return self._lanes[lane_id].baseline_so_far()

    def lane(self, lane_id: int) -> LaneReport:
        """One lane's figures. Raises KeyError for a lane that the run does not have."""
        report = self._own(lane_id)
        if not report.outages:
            return report
        controls = self._control_lanes()
        jobs = self._state.jobs.values()
        key = (report, controls, order.job_start(jobs), order.job_end(jobs))
        kept = self._judged.get(lane_id)
        if kept is None or kept[0] != key:
            kept = self._judged[lane_id] = key, self._judge(*key)
        return kept[1]

    def _judge(self, report: LaneReport, controls: Controls, start: Span | None, end: Span | None) -> LaneReport:
        """What other lanes and the jobs say about a lane's outages."""
        outages = []
        for outage in report.outages:
            why, ambiguous_ns = controls.against(report.lane, outage)
            outages.append(replace(outage, ambiguous=why, ambiguous_ns=ambiguous_ns) if why else outage)
        onset, over = order.after_job(outages, start, end)
        return replace(report, outages=outages, onset_after_job=onset, end_after_job=over)

    def _control_lanes(self) -> Controls:
        """The control lanes as they are now; the same object as long as none of them has changed."""
        lanes = [i for i in sorted(self._lanes) if self._lanes[i].lane.service is Service.CONTROL]
        reports = [self._own(lane_id) for lane_id in lanes]
        key = tuple(reports), len(self._state.vantages)
        if self._controls is None or self._controls[0] != key:
            vantages = {name: v.vantage for name, v in self._state.vantages.items()}
            self._controls = key, Controls(reports, vantages, stopped_spans(reports))
        return self._controls[1]

    def _own(self, lane_id: int) -> LaneReport:
        """A lane's figures from its own samples alone."""
        analysed = self._lanes[lane_id]
        counted_from_ns = self._counted_from_ns()
        echoes = self._clocks[analysed.lane.vantage].echoes
        state = analysed.state
        key = (analysed.version, state.left_out, len(state.late), echoes, counted_from_ns, len(self._steps))
        kept = self._reports.get(lane_id)
        if kept is None or kept[0] != key:
            kept = self._reports[lane_id] = key, self._report(analysed, counted_from_ns)
        return kept[1]

    def _report(self, analysed: LaneAnalysis, counted_from_ns: int) -> LaneReport:
        fold, counts = analysed.fold, analysed.fold.counts
        from_ns = self._phase_to_remote(analysed.lane.vantage, counted_from_ns)
        kept = [s for s in fold.stretches if not s.first_ok_ns or s.first_ok_ns > from_ns]
        outages: list[Outage] = []
        if analysed.lane.heartbeat or analysed.state.left_out:
            kept = []  # that nobody listened, or could hear, says nothing of a service
        else:
            ended = zip(fold.stretches, self._ended(analysed), strict=False)
            outages = [outage for stretch, outage in ended if stretch.first_ok_ns > from_ns]
        outages += [self._outage(analysed, s) for s in kept[-1:] if not s.first_ok_ns]
        grouped = episodes(kept, analysed.lane.interval_ns)
        blinds = [
            Blind(
                *self._aligned(analysed.lane, (b.start_ns, b.end_ns)),
                between_sessions(b, self._state.vantages.get(analysed.lane.vantage)) or cause_of(b, analysed.lane),
                b.causes.total(),
            )
            for b in fold.blinds
            if b.end_ns > from_ns
        ]
        return LaneReport(
            lane=analysed.lane,
            sent=sum(counts.values()),
            ok=counts[Outcome.OK],
            fail=counts[Outcome.FAIL],
            unknown=counts[Outcome.UNKNOWN],
            outages=outages,
            blind=clipped(
                [*blinds, *self._suspensions(analysed.lane.vantage), *self._unseen_end(analysed, counted_from_ns)],
                counted_from_ns,
            ),
            baseline=analysed.baseline,
            down_ns=sum(o.down_ns for o in outages),
            low_ns=sum(o.low_ns for o in outages),
            high_ns=sum(o.high_ns for o in outages),
            longest_ns=max((o.down_ns for o in outages), default=0),
            by_loss_ns=sum(e.by_loss_ns for e in grouped),
            intermittent=any(e.intermittent for e in grouped),
            open=any(not o.end_ns for o in outages),
        )

    def _ended(self, analysed: LaneAnalysis) -> list[Outage]:
        """The lane's outages that have ended, oldest first. Clock echoes, late answers and a new fold change them."""
        fold, echoes = analysed.fold, (self._clocks[analysed.lane.vantage].echoes, len(analysed.state.late))
        kept = self._over.get(analysed.lane.id)
        if kept is None or kept[0] is not fold or kept[1] != echoes:
            kept = self._over[analysed.lane.id] = fold, echoes, []
        outages = kept[2]
        outages += [self._outage(analysed, s) for s in fold.stretches[len(outages) :] if s.first_ok_ns]
        return outages

    def _unseen_end(self, analysed: LaneAnalysis, counted_from_ns: int) -> list[Blind]:
        """What a run that is over never got of a lane."""
        if not analysed.finished or self._state.phase_ns(Phase.BASELINE) is None:
            return []
        lane, until_ns = analysed.lane, self._state.phase_ns(Phase.COLLECT) or self._state.last_ns
        seen_ns = analysed.fold.last_seen_ns
        at_ns = max(self.align(lane.vantage, seen_ns), counted_from_ns) if seen_ns else counted_from_ns
        found = unseen_end(lane, at_ns, until_ns, self._state.vantages.get(lane.vantage))
        return [found] if found is not None else []

    def services(self) -> list[ServiceReport]:
        """Figures per service over its headline lanes, in a fixed order; services without lanes are left out."""
        return [service_report(service, reports) for service, reports in self._headlines().items()]

    def totals(self) -> RunTotals:
        """Any service down, all down (S14)."""
        return run_totals(list(self._headlines().values()))

    def resumptions(self) -> list[str]:
        """When no engine was there, one line each."""
        return resumed_lines(self._state, self._clocks)

    def _reboots_ns(self) -> int:
        """By how much reboots of the recording host may have moved its clock against what was before."""
        found = (
            host_clock_off(self._state, self._clocks, at, resumed)
            for at, resumed in self._state.resumed
            if resumed.other_boot
        )
        return sum(max(map(abs, bounds)) for bounds in found if bounds is not None)

    def clock_steps(self) -> list[ClockStep]:
        """Wall clocks that were set while the run went on: `host`, or a vantage's name. On the recorder's clock."""
        found = steps("host", self._state.clock_pairs)
        for step in self._steps:
            if not self._suspended(step):
                times = self.align(step.clock, step.after_ns), self.align(step.clock, step.before_ns)
                found.append(ClockStep(step.clock, *times, step.step_ns))
        return sorted(found, key=lambda step: (step.after_ns, step.clock))

    def _suspended(self, step: ClockStep) -> bool:
        """True when a vantage's wall clock did not move, but its monotonic one stood still: so did its machine."""
        return (
            step.step_ns > 0
            and 2 * self._clocks[step.clock].stood_still_ns(step.after_ns, step.before_ns) > step.step_ns
        )

    def _suspensions(self, vantage: str) -> list[Blind]:
        """When the vantage's machine stood still, to the second."""
        found = []
        for step in self._steps:
            if step.clock == vantage and self._suspended(step):
                end_ns = max(self.align(vantage, step.after_ns), self.align(vantage, step.before_ns))
                found.append(Blind(end_ns - (step.before_ns - step.after_ns) - step.step_ns, end_ns, SUSPENDED, 0))
        return found

    def _headlines(self) -> dict[Service, list[LaneReport]]:
        """The headline lanes by service; control lanes are no service."""
        reports: dict[Service, list[LaneReport]] = {}
        for lane_id in sorted(self._lanes):
            lane = self._lanes[lane_id].lane
            told = lane.headline and lane.service is not Service.CONTROL
            if told and not self._lanes[lane_id].state.left_out:
                reports.setdefault(lane.service, []).append(self.lane(lane_id))
        return {service: reports[service] for service in SERVICE_ORDER if service in reports}

    def outages(self) -> list[Outage]:
        """All outages of all lanes by start; blips included."""
        found = [outage for lane_id in sorted(self._lanes) for outage in self.lane(lane_id).outages]
        return sorted(found, key=lambda o: (o.start_ns, o.lane))

    def owners(self, lane_id: int) -> list[tuple[int, int]]:
        """Which MAC answered for the gateway from when on: (recorder ns, MAC), one entry per change, oldest first."""
        analysed = self._lanes.get(lane_id)
        if analysed is None or analysed.lane.prober is not Prober.ARP:
            return []
        analysed.take_owners()
        return [(self.align(analysed.lane.vantage, at_ns), mac) for at_ns, mac in analysed.owners]

    def all_ok_since_ns(self, without: Container[int] = ()) -> int | None:
        """Since when every awaited lane has been ok, recorder ns; None while one is down or has not spoken.

        `without`: lanes from which nothing is to be expected at present.
        """
        since = 0
        awaited = self._awaited(without)
        for lane in awaited:
            fold = lane.fold
            if not fold.counts[Outcome.OK] or (fold.stretches and not fold.stretches[-1].first_ok_ns):
                return None
            if fold.stretches:
                since = max(since, self.align(lane.lane.vantage, fold.stretches[-1].first_ok_ns))
        return since if awaited else None

    def seen_until_ns(self, without: Container[int] = ()) -> int:
        """Up to when every awaited lane's verdicts have been folded, recorder ns; 0 when a lane has none yet."""
        awaited = self._awaited(without)
        if not awaited or not all(a.fold.last_evidence_ns for a in awaited):
            return 0
        return min(self.align(a.lane.vantage, a.fold.last_evidence_ns) for a in awaited)

    def seen_of_ns(self, lane_id: int) -> int:
        """Up to when that lane's verdicts have been folded, recorder ns; 0 when it has none yet."""
        lane = self._lanes.get(lane_id)
        if lane is None or not lane.fold.last_evidence_ns:
            return 0
        return self.align(lane.lane.vantage, lane.fold.last_evidence_ns)

    def _awaited(self, without: Container[int]) -> list[LaneAnalysis]:
        return [a for i, a in self._lanes.items() if a.lane.awaited and not a.state.left_out and i not in without]

    def _counted_from_ns(self) -> int:
        change = self._state.phase_ns(Phase.CHANGE)
        return change if change is not None else self._state.phase_ns(Phase.BASELINE) or 0

    def _baseline_phase(self) -> Window:
        """(start, end) on the recorder's clock, None for what has not come yet."""
        ends = [at for p in (Phase.READY, Phase.CHANGE, Phase.MEASURE) if (at := self._state.phase_ns(p)) is not None]
        return self._state.phase_ns(Phase.BASELINE), min(ends, default=None)

    def _window(self, lane: Lane, phase: Window) -> Window:
        """The baseline phase on the vantage's clock. A slow lane's begins with its first sample, maybe its only one."""
        start, end = phase
        return (
            None if start is None else 0 if lane.slow else self._phase_to_remote(lane.vantage, start),
            None if end is None else self._phase_to_remote(lane.vantage, end),
        )

    def _aligned(self, lane: Lane, span: Span) -> Span:
        return self.align(lane.vantage, span[0]), self.align(lane.vantage, span[1])

    def _outage(self, analysed: LaneAnalysis, stretch: Stretch) -> Outage:
        lane = analysed.lane
        own_onset, own_end = edges(stretch, analysed.baseline, analysed.fold.last_evidence_ns, lane.stamp_step_ns)
        down, low, high = durations(own_onset, own_end, stretch.unseen_ns)
        onset, end = self._aligned(lane, own_onset), self._aligned(lane, own_end)
        return Outage(
            lane=lane.id,
            start_ns=sum(onset) // 2,
            end_ns=sum(end) // 2 if stretch.first_ok_ns else 0,
            onset=onset,
            end=end,
            down_ns=down,
            low_ns=low,
            high_ns=high,
            lost=stretch.lost,
            reason=stretch.reason,
            blip=stretch.blip,
            open=stretch.open,
            causes=_counted(stretch.causes),
            unknown=_counted(stretch.unknown),
            late=sum(stretch.first_fail_ns <= s.sent_ns <= stretch.last_fail_ns for s in analysed.state.late),
            clock_ns=max(self.bound_ns(lane.vantage, at) for at in (own_onset[0], own_end[1])) + self._reboots_ns(),
        )


def _unbroken(vantage: VantageState, first: int) -> list[Span]:
    """The clock pairs from `first` on, cut where the vantage's clock began anew: (from, to) each."""
    cuts = [first, *(cut for cut in vantage.clock_breaks if cut > first), len(vantage.clock_pairs)]
    return list(pairwise(cuts))


def _counted(causes: Counter[Cause]) -> tuple[tuple[Reason, int, int], ...]:
    """(reason, detail, samples), the commonest first."""
    return tuple((*cause, count) for cause, count in sorted(causes.items(), key=lambda c: (-c[1], c[0])))
