# SPDX-License-Identifier: Apache-2.0
"""The one reducer."""

from csworkbench.model import event as ev
from csworkbench.model.event import ChannelState, Event, JobStatus, Phase
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.sample import Outcome, Reason, Sample
from csworkbench.model.state import CALLS_KEPT, NOTICES_KEPT, RunState, apply

LANE = Lane(3, Service.EGRESS, Prober.ICMP, "vm01", "203.0.113.9", 10**8, 10**9, flow="new", subject="vm01")
SAMPLE = Sample(0, 1, 1, 2, Outcome.OK, Reason.NONE, 0, 0)


def told(*bodies: ev.Body, wall: int = 10**18) -> RunState:
    state = RunState()
    for seq, body in enumerate(bodies, 1):
        apply(state, Event(seq, seq * 100, wall + seq * 100, body))
    return state


def test_events_for_what_was_never_announced_are_ignored() -> None:
    state = told(
        ev.SamplesArrived(9, (SAMPLE,)),
        ev.LateArrived(9, (SAMPLE,)),
        ev.SecondOwner(9, 0, 1, 2),
        ev.Announced(9, 1, 2, 1),
        ev.ProberStarted("ghost", 1, 2, 3, "t", "b"),
        ev.ChannelChanged("ghost", ChannelState.LOST),
        ev.ClockEcho("ghost", 1, 2, 3, 4),
        ev.RemoteClock("ghost", 1, 2),
        ev.SpoolCollected("ghost", 1, 2, "x"),
    )
    assert (state.lanes, state.vantages) == ({}, {})
    assert state.seq == 9
    assert state.missing_records is None


def test_samples_late_answers_and_second_owners_go_to_their_lane() -> None:
    owner = ev.SecondOwner(3, 0, 1, 2)
    state = told(ev.LaneAdded(LANE), ev.SamplesArrived(3, (SAMPLE, SAMPLE)), ev.LateArrived(3, (SAMPLE,)), owner)
    lane = state.lanes[3]
    assert (len(lane.samples), len(lane.late), lane.second_owners) == (2, 1, [owner])


def test_announcements_go_to_their_lane() -> None:
    heard = ev.Announced(3, 1, 2, 1)
    assert told(ev.LaneAdded(LANE), heard).lanes[3].announced == [heard]


def test_missing_records_are_known_when_every_started_prober_was_collected() -> None:
    one, two = (Vantage(n, VantageKind.TENANT) for n in ("one", "two"))
    idle = Vantage("idle", VantageKind.TENANT)
    start: list[ev.Body] = [ev.VantageAdded(one), ev.VantageAdded(two), ev.VantageAdded(idle)]
    running: list[ev.Body] = [*start, *(ev.ProberStarted(n, 1, 2, 3, "t", "b") for n in ("one", "two"))]
    assert told(*start).missing_records is None
    assert told(*running, ev.SpoolCollected("one", 10, 4, "x")).missing_records is None
    both = [ev.SpoolCollected("one", 10, 4, "x"), ev.SpoolCollected("two", 10, 0, "x")]
    assert told(*running, *both).missing_records == 4


def test_a_job_keeps_the_bracket_of_each_transition() -> None:
    changes = [
        ev.JobChanged("j", "restartNetwork", status, 10 * i, 10 * i + 5)
        for i, status in enumerate((JobStatus.SUBMITTED, JobStatus.PENDING, JobStatus.SUCCEEDED))
    ]
    assert told(*changes[:2]).jobs["j"].ended is None
    job = told(*changes).jobs["j"]
    assert (job.status, job.ended, job.changes) == (JobStatus.SUCCEEDED, changes[2], changes)


def test_channel_losses_are_counted() -> None:
    states = [ChannelState.OPEN, ChannelState.LOST, ChannelState.OPEN, ChannelState.LOST]
    state = told(ev.VantageAdded(Vantage("vm", VantageKind.TENANT)), *(ev.ChannelChanged("vm", s) for s in states))
    assert (state.vantages["vm"].losses, state.vantages["vm"].channel) == (2, ChannelState.LOST)


def test_phases_and_wall_time() -> None:
    state = told(
        ev.RunOpened("r", "n", "v", "lab", "op", "{}"), ev.PhaseEntered(Phase.BASELINE), ev.PhaseEntered(Phase.CHANGE),
        ev.PhaseEntered(Phase.BASELINE, "again"),
    )  # fmt: skip
    assert (state.phase, state.phase_ns(Phase.BASELINE), state.phase_ns(Phase.SETTLE)) == (Phase.BASELINE, 400, None)
    assert state.phase_ns(Phase.CHANGE) is None, "the baseline was begun anew"
    assert state.wall_ns(150) == 10**18 + 150, "by the pair of the opening, never by a later wall clock"
    assert state.last_ns == 400


def test_calls_and_notices_for_display_are_bounded() -> None:
    call = ev.ApiCalled("listRouters", {}, "GET", 1, 2, 200)
    many: list[ev.Body] = [call] * (CALLS_KEPT + 7)
    many += [ev.Notice(ev.Level.INFO, str(i)) for i in range(NOTICES_KEPT + 3)]
    state = told(*many)
    assert (len(state.calls), state.call_count) == (CALLS_KEPT, CALLS_KEPT + 7)
    assert (len(state.notices), state.notices[0][1].text) == (NOTICES_KEPT, "3")


def test_verdict_and_end() -> None:
    verdict = ev.VerdictReached(ev.Verdict.OPEN, True, ("why",))
    state = told(verdict, ev.RunClosed(1))
    assert (state.verdict, state.closed) == (verdict, ev.RunClosed(1))
