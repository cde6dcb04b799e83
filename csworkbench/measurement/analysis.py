# SPDX-License-Identifier: Apache-2.0
"""All figures of a run as a function of its state; incremental for live viewers, the same code for finished runs."""

from collections.abc import Sequence

from csworkbench.model.event import Phase
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.model.sample import Outcome, Sample
from csworkbench.model.state import LaneState, RunState

from .clock import Alignment
from .episode import episodes
from .outage import Baseline, LaneFold, Outage, Stretch, baseline_of, durations
from .totals import LaneReport, ServiceReport, service_report

SERVICE_ORDER = tuple(Service)


class Analysis:
    """Figures of one run. Call `update` after the state has changed, `finish` once it will not change any more."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._clocks: dict[str, Alignment] = {}
        self._echoes_taken: dict[str, int] = {}
        self._lanes: dict[int, _LaneAnalysis] = {}

    def update(self) -> None:
        """Fold in what has come since the last call."""
        for name, vantage in self._state.vantages.items():
            clock = self._clocks.setdefault(name, Alignment())
            for echo in vantage.echoes[self._echoes_taken.get(name, 0) :]:
                clock.add(echo)
            self._echoes_taken[name] = len(vantage.echoes)
        for lane_id, lane_state in self._state.lanes.items():
            clock = self._clocks.setdefault(lane_state.lane.vantage, Alignment())
            if lane_id not in self._lanes:
                self._lanes[lane_id] = _LaneAnalysis(lane_state)
            if clock.known:  # a stamp that cannot be placed cannot be assigned to a phase
                self._lanes[lane_id].update(self._window(clock))

    def finish(self) -> None:
        """Fold everything that is left; the run has ended."""
        self.update()
        for lane in self._lanes.values():
            lane.fold.finish()

    def align(self, vantage: str, remote_ns: int) -> int:
        """A vantage's stamp on the recorder's clock, ns."""
        return self._clocks.setdefault(vantage, Alignment()).to_host_ns(remote_ns)

    def to_remote(self, vantage: str, host_ns: int) -> int:
        """A recorder's stamp on the vantage's clock, ns."""
        return self._clocks.setdefault(vantage, Alignment()).to_remote_ns(host_ns)

    def bound_ns(self, vantage: str, remote_ns: int | None = None) -> int:
        """How far aligned stamps of the vantage can be off; 0 before the first echo."""
        clock = self._clocks.get(vantage)
        return clock.bound_ns(remote_ns) if clock is not None and clock.known else 0

    def baseline(self, lane_id: int) -> Baseline | None:
        """The lane's baseline, None until the baseline phase is over and its verdicts have fallen."""
        return self._lanes[lane_id].baseline if lane_id in self._lanes else None

    def baseline_so_far(self, lane_id: int) -> Baseline:
        """The baseline of what has been sampled since the warm-up, for a run that is about to decide."""
        lane = self._lanes[lane_id]
        return baseline_of(lane.state.samples[lane.first_counted :])

    def lane(self, lane_id: int) -> LaneReport:
        """One lane's figures. Raises KeyError for a lane that the run does not have."""
        analysed = self._lanes[lane_id]
        fold = analysed.fold
        rtt_ns = analysed.baseline.median_ns if analysed.baseline else 0
        counted_from = self._counted_from_ns()
        kept = [
            s for s in fold.stretches
            if not s.first_ok_ns or self.align(analysed.lane.vantage, s.first_ok_ns) > counted_from
        ]  # fmt: skip
        outages = [self._outage(analysed.lane, s, rtt_ns, fold.last_evidence_ns) for s in kept]
        grouped = episodes(kept, analysed.lane.interval_ns)
        return LaneReport(
            lane=analysed.lane,
            sent=sum(fold.counts.values()),
            ok=fold.counts[Outcome.OK],
            fail=fold.counts[Outcome.FAIL],
            unknown=fold.counts[Outcome.UNKNOWN],
            outages=outages,
            blind=[(self.align(analysed.lane.vantage, a), self.align(analysed.lane.vantage, b)) for a, b in fold.blind],
            baseline=analysed.baseline,
            down_ns=sum(o.down_ns for o in outages),
            low_ns=sum(o.low_ns for o in outages),
            high_ns=sum(o.high_ns for o in outages),
            longest_ns=max((o.down_ns for o in outages), default=0),
            by_loss_ns=sum(e.by_loss_ns for e in grouped),
            intermittent=any(e.intermittent for e in grouped),
            open=any(o.open for o in outages),
        )

    def services(self) -> list[ServiceReport]:
        """Figures per service over its headline lanes, in a fixed order; services without lanes are left out."""
        reports: dict[Service, list[LaneReport]] = {}
        for lane_id in sorted(self._lanes):
            lane = self._lanes[lane_id].lane
            if lane.headline:
                reports.setdefault(lane.service, []).append(self.lane(lane_id))
        return [service_report(s, reports[s], self._state.last_ns) for s in SERVICE_ORDER if s in reports]

    def outages(self) -> list[Outage]:
        """All outages of all lanes by start; blips included."""
        found = [outage for lane_id in sorted(self._lanes) for outage in self.lane(lane_id).outages]
        return sorted(found, key=lambda o: (o.start_ns, o.lane))

    def owners(self, lane_id: int) -> list[tuple[int, int]]:
        """Which MAC answered for the gateway from when on: (recorder ns, MAC), one entry per change, oldest first."""
        lane_state = self._state.lanes[lane_id]
        if lane_state.lane.prober is not Prober.ARP:
            return []
        changes: list[tuple[int, int]] = []
        for sample in lane_state.samples:
            if sample.outcome is Outcome.OK and (not changes or changes[-1][1] != sample.value):
                changes.append((self.align(lane_state.lane.vantage, sample.received_ns), sample.value))
        return changes

    def all_ok_since_ns(self) -> int | None:
        """Since when every lane has been ok, recorder ns; None while one is down or has not spoken."""
        since = 0
        for lane_id, lane in self._lanes.items():
            fold = lane.fold
            if not fold.counts[Outcome.OK] or (fold.stretches and not fold.stretches[-1].first_ok_ns):
                return None
            if fold.stretches:
                since = max(since, self.align(self._lanes[lane_id].lane.vantage, fold.stretches[-1].first_ok_ns))
        return since if self._lanes else None

    def seen_until_ns(self) -> int:
        """Up to when every lane's verdicts have been folded, recorder ns; 0 when a lane has none yet."""
        if not self._lanes:
            return 0
        return min(self.align(a.lane.vantage, a.fold.last_evidence_ns) for a in self._lanes.values())

    def _counted_from_ns(self) -> int:
        change = self._state.phase_ns(Phase.CHANGE)
        return change if change is not None else self._state.phase_ns(Phase.BASELINE) or 0

    def _window(self, clock: Alignment) -> tuple[int | None, int | None]:
        """The baseline phase on the vantage's clock: (start, end), None for what has not come yet."""
        start = self._state.phase_ns(Phase.BASELINE)
        ends = [at for p in (Phase.READY, Phase.CHANGE, Phase.MEASURE) if (at := self._state.phase_ns(p)) is not None]
        return (
            None if start is None else clock.to_remote_ns(start),
            clock.to_remote_ns(min(ends)) if ends else None,
        )

    def _outage(self, lane: Lane, stretch: Stretch, rtt_ns: int, last_evidence_ns: int) -> Outage:
        down, low, high = durations(stretch, rtt_ns, last_evidence_ns)
        onset = (
            self.align(lane.vantage, stretch.last_ok_ns or stretch.first_fail_ns),
            self.align(lane.vantage, stretch.first_fail_ns),
        )
        end_high = stretch.first_ok_ns or max(last_evidence_ns, stretch.last_fail_ns)
        end = (self.align(lane.vantage, stretch.last_fail_ns), self.align(lane.vantage, end_high))
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
        )


class _LaneAnalysis:
    """One lane's fold, and how much of the state it has taken."""

    def __init__(self, state: LaneState) -> None:
        self.state = state
        self.lane = state.lane
        self.baseline: Baseline | None = None
        self.fold = LaneFold(self.lane.interval_ns, self.lane.tmax_ns)
        self.first_counted = 0
        self._taken = 0
        self._started = False

    def update(self, window: tuple[int | None, int | None]) -> None:
        start_ns, end_ns = window
        if start_ns is None:
            return  # still warming up: discarded (S13)
        samples = self.state.samples
        if not self._started:
            self._started = True
            self.first_counted = self._taken = next(
                (i for i, s in enumerate(samples) if s.at_ns >= start_ns), len(samples)
            )
        fresh: Sequence[Sample] = samples[self._taken :]
        self._taken = len(samples)
        self.fold.feed(s for s in fresh if s.at_ns >= start_ns)
        if self.baseline is None and end_ns is not None and self._ripe(end_ns):
            counted = [s for s in samples[self.first_counted :] if s.at_ns >= start_ns]
            self.baseline = baseline_of(s for s in counted if s.at_ns < end_ns)
            # What counts as delayed is known only now, so fold again from the start.
            self.fold = LaneFold(self.lane.interval_ns, self.lane.tmax_ns, self.baseline.p99_ns + self.lane.interval_ns)
            self.fold.feed(counted)

    def _ripe(self, end_ns: int) -> bool:
        newest = max((s.at_ns for s in self.state.samples[-50:]), default=0)
        return newest - self.lane.tmax_ns > end_ns
