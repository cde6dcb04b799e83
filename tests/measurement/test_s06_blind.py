# SPDX-License-Identifier: Apache-2.0
"""S6, S10: where nobody looked, why, and what that does to the bounds of an outage beside or around it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csworkbench.measurement.analysis import Analysis
from csworkbench.measurement.blind import NOT_COLLECTED, STOPPED, SUSPENDED, cause_of
from csworkbench.measurement.cautions import cautions
from csworkbench.measurement.outage import Cause, durations, edges
from csworkbench.measurement.reasons import cause_text, causes_text
from csworkbench.model import event as ev
from csworkbench.model.event import Event
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.model.sample import Outcome, Reason, Sample
from tests.measurement.ground_truth import MS, T0, S, Span, Truth, baseline, fold, probe
from tests.measurement.synthetic_run import HOST, Plan, SyntheticRun, folded
from tests.measurement.test_s02_bounds import COUNT, truths

LANE = Lane(1, Service.EGRESS, Prober.ICMP, "vm01", "203.0.113.9", 100 * MS, S, flow="new", subject="vm01")


def down_in(downs: tuple[Span, ...], within: Span) -> int:
    """How long the path was down in a stretch of time."""
    return sum(max(min(b, within[1]) - max(a, within[0]), 0) for a, b in downs)


@given(
    truths(queued=True),
    st.lists(st.tuples(st.integers(8, 60), st.integers(1, 60)), min_size=1, max_size=3),
    st.sets(st.integers(5, COUNT - 1), max_size=20),
    st.sets(st.integers(5, COUNT - 1), max_size=20),
    st.integers(0, 1000),
)
@settings(max_examples=120)
def test_s06_the_truth_lies_within_the_bounds_wherever_the_prober_stood_still(
    made: tuple[Truth, int], stops: list[tuple[int, int]], unheard: set[int], missing: set[int], seed: int
) -> None:
    path, interval = made
    stopped = tuple((T0 + at * interval, T0 + (at + length) * interval) for at, length in stops)
    truth = replace(path, stopped=stopped, unheard=frozenset(unheard))
    # A run of up to two records that are missing hides no more than unknown ones do.
    kept = {s for s in missing if not {s - 1, s - 2} <= missing}
    samples = [s for s in probe(truth, COUNT, interval, seed=seed) if s.seq not in kept]
    base = baseline(path, interval=interval)
    found = fold(samples, base, interval)
    for stretch in found.stretches:
        onset, end = edges(stretch, base, found.last_evidence_ns)
        middle, low, high = durations(onset, end, stretch.unseen_ns)
        truly = down_in(path.downs, (onset[0], end[1] + truth.rtt + truth.jitter))
        assert low <= truly <= high + truth.rtt + truth.jitter
        assert low <= middle <= high


def test_s06_a_stop_beside_an_outage_widens_that_edge_and_no_other() -> None:
    down = (T0 + 10 * S, T0 + 14 * S)
    before = fold(probe(Truth((down,), stopped=((T0 + 8 * S, T0 + 11 * S),)), COUNT)).stretches[0]
    onset, end = edges(before, None, 0)
    assert onset[1] - onset[0] > 3 * S
    assert end[1] - end[0] < 110 * MS
    after = fold(probe(Truth((down,), stopped=((T0 + 13 * S, T0 + 16 * S),)), COUNT)).stretches[0]
    onset, end = edges(after, None, 0)
    assert onset[1] - onset[0] < 110 * MS
    assert end[1] - end[0] > 3 * S


def test_s06_two_outages_with_a_stop_between_them_are_one_whose_low_leaves_the_stop_out() -> None:
    downs = ((T0 + 5 * S, T0 + 7 * S), (T0 + 9 * S, T0 + 11 * S))
    (stretch,) = fold(probe(Truth(downs, stopped=((T0 + 6 * S, T0 + 10 * S),)), COUNT)).stretches
    onset, end = edges(stretch, None, 0)
    middle, low, high = durations(onset, end, stretch.unseen_ns)
    assert low <= 4 * S <= high
    assert 1700 * MS <= low <= 2 * S
    assert middle >= 5 * S, "S1: what nobody knows does not end an outage"
    assert sum(stretch.unknown.values()) == 40


@pytest.mark.parametrize(
    ("truth", "cause"),
    [
        (Truth(stopped=((T0 + 5 * S, T0 + 7 * S),)), STOPPED),
        (Truth(late=frozenset(range(50, 60))), "late"),
        (Truth(unheard=frozenset(range(50, 60))), "self: ENOBUFS"),
    ],
)
def test_s06_each_blind_stretch_says_why(truth: Truth, cause: str) -> None:
    (found,) = fold(probe(truth, 100)).blinds
    assert cause_of(found, LANE) == cause
    assert found.causes.total() == (20 if cause == STOPPED else 10)


def test_s10_missing_records_are_blind() -> None:
    samples = [s for s in probe(Truth(), 100) if not 50 <= s.seq < 60]
    (found,) = fold(samples).blinds
    assert cause_of(found, LANE) == NOT_COLLECTED
    assert found.causes.total() == 10


def run(plan: Plan, lost_from: float | None = None, missing: int = 0, ended: str = "asked to stop") -> Analysis:
    """A finished run; of vm00 nothing came from `lost_from` on."""
    events: list[Event] = []
    for event in SyntheticRun(plan).events():
        body = event.body
        if isinstance(body, ev.SpoolCollected) and body.vantage == "vm00":
            body = replace(body, missing=missing, ended=ended)
        late = lost_from is not None and event.at_ns > HOST + lost_from * S
        if late and isinstance(body, ev.SamplesArrived) and body.lane in (0, 100):
            continue
        events.append(replace(event, body=body))
    analysis = Analysis(folded(events))
    analysis.finish()
    return analysis


def test_s10_what_was_never_collected_is_blind_to_the_end() -> None:
    (blind,) = run(Plan(), lost_from=12.0, missing=80, ended="not reached").lane(0).blind
    assert blind.cause == NOT_COLLECTED
    assert abs(blind.start_ns - HOST - 12 * S) < 300 * MS
    assert abs(blind.end_ns - HOST - 21 * S) < 300 * MS, "to the end of measuring"
    (blind,) = run(Plan(), lost_from=12.0, ended="the prober failed").lane(0).blind
    assert blind.cause == "prober ended: the prober failed"
    (blind,) = run(Plan(), lost_from=0.0, missing=80).lane(0).blind
    assert abs(blind.start_ns - HOST - 8 * S) < 300 * MS, "from the change on"


def test_s10_a_lost_channel_is_not_blind() -> None:
    plan = Plan()
    gone = [
        (8.5, ev.ChannelChanged("vm00", ev.ChannelState.LOST)),
        (11.0, ev.ChannelChanged("vm00", ev.ChannelState.OPEN)),
    ]
    state = folded(SyntheticRun(plan).events(gone))
    analysis = Analysis(state)
    analysis.finish()
    assert [analysis.lane(i).blind for i in state.lanes] == [[]] * len(state.lanes)
    assert cautions(state, analysis) == []


def test_s10_a_live_run_does_not_call_blind_what_is_still_to_come() -> None:
    events = [e for e in SyntheticRun(Plan()).events() if e.at_ns < HOST + 15 * S]
    kept = [
        e for e in events
        if not (isinstance(e.body, ev.SamplesArrived) and e.body.lane == 0 and e.at_ns > HOST + 11 * S)
    ]  # fmt: skip
    analysis = Analysis(folded(kept))
    analysis.update()
    assert analysis.lane(0).blind == []
    analysis.finish()
    assert [b.cause for b in analysis.lane(0).blind] == [NOT_COLLECTED], "its engine ended there"


def test_s06_a_suspended_machine_is_blind_and_its_wall_clock_was_not_set() -> None:
    # Its monotonic clock stands still for 4 s from 11.3 s on; the channel is away around it, as in every change.
    plan = Plan(vms=2)
    run, slept = SyntheticRun(plan), 4 * S
    asleep = (HOST + 11300 * MS, HOST + 15300 * MS)

    def stamp(host_ns: int) -> int:
        own = min(host_ns, asleep[0]) if host_ns < asleep[1] else host_ns - slept
        return run.remote("vm00", own)

    events: list[Event] = []
    for event in run.events():
        body = event.body
        if isinstance(body, ev.ClockEcho) and body.vantage == "vm00":
            if asleep[0] <= body.sent_ns < asleep[1]:
                continue
            body = replace(body, remote_ns=stamp(body.sent_ns + 500_000))
        # Its stamps go on without a gap; the last 4 s of them were never taken.
        if isinstance(body, ev.SamplesArrived) and body.lane in (0, 100) and event.at_ns > HOST + 16 * S:
            continue
        events.append(replace(event, body=body))
    extra: list[tuple[int, ev.Body]] = []
    for second in range(1, 20):
        host = HOST + second * S
        if not asleep[0] <= host < asleep[1]:
            extra.append((host, ev.RemoteClock("vm00", stamp(host), 5 * S + host)))
    events += [Event(0, at, at, body) for at, body in extra]
    analysis = Analysis(folded(sorted(events, key=lambda e: e.at_ns)))
    analysis.finish()
    assert [s for s in analysis.clock_steps() if s.clock == "vm00"] == []
    (blind,) = [b for b in analysis.lane(0).blind if b.cause == SUSPENDED]
    assert blind.start_ns <= asleep[0] + 10 * MS
    assert blind.end_ns >= asleep[1] - 10 * MS
    assert blind.end_ns - blind.start_ns < slept + 1100 * MS
    assert analysis.lane(1).blind == []
    assert analysis.lane(0).outages == []


def test_s06_who_was_blind_during_the_change_is_said_and_summed_up() -> None:
    plan = Plan(truth=Truth(stopped=((T0 + 10 * S, T0 + 12 * S + 100 * MS),)))
    state = SyntheticRun(plan).state()
    analysis = Analysis(state)
    analysis.finish()
    lines = [line for line in cautions(state, analysis) if line.startswith("vm01")]
    assert lines == [
        "vm01 was blind for 2.1 s during the change (prober stopped): an outage there may have gone unseen"
    ]
    egress = next(s for s in analysis.services() if s.service is Service.EGRESS)
    assert abs(egress.blind_ns - 2100 * MS) <= 100 * MS
    many = Analysis(crowd := SyntheticRun(replace(plan, vms=8)).state())
    many.finish()
    lines = cautions(crowd, many)
    assert (len(lines), lines[-1]) == (6, "4 more vantages were blind for a shorter time")
    before = Plan(truth=Truth(stopped=((T0 + 3 * S, T0 + 5 * S),)))
    quiet = Analysis(SyntheticRun(before).state())
    quiet.finish()
    assert quiet.lane(0).blind == [], "before the change nothing was to be seen"


@pytest.mark.parametrize(
    ("reason", "detail", "prober", "text"),
    [
        (Reason.TIMEOUT, 0, Prober.ICMP, "timeout"),
        (Reason.REFUSED, 0, Prober.SYN, "refused"),
        (Reason.REFUSED, 111, Prober.CONNECT, "refused"),
        (Reason.REFUSED, 0x0303, Prober.UDP, "refused: port 3/3"),
        (Reason.UNREACHABLE, 0x0301, Prober.ICMP, "unreachable: host 3/1"),
        (Reason.UNREACHABLE, 0x0B00, Prober.ICMP, "unreachable: hops exceeded 11/0"),
        (Reason.UNREACHABLE, 0x030F, Prober.ICMP, "unreachable: ICMP 3/15"),
        (Reason.UNREACHABLE, 101, Prober.ICMP, "unreachable: ENETUNREACH"),
        (Reason.UNREACHABLE, 100, Prober.ICMP, "unreachable: ENETDOWN"),
        (Reason.WRONG, 0, Prober.BANNER, "wrong content"),
        (Reason.WRONG, 503, Prober.HTTP, "wrong: status 503"),
        (Reason.WRONG, 3, Prober.DNS, "wrong: NXDOMAIN"),
        (Reason.WRONG, 6, Prober.DHCP, "wrong: NAK"),
        (Reason.ABSENT, 32, Prober.NEIGHBOUR, "absent: FAILED"),
        (Reason.SELF_ERROR, 1, Prober.ICMP, "self: EPERM"),
        (Reason.SELF_ERROR, 77, Prober.ICMP, "self: errno 77"),
        (Reason.SELF_LATE, 0, Prober.ICMP, "self: late"),
        (Reason.OTHER, 0, Prober.ICMP, "other"),
    ],
)
def test_reasons_in_words(reason: Reason, detail: int, prober: Prober, text: str) -> None:
    assert cause_text(reason, detail, prober) == text


def test_icmpv6_has_other_words() -> None:
    assert cause_text(Reason.UNREACHABLE, 0x0100, Prober.ICMP6, ipv6=True) == "unreachable: no route 1/0"


@given(st.sampled_from(Reason), st.integers(-1, 0xFFFF), st.sampled_from(Prober), st.booleans())
def test_any_detail_of_a_hostile_prober_is_one_short_line(
    reason: Reason, detail: int, prober: Prober, ipv6: bool
) -> None:
    text = cause_text(reason, detail, prober, ipv6=ipv6)
    assert 0 < len(text) <= 60
    assert text.isprintable()


def test_an_outage_counts_its_reasons_what_nobody_knows_and_what_came_late() -> None:
    made = Plan(vms=1, downs={0: ((10.0, 12.0),)})
    refused = {102: (Reason.UNREACHABLE, 0x0301), 103: (Reason.UNREACHABLE, 0x0301), 104: (Reason.UNREACHABLE, 101)}

    def changed(sample: Sample) -> Sample:
        if sample.seq in (110, 111):
            return sample._replace(outcome=Outcome.UNKNOWN, reason=Reason.SELF_ERROR, detail=105)
        reason, detail = refused.get(sample.seq, (sample.reason, sample.detail))
        return sample._replace(reason=reason, detail=detail)

    events: list[Event] = []
    late: list[Sample] = []
    for event in SyntheticRun(made).events():
        body = event.body
        if isinstance(body, ev.SamplesArrived) and body.lane == 0:
            late += [s for s in body.samples if s.seq in (105, 106)]
            body = ev.SamplesArrived(0, tuple(map(changed, body.samples)))
        events.append(replace(event, body=body))
    answers = tuple(s._replace(outcome=Outcome.OK, received_ns=s.sent_ns + 2 * S) for s in late)
    last = events[-1]
    events.append(replace(last, seq=last.seq + 1, body=ev.LateArrived(0, answers)))
    analysis = Analysis(folded(events))
    analysis.finish()
    (outage,) = analysis.lane(0).outages
    assert causes_text(outage.causes, Prober.ICMP) == (
        "timeout 15, unreachable: host 3/1 2, unreachable: ENETUNREACH 1"
    )
    assert sum(count for *_, count in outage.causes) == outage.lost == 18
    assert outage.reason is Reason.TIMEOUT
    unknown: Cause = (Reason.SELF_ERROR, 105)
    assert outage.unknown == ((*unknown, 2),)
    assert outage.late == 2
    assert outage.clock_ns > 0
