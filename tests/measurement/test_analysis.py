# SPDX-License-Identifier: Apache-2.0
"""Analysis over whole runs: S8, S13, S14, S16."""

from random import Random
from time import perf_counter

import pytest

from csworkbench.measurement.analysis import Analysis
from csworkbench.measurement.totals import LaneReport, ServiceReport
from csworkbench.model import event as ev
from csworkbench.model.event import Event
from csworkbench.model.lane import Service
from csworkbench.model.state import RunState, apply
from tests.measurement.ground_truth import MS, S, Truth
from tests.measurement.synthetic_run import HOST, NEW_MAC, OLD_MAC, Plan, SyntheticRun, folded

OUTAGES = {0: ((9.0, 11.3),), 1: ((9.2, 12.0),), 200: ((9.5, 13.25),), 201: ((9.5, 10.0), (12.0, 12.6))}


def analysed(plan: Plan) -> Analysis:
    analysis = Analysis(SyntheticRun(plan).state())
    analysis.finish()
    return analysis


def figures(analysis: Analysis, state: RunState) -> tuple[list[LaneReport], list[ServiceReport], list[int | None]]:
    rest = [analysis.all_ok_since_ns(), analysis.seen_until_ns()]
    return [analysis.lane(i) for i in sorted(state.lanes)], analysis.services(), rest


def test_s2_s8_outages_stand_at_their_true_place_on_the_hosts_clock() -> None:
    analysis = analysed(Plan(downs=OUTAGES))
    for lane, downs in OUTAGES.items():
        outages = analysis.lane(lane).outages
        assert len(outages) == len(downs)
        for outage, (start, end) in zip(outages, downs, strict=True):
            slack = analysis.bound_ns(analysis.lane(lane).lane.vantage, 0) if lane < 100 else 0
            slack = 2 * MS if slack else MS
            assert outage.onset[0] - slack <= HOST + start * S <= outage.onset[1] + slack
            assert outage.end[0] - slack <= HOST + end * S <= outage.end[1] + slack
            assert outage.low_ns <= (end - start) * S * (1 + 50e-6)
            assert (end - start) * S * (1 - 50e-6) <= outage.high_ns
            assert outage.onset[0] <= outage.start_ns <= outage.onset[1] < outage.end[1]


def test_s14_per_service_the_worst_lane_speaks() -> None:
    egress, gateway, ingress = analysed(Plan(downs=OUTAGES)).services()
    assert (egress.service, egress.worst, egress.hit, egress.lanes) == (Service.EGRESS, "vm01", 2, 3)
    assert egress.low_ns <= 2.8 * S <= egress.high_ns
    assert abs(egress.any_down_ns - 3.0 * S) < 200 * MS, "9.0 to 12.0"
    assert egress.all_down_ns == 0, "vm02 was never down"
    assert (ingress.worst, ingress.hit) == ("vm00", 2)
    assert (gateway.worst, gateway.hit, gateway.down_ns) == ("", 0, 0)


def test_s13_what_ended_before_the_change_does_not_count_when_something_was_operated() -> None:
    report = analysed(Plan(downs={0: ((5.0, 6.0), (9.0, 10.0))})).lane(0)
    assert [round((o.start_ns - HOST) / S) for o in report.outages] == [9]
    assert report.fail > report.outages[0].lost, "samples are counted all the same"
    assert report.baseline is not None
    assert not report.baseline.measurable


def test_s13_an_outage_that_spans_the_start_of_the_change_counts() -> None:
    (outage,) = analysed(Plan(downs={0: ((7.5, 9.0),)})).lane(0).outages
    assert outage.low_ns <= 1.5 * S <= outage.high_ns


def test_s13_a_run_that_only_measures_counts_from_the_baseline_on() -> None:
    report = analysed(Plan(change=None, downs={0: ((0.2, 0.7), (3.0, 4.0), (9.0, 10.0))})).lane(0)
    assert [round((o.start_ns - HOST) / S) for o in report.outages] == [3, 9]


def test_s13_the_warm_up_is_discarded_also_where_its_verdicts_fall_later() -> None:
    state = SyntheticRun(Plan(downs={0: ((0.0, 0.95),)})).state()
    analysis = Analysis(state)
    analysis.update()
    assert analysis.baseline_so_far(0).lost == 0
    assert analysis.baseline_so_far(0).measurable
    assert analysis.lane(0).outages == []
    assert analysis.lane(0).fail == 0


@pytest.mark.parametrize(("lost", "good"), [(0, True), (2, True), (3, False)])
def test_s13_the_baseline_rule_more_than_two_and_more_than_one_percent(lost: int, good: bool) -> None:
    plan = Plan(truth=Truth(lost=frozenset(range(20, 20 + lost))))
    state = folded(e for e in SyntheticRun(plan).events() if e.at_ns < HOST + 7.9 * S)
    analysis = Analysis(state)
    analysis.update()
    assert analysis.baseline_so_far(0).measurable is good
    assert analysis.baseline_so_far(0).lost == lost


def test_s13_three_lost_in_a_long_baseline_are_less_than_one_percent() -> None:
    plan = Plan(vms=1, change=41.0, settle=42.0, length=44.0, truth=Truth(lost=frozenset({20, 90, 200})))
    baseline = analysed(plan).baseline(0)
    assert baseline is not None
    assert (baseline.sent, baseline.lost, baseline.measurable) == (400, 3, True)


def test_s13_a_lane_that_was_never_ok_is_not_measurable() -> None:
    analysis = analysed(Plan(downs={0: ((0.0, 99.0),)}))
    baseline = analysis.baseline(0)
    assert baseline is not None
    assert not baseline.measurable
    assert analysis.all_ok_since_ns() is None


def test_s13_the_baseline_ends_where_the_change_begins_and_is_the_last_word_on_delay() -> None:
    analysis = analysed(Plan(truth=Truth(rtt=3 * MS, jitter=2 * MS)))
    baseline = analysis.baseline(0)
    assert baseline is not None
    assert baseline.sent == 70
    assert 2.999 * MS <= baseline.least_ns <= baseline.median_ns <= baseline.p99_ns <= 5 * MS + MS // 10


def test_s13_a_run_that_ends_right_after_its_baseline_still_has_one() -> None:
    events = [e for e in SyntheticRun(Plan(change=8.0)).events() if e.at_ns < HOST + 8.1 * S]
    analysis = Analysis(folded(events))
    analysis.finish()
    baseline = analysis.baseline(0)
    assert baseline is not None
    assert baseline.sent > 60


def test_s13_settled_when_every_lane_is_ok() -> None:
    plan = Plan(downs=OUTAGES)
    analysis = analysed(plan)
    since = analysis.all_ok_since_ns()
    assert since is not None
    assert 0 <= since - (HOST + 13.25 * S) <= 110 * MS
    assert 0 <= HOST + plan.length * S - analysis.seen_until_ns() <= 110 * MS


def test_s13_seen_until_is_0_while_a_lane_has_said_nothing() -> None:
    events = SyntheticRun().events()
    quiet = [e for e in events if not (isinstance(e.body, ev.SamplesArrived) and e.body.lane == 1)]
    analysis = Analysis(folded(quiet))
    analysis.finish()
    assert analysis.seen_until_ns() == 0
    assert analysis.all_ok_since_ns() is None


def test_s1_an_outage_that_has_not_ended_is_open_and_reaches_as_far_as_has_been_seen() -> None:
    plan = Plan(downs={0: ((9.0, 99.0),)})
    analysis = analysed(plan)
    report = analysis.lane(0)
    (outage,) = report.outages
    assert (outage.open, outage.end_ns, report.open) == (True, 0, True)
    egress = analysis.services()[0]
    assert egress.open
    assert abs(egress.any_down_ns - egress.down_ns) <= 100 * MS
    assert abs(egress.down_ns - 11 * S) <= 200 * MS, "not to the end of the run, which came 3 s later"


def test_s1_a_lane_that_began_with_a_loss_and_recovered_is_not_still_down() -> None:
    # Only the warm-up saw it ok before; what is discarded bounds nothing, but the lane is up.
    plan = Plan(change=None, verdict=ev.Verdict.MEASURED, downs={0: ((0.5, 2.0),)})
    analysis = analysed(plan)
    report = analysis.lane(0)
    assert [o.open for o in report.outages] == [True]
    assert not report.open
    assert not analysis.services()[0].open


def noisy(seed: int) -> list[Event]:
    rng = Random(seed)
    lost = frozenset(rng.sample(range(200), 12))
    stop = 5000 * S + rng.randint(9, 13) * S
    truth = Truth(queue=rng.choice([0, 450 * MS]), jitter=3 * MS, lost=lost, stopped=((stop, stop + 2 * S),))
    return SyntheticRun(Plan(downs=OUTAGES, truth=truth)).events()


@pytest.mark.parametrize("seed", range(4))
def test_s16_live_equals_replay_at_every_step_and_however_often_it_was_asked(seed: int) -> None:
    events, rng = noisy(seed), Random(seed)
    live = RunState()
    analysis = Analysis(live)
    stops = set(rng.sample(range(len(events)), 60))
    looks = set(rng.sample(sorted(stops), 6))
    for i, event in enumerate(events):
        apply(live, event)
        if i in stops:
            analysis.update()
        if i in looks:
            once = folded(events[: i + 1])
            fresh = Analysis(once)
            fresh.update()
            assert figures(analysis, live) == figures(fresh, once)
    analysis.finish()
    once = folded(events)
    fresh = Analysis(once)
    fresh.finish()
    assert figures(analysis, live) == figures(fresh, once)
    assert analysis.outages() == fresh.outages()
    assert analysis.owners(100) == fresh.owners(100)


def test_s16_asking_again_changes_nothing_and_more_samples_after_the_end_are_taken() -> None:
    events = SyntheticRun(Plan(downs=OUTAGES)).events()
    cut = len(events) * 3 // 4
    state = folded(events[:cut])
    analysis = Analysis(state)
    analysis.finish()
    before = figures(analysis, state)
    analysis.finish()
    assert figures(analysis, state) == before
    for event in events[cut:]:
        apply(state, event)
    analysis.finish()
    assert figures(analysis, state) == figures(analysed(Plan(downs=OUTAGES)), state)


def test_s11_owners_tells_each_change_of_the_answering_mac_once() -> None:
    analysis = analysed(Plan(mac_change=10.0))
    (first, old), (changed, new) = analysis.owners(100)
    assert (old, new) == (OLD_MAC, NEW_MAC)
    assert abs(first - HOST) < 200 * MS
    assert abs(changed - (HOST + 10 * S)) < 110 * MS
    assert analysis.owners(0) == []
    assert analysis.owners(12345) == []


def test_before_the_first_echo_nothing_is_placed() -> None:
    events = [e for e in SyntheticRun().events() if not isinstance(e.body, ev.ClockEcho)]
    analysis = Analysis(folded(events))
    analysis.update()
    assert analysis.bound_ns("vm00") == 0
    assert analysis.lane(0).sent == 0
    assert analysis.baseline_so_far(0).measurable is False
    with pytest.raises(KeyError):
        analysis.lane(12345)


def test_a_run_without_lanes_has_no_figures() -> None:
    analysis = Analysis(RunState())
    analysis.finish()
    assert analysis.services() == []
    assert analysis.outages() == []
    assert analysis.all_ok_since_ns() is None
    assert analysis.seen_until_ns() == 0


def test_sent_is_ok_fail_and_unknown_together() -> None:
    report = analysed(Plan(truth=Truth(lost=frozenset({100}), unheard=frozenset({120, 121})))).lane(0)
    assert (report.fail, report.unknown) == (1, 2)
    assert report.sent == report.ok + 3
    assert abs(report.sent - 190) <= 1, "19 s at 10 Hz"


def test_an_update_costs_what_is_new_and_a_look_nothing_when_nothing_is() -> None:
    state = SyntheticRun(Plan(vms=8, change=30.0, settle=40.0, length=60.0, downs={0: ((31.0, 33.0),)})).state()
    analysis = Analysis(state)
    analysis.update()
    first = analysis.services()
    began = perf_counter()
    for _ in range(200):
        analysis.update()
        assert analysis.services() == first
    assert (perf_counter() - began) / 200 < 0.01
