# SPDX-License-Identifier: Apache-2.0
"""S8: the truth always lies within the published bound, and stays in order."""

from itertools import pairwise
from random import Random
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csworkbench.measurement.clock import Alignment
from csworkbench.model.event import ClockEcho
from tests.measurement.ground_truth import MS, S

HOST = 90_000 * S


class Clock:
    """A vantage's clock that drifts, and stands still while the VM is suspended."""

    def __init__(self, offset: int, ppm: int, suspended: tuple[tuple[int, int], ...] = ()) -> None:
        self.offset, self.ppm, self.suspended = offset, ppm, suspended

    def read(self, host: int) -> int:
        stood = sum(max(min(host, end) - start, 0) for start, end in self.suspended)
        run = host - HOST - stood
        return self.offset + run + run * self.ppm // 1_000_000

    def echo(self, at: int, there: int, back: int) -> ClockEcho:
        return ClockEcho("vm", at, at + there + back, self.read(at + there), 0)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Clock, Alignment, list[int]]:
    """A clock, what its echoes told, and the host times of the echoes."""
    clock = Clock(draw(st.integers(0, 10**6)) * S, draw(st.integers(-49, 49)))
    rng = Random(draw(st.integers(0, 10**6)))
    slowest = draw(st.sampled_from([MS, 20 * MS, 400 * MS]))
    times: list[int] = []
    at = HOST
    for _ in range(draw(st.integers(1, 150))):
        at += rng.choice([20 * MS, S, S, S, 15 * S])
        times.append(at)
    echoes = [clock.echo(t, rng.randint(1000, slowest), rng.randint(1000, slowest)) for t in times]
    if draw(st.booleans()):
        rng.shuffle(echoes)
    return clock, Alignment(echoes), times


@given(worlds(), st.lists(st.integers(-20 * S, 900 * S), min_size=1, max_size=20))
@settings(max_examples=80)
def test_s8_the_truth_lies_within_the_bound_under_drift_and_asymmetric_delay(
    world: tuple[Clock, Alignment, list[int]], moments: list[int]
) -> None:
    clock, alignment, times = world
    for moment in moments:
        host = times[0] + moment
        remote = clock.read(host)
        low, high = alignment.offset(remote)
        assert low - 2 <= host - remote <= high + 2, "2 ns for the rounding of this test's own clock"
        assert abs(alignment.to_host_ns(remote) - host) <= alignment.bound_ns(remote) + 2


@given(worlds())
@settings(max_examples=60)
def test_s8_aligned_stamps_keep_their_order_and_come_back(world: tuple[Clock, Alignment, list[int]]) -> None:
    clock, alignment, times = world
    stamps = [clock.read(t + step * 7 * MS) for t in times for step in range(5)]
    stamps.sort()
    aligned = [alignment.to_host_ns(stamp) for stamp in stamps]
    assert all(a <= b + 3 for a, b in pairwise(aligned))
    for stamp, host in zip(stamps, aligned, strict=True):
        assert abs(alignment.to_remote_ns(host) - stamp) <= 5


@given(worlds(), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_s8_bounds_do_not_depend_on_the_order_of_echoes(world: tuple[Clock, Alignment, list[int]], rng: Random) -> None:
    clock, _, times = world
    echoes = [clock.echo(t, rng.randint(1000, MS), rng.randint(1000, MS)) for t in times]
    straight = Alignment(echoes)
    rng.shuffle(echoes)
    shuffled = Alignment(echoes)
    for t in times:
        assert straight.offset(clock.read(t)) == shuffled.offset(clock.read(t))


def test_s8_more_echoes_never_widen_the_bound() -> None:
    clock, rng = Clock(5 * S, 20), Random(3)
    alignment, at = Alignment(), clock.read(HOST + 10 * S)
    before = 1 << 62
    for i in range(60):
        alignment.add(clock.echo(HOST + i * S // 3, rng.randint(0, 9 * MS), rng.randint(0, 9 * MS)))
        assert alignment.bound_ns(at) <= before + 1, "1 ns for rounding"
        before = alignment.bound_ns(at)


def test_s8_the_bound_is_half_the_round_trip_and_grows_with_the_distance() -> None:
    alignment = Alignment([Clock(0, 0).echo(HOST, MS, MS)])
    remote = Clock(0, 0).read(HOST + MS)
    assert abs(alignment.bound_ns() - MS) <= 2
    assert abs(alignment.bound_ns(remote + 100 * S) - 6 * MS) <= 2, "50 ppm of 100 s"
    assert abs(alignment.bound_ns(remote - 100 * S) - 6 * MS) <= 2


@pytest.mark.parametrize("stood", [2 * S, 600 * S])
@pytest.mark.parametrize("after_echo", [300 * MS, 800 * MS])
def test_s8_a_suspended_vm_begins_a_new_epoch(stood: int, after_echo: int) -> None:
    asleep = HOST + 10 * S + after_echo
    awake = asleep + stood
    clock = Clock(7 * S, 10, ((asleep, awake),))
    times = [HOST + i * S for i in range(11)] + [awake + 500 * MS + i * S for i in range(10)]
    alignment = Alignment([clock.echo(t, MS, MS) for t in times])
    for since in range(0, 10 * S, 100 * MS):
        for host in (HOST + since, times[11] + 2 * MS + since):
            remote = clock.read(host)
            assert abs(alignment.to_host_ns(remote) - host) <= alignment.bound_ns(remote) <= 2 * MS
            assert abs(alignment.to_remote_ns(host) - remote) <= 2 * MS
    between = [*range(times[10] + 2 * MS, asleep, 20 * MS), *range(awake, times[11], 20 * MS)]
    for host in between:
        remote = clock.read(host)
        assert abs(alignment.to_host_ns(remote) - host) <= alignment.bound_ns(remote), "both offsets are possible there"


def test_s8_without_an_echo_nothing_is_known() -> None:
    alignment = Alignment()
    assert not alignment.known
    assert (alignment.to_host_ns(5), alignment.to_remote_ns(5)) == (5, 5)
    with pytest.raises(LookupError):
        alignment.offset(5)
    with pytest.raises(LookupError):
        alignment.bound_ns()


def test_s8_an_echo_whose_stamps_are_out_of_order_is_dropped() -> None:
    alignment = Alignment([ClockEcho("vm", 100, 99, 5, 0)])
    assert not alignment.known


def test_s8_an_hour_of_echoes_is_cheap() -> None:
    clock = Clock(3 * S, 20)
    began = perf_counter()
    alignment = Alignment([clock.echo(HOST + i * S, MS, MS) for i in range(3600)])
    for i in range(0, 3600):
        alignment.to_host_ns(clock.read(HOST + i * S + 500 * MS))
    assert perf_counter() - began < 2.0
