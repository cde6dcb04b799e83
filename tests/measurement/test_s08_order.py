# SPDX-License-Identifier: Apache-2.0
"""S8, S9, S14: what came first is said only as far as the clocks can tell; clocks that were set are noticed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.measurement.analysis import Analysis
from csworkbench.measurement.cautions import cautions
from csworkbench.measurement.clock_steps import steps
from csworkbench.measurement.order import distance, job_end, job_start, ordered, widened
from csworkbench.measurement.outage import Span
from csworkbench.measurement.totals import run_totals
from csworkbench.model import event as ev
from csworkbench.model.event import Event, JobStatus
from csworkbench.model.lane import Service
from csworkbench.model.state import JobState
from tests.measurement.ground_truth import MS, S
from tests.measurement.synthetic_run import HOST, WALL, Plan, SyntheticRun, folded
from tests.measurement.test_s14_totals import GRID, SPANS, cells, report

EDGE = st.tuples(st.integers(0, 1000), st.integers(0, 50)).map(lambda t: (t[0], t[0] + t[1]))


@given(EDGE, EDGE, st.integers(0, 30), st.integers(0, 30), st.data())
def test_s08_nothing_is_ordered_that_the_bounds_leave_open(
    a: Span, b: Span, bound_a: int, bound_b: int, data: st.DataObject
) -> None:
    wide_a, wide_b = widened(a, bound_a), widened(b, bound_b)
    found = ordered(wide_a, wide_b)
    true_a, true_b = data.draw(st.integers(*wide_a)), data.draw(st.integers(*wide_b))
    if found is not None:
        assert (true_a > true_b) - (true_a < true_b) == found
    back = ordered(wide_b, wide_a)
    assert (found is None) == (back is None)
    assert (found or 0) == -(back or 0)
    if max(a[0] - b[1], b[0] - a[1]) <= bound_a + bound_b:
        assert found is None, "closer than the sum of their bounds"
    told = distance(wide_a, wide_b)
    assert told.low_ns <= true_a - true_b <= told.high_ns


def analysed(run: SyntheticRun, extra: tuple[tuple[float, ev.Body], ...] = ()) -> Analysis:
    analysis = Analysis(folded(run.events(extra)))
    analysis.finish()
    return analysis


def test_s14_onset_and_end_relative_to_the_job_hold_the_truth() -> None:
    # The job is submitted between 8.0 and 8.25 s and ends between 13.75 and 14.0 s.
    found = analysed(SyntheticRun(Plan(downs={0: ((9.0, 11.0), (14.5, 15.5)), 1: ((13.8, 13.95),)}))).lane
    onset, over = found(0).onset_after_job, found(0).end_after_job
    assert onset is not None
    assert over is not None
    assert onset.low_ns <= 750 * MS <= 1000 * MS <= onset.high_ns
    assert onset.high_ns - onset.low_ns < 360 * MS
    assert over.low_ns <= 1500 * MS <= 1750 * MS <= over.high_ns
    beside = found(1).end_after_job
    assert beside is not None
    assert beside.low_ns < 0 < beside.high_ns, "which came first cannot be told"
    assert (found(2).onset_after_job, found(2).end_after_job) == (None, None), "no outage"


def test_s14_without_a_job_or_an_end_there_is_nothing_to_relate_to() -> None:
    only = analysed(SyntheticRun(Plan(change=None, downs={0: ((9.0, 11.0),)}))).lane(0)
    assert (only.onset_after_job, only.end_after_job) == (None, None)
    still = analysed(SyntheticRun(Plan(downs={0: ((9.0, 99.0),)}))).lane(0)
    assert still.onset_after_job is not None
    assert still.end_after_job is None


def test_s14_of_several_jobs_the_first_start_and_the_last_end_count() -> None:
    def job(name: str, start: int, end: int | None) -> JobState:
        changes = [ev.JobChanged(name, "c", JobStatus.SUBMITTED, start, start + 1)]
        if end is not None:
            changes.append(ev.JobChanged(name, "c", JobStatus.SUCCEEDED, end - 1, end))
        return JobState(name, "c", changes)

    assert job_start([job("b", 20, 30), job("a", 10, 50)]) == (10, 11)
    assert job_end([job("b", 20, 30), job("a", 10, 50)]) == (49, 50)
    assert job_end([job("b", 20, None), job("a", 10, 50)]) is None
    assert (job_start([]), job_end([])) == (None, None)


@given(
    st.lists(st.tuples(st.integers(1, 10 * S), st.integers(-500, 500)), min_size=1, max_size=50),
    st.integers(0, 49),
    st.one_of(st.integers(-3600 * S, -100 * MS), st.integers(100 * MS, 3600 * S)),
)
def test_s08_a_clock_that_was_set_is_found_and_one_that_drifts_is_not(
    gaps: list[tuple[int, int]], at: int, step: int
) -> None:
    mono, real, pairs = 5 * S, WALL, [(5 * S, WALL)]
    for elapsed, ppm in gaps:
        mono, real = mono + elapsed, real + elapsed + elapsed * ppm // 1_000_000
        pairs.append((mono, real))
    assert steps("vm", pairs) == []
    at %= len(pairs)
    moved = [(m, r + step * (i > at)) for i, (m, r) in enumerate(pairs)]
    found = steps("vm", moved)
    if at < len(pairs) - 1:
        (only,) = found
        assert (only.after_ns, only.before_ns) == (pairs[at][0], pairs[at + 1][0])
        assert abs(only.step_ns - step) <= gaps[at][0] // 1000 + 1
    else:
        assert found == []


def test_s08_steps_of_tenant_and_host_are_said_and_change_no_figure() -> None:
    run = SyntheticRun(Plan(vms=2, downs={0: ((9.0, 11.0),)}))
    clocks = []
    for second in range(1, 20):
        remote = run.remote("vm00", HOST + second * S)
        clocks.append((second + 0.1, ev.RemoteClock("vm00", remote, WALL + remote - (3600 * S if second > 12 else 0))))
    events: list[Event] = run.events(clocks)
    events = [replace(e, wall_ns=e.wall_ns + (5 * S if e.at_ns > HOST + 10 * S else 0)) for e in events]
    state = folded(events)
    analysis = Analysis(state)
    analysis.finish()
    host, tenant = analysis.clock_steps()
    assert (host.clock, host.step_ns) == ("host", 5 * S)
    assert host.after_ns <= HOST + 10 * S < host.before_ns
    assert (tenant.clock, tenant.step_ns) == ("vm00", -3600 * S)
    assert abs(tenant.before_ns - HOST - 13 * S) < 10 * MS, "on the recorder's clock"
    plain = analysed(SyntheticRun(Plan(vms=2, downs={0: ((9.0, 11.0),)})))
    assert [plain.lane(i) for i in state.lanes] == [analysis.lane(i) for i in state.lanes]
    assert plain.clock_steps() == []
    lines = cautions(state, analysis)
    assert "vm00's wall clock was set by -3600.00 s; no figure depends on it" in lines
    assert "this host's wall clock was set by +5.00 s; no figure depends on it" in lines


def test_s08_steps_do_not_depend_on_when_they_were_looked_for() -> None:
    run = SyntheticRun(Plan(vms=1, length=9.0))
    pairs = [(n * S, WALL + n * S + (n > 4) * 7 * S) for n in range(9)]
    events = run.events([(n + 0.5, ev.RemoteClock("vm00", *pair)) for n, pair in enumerate(pairs)])
    from csworkbench.model.state import RunState, apply

    state = RunState()
    live = Analysis(state)
    for event in events:
        apply(state, event)
        live.update()
    assert [s.step_ns for s in live.clock_steps()] == [7 * S]


@given(st.lists(st.lists(SPANS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_s14_a_run_against_brute_force(made: list[list[list[Span]]]) -> None:
    services = [[report(i, spans) for i, spans in enumerate(lanes)] for lanes in made]
    down = [[cells(spans) for spans in lanes] for lanes in made]
    found = run_totals(services)
    each = [set.union(*lanes) for lanes in down]
    assert found.any_down_ns == len(set.union(*each))
    assert found.all_services_down_ns == len(set.intersection(*each))
    assert found.all_down_ns == len(set.intersection(*(lane for lanes in down for lane in lanes)))
    assert found.all_down_ns <= found.all_services_down_ns <= found.any_down_ns <= GRID
    assert found.services == len(made)
    assert found.hit == sum(any(any(a < b for a, b in spans) or spans for spans in lanes) for lanes in made)


@pytest.mark.parametrize("services", [[], [[]]])
def test_s14_a_run_without_lanes_has_no_totals(services: list[list[object]]) -> None:
    found = run_totals(services)  # type: ignore[arg-type]
    assert (found.any_down_ns, found.all_down_ns, found.services, found.hit) == (0, 0, 0, 0)


def test_s14_a_vm_is_down_as_long_as_its_worst_lane() -> None:
    plan = Plan(vms=3, downs={200: ((9.0, 11.0),), 201: ((9.0, 10.0),)})

    class TwoPorts(SyntheticRun):
        """vm00 has two addresses."""

        def lanes(self):  # type: ignore[no-untyped-def]
            found = super().lanes()
            return [replace(lane, subject="vm00") if lane.id == 201 else lane for lane in found]

    analysis = analysed(TwoPorts(plan))
    ingress = next(s for s in analysis.services() if s.service is Service.INGRESS)
    assert (ingress.lanes, ingress.hit) == (3, 2)
    assert (ingress.vms, ingress.vms_hit) == (2, 1)
    assert abs(ingress.median_vm_ns - 1 * S) < 60 * MS
    assert abs(ingress.median_ns - 1 * S) < 110 * MS
