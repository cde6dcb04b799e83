# SPDX-License-Identifier: Apache-2.0
"""RunState and the one reducer. Live, re-attached and replayed runs all go through `apply`."""

from collections import deque
from dataclasses import dataclass, field

from . import event as ev
from .cloud import Inventory
from .event import Event, Phase
from .lane import Lane, Vantage
from .sample import Sample
from .sample_rows import SampleRows

CALLS_KEPT = 200  # the newest API calls, for display; the run file has them all
NOTICES_KEPT = 500
PAIR_NS = 1_000_000  # a host's clock pair is kept when its distance has changed by that much
SERVER_DRIFT = 50e-6  # of the management server's clock against ours


@dataclass(slots=True)
class LaneState:
    """A lane and all its samples in order of arrival, plus late answers, second owners and announcements."""

    lane: Lane
    samples: SampleRows = field(default_factory=SampleRows)
    late: list[Sample] = field(default_factory=list)
    second_owners: list[ev.SecondOwner] = field(default_factory=list)
    announced: list[ev.Announced] = field(default_factory=list)
    left_out: bool = False  # probed, but its baseline was such that it says nothing


@dataclass(slots=True)
class VantageState:
    """A vantage, its channel and its clock echoes."""

    vantage: Vantage
    started: ev.ProberStarted | None = None
    calibrated: ev.Calibrated | None = None
    channel: ev.ChannelState = ev.ChannelState.OPENING
    losses: int = 0
    reopened: int = 0  # after a loss
    cut: bool = False  # lost, and not opened again
    echoes: list[ev.ClockEcho] = field(default_factory=list)
    last_clock: ev.RemoteClock | None = None
    clock_pairs: list[tuple[int, int]] = field(default_factory=list)  # (monotonic, realtime) of its own, ns
    collected: ev.SpoolCollected | None = None
    hushed: list[tuple[int, int]] = field(default_factory=list)  # (from, until) ns; until is 0 while it is quiet
    sessions: list[ev.ProberStarted] = field(default_factory=list)
    begun_ns: int = 0  # when the newest of them began
    left: list[ev.SpoolLeft] = field(default_factory=list)  # of the sessions before the newest
    read: ev.SpoolRead | None = None  # of the newest session
    clock_breaks: list[int] = field(default_factory=list)  # from which of its `clock_pairs` on its clock is another

    def begin(self, started: ev.ProberStarted, at_ns: int) -> None:
        """Another prober runs there: the first, or one after it."""
        self.begun_ns = at_ns
        if self.started is not None and started.epoch != self.started.epoch:
            self.clock_breaks.append(len(self.clock_pairs))
        self.started, self.read = started, None
        self.sessions.append(started)

    def turn(self, channel: ev.ChannelState, at_ns: int) -> None:
        """Its channel changed."""
        if channel is ev.ChannelState.QUIET:
            self.hushed.append((at_ns, 0))
        elif self.hushed and not self.hushed[-1][1]:
            self.hushed[-1] = (self.hushed[-1][0], at_ns)
        self.channel = channel
        self.losses += channel is ev.ChannelState.LOST
        self.reopened += channel is ev.ChannelState.OPEN and self.cut
        self.cut = channel is ev.ChannelState.LOST or (self.cut and channel is not ev.ChannelState.OPEN)


@dataclass(slots=True)
class JobState:
    """A job with the bracket of each of its transitions, oldest first."""

    job: str
    command: str
    changes: list[ev.JobChanged] = field(default_factory=list)

    @property
    def status(self) -> ev.JobStatus:
        """The newest status."""
        return self.changes[-1].status if self.changes else ev.JobStatus.SUBMITTED

    @property
    def ended(self) -> ev.JobChanged | None:
        """The transition that ended the job, or None while it runs."""
        over = (ev.JobStatus.SUCCEEDED, ev.JobStatus.FAILED, ev.JobStatus.CANCELLED, ev.JobStatus.LOST)
        return next((c for c in self.changes if c.status in over), None)


@dataclass(slots=True)
class RunState:
    """Everything known of a run. Only `apply` changes it."""

    seq: int = 0
    newest_pair: tuple[int, int] | None = None
    opened: ev.RunOpened | None = None
    started_ns: int = 0
    started_wall_ns: int = 0
    last_ns: int = 0
    phase: Phase = Phase.PREPARE
    phases: list[tuple[Phase, int, str]] = field(default_factory=list)
    vantages: dict[str, VantageState] = field(default_factory=dict)
    left_out: list[ev.VantageLeftOut] = field(default_factory=list)
    lanes_left_out: list[ev.LaneLeftOut] = field(default_factory=list)
    lanes: dict[int, LaneState] = field(default_factory=dict)
    planned: ev.OperationPlanned | None = None
    before: Inventory | None = None
    inventory: Inventory | None = None
    ready: Inventory | None = None  # the last one before there were lanes, with its evidence
    jobs: dict[str, JobState] = field(default_factory=dict)
    cloud_events: list[tuple[int, ev.CloudEventSeen]] = field(default_factory=list)
    calls: deque[ev.ApiCalled] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT))
    call_count: int = 0
    server_clock: ev.ServerClock | None = None
    server_clock_ns: int = 0  # when it was last bounded
    clock_pairs: list[tuple[int, int]] = field(default_factory=list)  # the host's, around each change of their distance
    notices: deque[tuple[int, ev.Notice]] = field(default_factory=lambda: deque(maxlen=NOTICES_KEPT))
    actions: list[tuple[int, ev.OperatorActed]] = field(default_factory=list)
    verdict: ev.VerdictReached | None = None
    evidence: list[ev.EvidenceKept] = field(default_factory=list)
    closed: ev.RunClosed | None = None
    resumed: list[tuple[int, ev.RunResumed]] = field(default_factory=list)
    cloud: ev.CloudOpened | None = None
    sent: list[tuple[int, ev.ChangeSent]] = field(default_factory=list)
    operation_ended: ev.OperationEnded | None = None

    def phase_ns(self, phase: Phase) -> int | None:
        """When that phase was entered first, host monotonic ns; None when it has not been.

        A baseline that was begun anew takes the place of the one before it, and what followed that does not count.
        """
        anew = max((i for i, (p, _, _) in enumerate(self.phases) if p is Phase.BASELINE), default=0)
        counted = self.phases if phase in (Phase.PREPARE, Phase.WARMUP) else self.phases[anew:]
        return next((at for p, at, _ in counted if p is phase), None)

    def wall_ns(self, at_ns: int) -> int:
        """Wall time (ns since 1970) of a host monotonic stamp, by the pair taken when the run was opened."""
        return self.started_wall_ns + at_ns - self.started_ns

    def event_span(self, seen_ns: int, event: ev.CloudEventSeen) -> tuple[int, int]:
        """When CloudStack wrote an event, host monotonic ns: it tells whole seconds of a clock of its own (S9).

        Before that clock is known the answer is the moment we saw it; it can never be younger than that.
        """
        clock = self.server_clock
        if clock is None:
            return seen_ns, seen_ns
        slack_s = SERVER_DRIFT * abs(seen_ns - self.server_clock_ns) / 1e9
        low = min(int((event.created_s - clock.high_s - slack_s) * 1e9), seen_ns)
        return low, max(min(int((event.created_s + 1 - clock.low_s + slack_s) * 1e9), seen_ns), low)

    def lanes_of(self, vantage: str) -> list[Lane]:
        """The lanes that are probed from a vantage."""
        return [of.lane for of in self.lanes.values() if of.lane.vantage == vantage]

    @property
    def missing_records(self) -> int | None:
        """Records that were not collected; None while a spool has yet to be collected."""
        running = [v for v in self.vantages.values() if v.started is not None]
        if not running or any(v.collected is None for v in running):
            return None
        return sum(v.collected.missing for v in running if v.collected is not None)


def apply(state: RunState, event: Event) -> None:  # noqa: PLR0912, PLR0915 - one table of cases, one line each
    """Fold one event into the state. Events for lanes or vantages that were never announced are ignored."""
    state.seq = event.seq
    state.last_ns = max(state.last_ns, event.at_ns)
    _note_clock(state, (event.at_ns, event.wall_ns))
    match event.body:
        case ev.SamplesArrived(lane, samples):
            if lane in state.lanes:
                state.lanes[lane].samples.extend(samples)
        case ev.LateArrived(lane, samples):
            if lane in state.lanes:
                state.lanes[lane].late.extend(samples)
        case ev.SecondOwner() as owner:
            if owner.lane in state.lanes:
                state.lanes[owner.lane].second_owners.append(owner)
        case ev.Announced() as announced:
            if announced.lane in state.lanes:
                state.lanes[announced.lane].announced.append(announced)
        case ev.RunOpened() as opened:
            state.opened = opened
            state.started_ns, state.started_wall_ns = event.at_ns, event.wall_ns
        case ev.PhaseEntered(phase, why):
            state.phase = phase
            state.phases.append((phase, event.at_ns, why))
        case ev.Notice() as notice:
            state.notices.append((event.at_ns, notice))
        case ev.InventorySeen(inventory):
            state.before = state.before or inventory
            if not state.lanes:
                state.ready = inventory
            state.inventory = inventory
        case ev.OperationPlanned() as planned:
            state.planned = planned
        case ev.OperatorActed() as acted:
            state.actions.append((event.at_ns, acted))
        case ev.VantageAdded(vantage):
            state.vantages[vantage.name] = VantageState(vantage)
        case ev.VantageLeftOut() as left_out:
            state.left_out.append(left_out)
        case ev.LaneAdded(new_lane):
            state.lanes[new_lane.id] = LaneState(new_lane)
        case ev.LaneLeftOut() as lane_left_out:
            state.lanes_left_out.append(lane_left_out)
            if lane_left_out.lane in state.lanes:
                state.lanes[lane_left_out.lane].left_out = True
        case ev.ProberStarted() as started:
            if started.vantage in state.vantages:
                state.vantages[started.vantage].begin(started, event.at_ns)
        case ev.SpoolRead() as read:
            if read.vantage in state.vantages:
                state.vantages[read.vantage].read = read
        case ev.SpoolLeft() as left:
            if left.vantage in state.vantages:
                state.vantages[left.vantage].left.append(left)
        case ev.RunResumed() as resumed:
            state.resumed.append((event.at_ns, resumed))
        case ev.CloudOpened() as cloud:
            state.cloud = cloud
        case ev.ChangeSent() as sent:
            state.sent.append((event.at_ns, sent))
        case ev.OperationEnded() as ended:
            state.operation_ended = ended
        case ev.Calibrated() as calibrated:
            if calibrated.vantage in state.vantages:
                state.vantages[calibrated.vantage].calibrated = calibrated
        case ev.ChannelChanged(name, channel):
            if name in state.vantages:
                state.vantages[name].turn(channel, event.at_ns)
        case ev.ClockEcho() as echo:
            if echo.vantage in state.vantages:
                state.vantages[echo.vantage].echoes.append(echo)
        case ev.RemoteClock() as clock:
            if clock.vantage in state.vantages:
                state.vantages[clock.vantage].last_clock = clock
                state.vantages[clock.vantage].clock_pairs.append((clock.remote_ns, clock.remote_real_ns))
        case ev.SpoolCollected() as collected:
            if collected.vantage in state.vantages:
                state.vantages[collected.vantage].collected = collected
        case ev.ApiCalled() as call:
            state.calls.append(call)
            state.call_count += 1
        case ev.JobChanged() as change:
            state.jobs.setdefault(change.job, JobState(change.job, change.command)).changes.append(change)
        case ev.CloudEventSeen() as seen:
            state.cloud_events.append((event.at_ns, seen))
        case ev.ServerClock() as clock_bound:
            state.server_clock, state.server_clock_ns = clock_bound, event.at_ns
        case ev.VerdictReached() as verdict:
            state.verdict = verdict
        case ev.EvidenceKept() as kept:
            state.evidence.append(kept)
        case ev.RunClosed() as closed:
            state.closed = closed


def _note_clock(state: RunState, pair: tuple[int, int]) -> None:
    """Keep the host's (monotonic, realtime) pairs around each change of their distance."""
    before, state.newest_pair = state.newest_pair, pair
    if before is None:
        state.clock_pairs.append(pair)
    elif abs((pair[1] - pair[0]) - (state.clock_pairs[-1][1] - state.clock_pairs[-1][0])) > PAIR_NS:
        if state.clock_pairs[-1] != before:
            state.clock_pairs.append(before)
        state.clock_pairs.append(pair)
