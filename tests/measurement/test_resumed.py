# SPDX-License-Identifier: Apache-2.0
"""Clocks that began anew, of a vantage or of the recording host: what is still known, and how well."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from csworkbench.measurement.analysis import Analysis
from csworkbench.measurement.clock import Alignment
from csworkbench.measurement.resumed import host_clock_off
from csworkbench.model import event as ev
from csworkbench.model.event import ClockEcho, Event, Phase
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.sample import Outcome, Reason, Sample
from csworkbench.model.state import RunState, apply

S, MS = 1_000_000_000, 1_000_000
LANE = Lane(1, Service.EGRESS, Prober.ICMP, "vm01", "203.0.113.10", 100 * MS, S, flow="new", subject="vm01")
STARTED = ev.ProberStarted("vm01", 7, 10 * S, 0, "root", "b", token="5a" * 16)


def echo(host_ns: int, remote_ns: int, epoch: int = 0, half_ns: int = MS) -> ClockEcho:
    return ClockEcho("vm01", host_ns - half_ns, host_ns + half_ns, remote_ns, 0, 0, epoch)


def samples(first: int, count: int, at_ns: int, outcome: Outcome = Outcome.OK) -> tuple[Sample, ...]:
    reason = Reason.NONE if outcome is Outcome.OK else Reason.TIMEOUT
    stamps = (at_ns + i * 100 * MS for i in range(count))
    return tuple(
        Sample(first + i, at, at, at + MS if outcome is Outcome.OK else 0, outcome, reason, 0, 0)
        for i, at in enumerate(stamps)
    )


def run(*bodies: tuple[int, ev.Body]) -> RunState:
    state = RunState()
    for number, (at_ns, body) in enumerate(bodies, 1):
        apply(state, Event(number, at_ns, at_ns, body))
    return state


@given(st.integers(-MS, MS), st.integers(-MS, MS))
def test_echoes_of_two_clocks_are_never_taken_together(old_ns: int, new_ns: int) -> None:
    """Each truth lies within its own bounds, however near the other clock's are."""
    clock = Alignment([echo(100 * S + old_ns, 100 * S), echo(200 * S + new_ns, 200 * S, epoch=1)])
    low, high = clock.offset(100 * S)
    assert low <= old_ns <= high and high - low == 2 * MS
    low, high = clock.offset(200 * S)
    assert low <= new_ns <= high and high - low == 2 * MS


def rebooted() -> RunState:
    """The VM is away from 30 s to 50 s; its new clock is set 0.2 s late; its wall clock goes on."""
    again = replace(
        STARTED, session=1, remote_start_ns=3 * S, shift_ns=47 * S + 200 * MS, epoch=1, why="VM was rebooted"
    )
    return run(
        (9 * S, ev.VantageAdded(Vantage("vm01", VantageKind.TENANT))),
        (9 * S, ev.LaneAdded(LANE)),
        (10 * S, STARTED),
        (10 * S, echo(10 * S, 10 * S)),
        (10 * S, ev.PhaseEntered(Phase.BASELINE)),
        (20 * S, ev.PhaseEntered(Phase.CHANGE)),
        (29 * S, ev.RemoteClock("vm01", 29 * S, 1029 * S)),
        (30 * S, ev.SamplesArrived(1, samples(0, 200, 10 * S))),
        (30 * S, echo(30 * S, 30 * S)),
        (50 * S, ev.SpoolLeft("vm01", 0, 200, 1, "the machine was rebooted")),
        (50 * S, again),
        (50 * S, echo(50 * S, 50 * S + 200 * MS, epoch=1)),
        (51 * S, ev.RemoteClock("vm01", 51 * S + 200 * MS, 1051 * S)),
        (60 * S, ev.SamplesArrived(1, samples(200, 100, 50 * S + 200 * MS))),
        (60 * S, ev.PhaseEntered(Phase.COLLECT)),
        (61 * S, ev.SpoolCollected("vm01", 300, 1, "asked to stop")),
    )


def test_the_time_between_two_probers_is_blind_and_has_its_cause() -> None:
    analysis = Analysis(rebooted())
    analysis.finish()
    report = analysis.lane(1)
    assert (report.outages, report.ok, report.fail) == ([], 300, 0)
    (gap,) = report.blind
    assert gap.cause == "VM was rebooted"
    assert abs(gap.start_ns - 29.9 * S) < 5 * MS and abs(gap.end_ns - 50 * S) < 5 * MS, "on the recorder's clock"
    assert analysis.clock_steps() == [], "nobody set its wall clock"


def host_rebooted(off_ns: int) -> RunState:
    """The recorder is away from 30 s to 40 s, and its clock then is `off_ns` later than it should be."""
    return run(
        (9 * S, ev.VantageAdded(Vantage("vm01", VantageKind.TENANT))),
        (10 * S, STARTED),
        (20 * S, echo(20 * S, 20 * S)),
        (40 * S + off_ns, ev.RunResumed(30 * S, Phase.CHANGE, "1", "another", other_boot=True)),
        (41 * S + off_ns, echo(41 * S + off_ns, 41 * S, epoch=1)),
    )


@given(st.integers(-5 * S, 5 * S))
def test_the_vantages_clocks_bound_what_a_reboot_of_the_host_did(off_ns: int) -> None:
    state = host_rebooted(off_ns)
    analysis = Analysis(state)
    analysis.update()
    clocks = {"vm01": Alignment(state.vantages["vm01"].echoes)}
    at_ns, resumed = state.resumed[0]
    bounds = host_clock_off(state, clocks, at_ns, resumed)
    assert bounds is not None
    assert bounds[0] <= off_ns <= bounds[1]
    assert bounds[1] - bounds[0] < 10 * MS
    (told,) = analysis.resumptions()
    assert "this host was rebooted" in told and "phase change" in told
