# SPDX-License-Identifier: Apache-2.0
"""S11: router gap and ARP tail against paths whose truth is known, with clocks that are off."""

from hypothesis import given, settings
from hypothesis import strategies as st

from csworkbench.measurement.arp_split import Blurred, split
from csworkbench.measurement.gateway import NO_MAC, dual_owners, held
from csworkbench.measurement.outage import durations, edges
from csworkbench.model.event import SecondOwner
from csworkbench.model.sample import Outcome, Reason, Sample
from tests.measurement.ground_truth import MS, T0, S, Span, Truth, baseline, fold, probe

GRID = 40
SPAN = st.tuples(st.integers(0, GRID), st.integers(0, GRID)).map(sorted).map(tuple)


def exact(span: Span) -> Blurred:
    return Blurred((span[0], span[0]), (span[1], span[1]))


def cells(spans: list[Span]) -> set[int]:
    return {i for start, end in spans for i in range(start, end)}


@given(SPAN, st.lists(SPAN, max_size=4), st.none() | st.lists(SPAN, max_size=4), st.lists(SPAN, max_size=2))
@settings(max_examples=200)
def test_s11_exact_stretches_against_a_grid(
    outage: Span, away: list[Span], stale: list[Span] | None, doubtful: list[Span]
) -> None:
    down, gone = cells([outage]), cells([*away, *doubtful])
    found = split(
        len(down), exact(outage), map(exact, away), None if stale is None else [exact(s) for s in stale],
        doubtful=map(exact, doubtful),
    )  # fmt: skip
    old = cells(stale) if stale is not None else down
    truth = [down & gone, down - gone & old, down - gone - old]
    assert [part.down_ns for part in found] == [len(part) for part in truth]
    assert found[0].low_ns == len(down & cells(away))
    for part in found:
        assert 0 <= part.low_ns <= part.down_ns <= part.high_ns


def measured(truth: Truth, seed: int, offset: int, bound: int) -> tuple[list[Blurred], list[int]]:
    """Outages of one lane as a run places them, on a clock that is off by `offset`; and their lengths."""
    base = baseline(truth)
    folded = fold(probe(truth, 250, seed=seed), base)
    spans = [edges(s, base, folded.last_evidence_ns) for s in folded.stretches]
    moved = [Blurred(*((a + offset, b + offset) for a, b in pair)).widened(bound) for pair in spans]
    return moved, [durations(*pair)[0] for pair in spans]


@given(
    start=st.integers(2 * S, 6 * S), gap=st.integers(0, 6 * S), tail=st.integers(0, 8 * S), seed=st.integers(0, 99),
    bounds=st.tuples(st.integers(0, 30 * MS), st.integers(0, 30 * MS)),
    off=st.tuples(st.floats(-1, 1), st.floats(-1, 1)), rtt=st.sampled_from([MS, 40 * MS]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_s11_the_truth_lies_within_the_bounds(
    start: int, gap: int, tail: int, seed: int, bounds: tuple[int, int], off: tuple[float, float], rtt: int
) -> None:
    """The sentinel is down for the gap alone, the guest for gap and tail; both clocks are off within their bounds."""
    at = T0 + start
    sentinel, _ = measured(Truth(((at, at + gap),), rtt=rtt), seed, round(off[0] * bounds[0]), bounds[0])
    guest, downs = measured(Truth(((at, at + gap + tail),), rtt=rtt), seed + 1, round(off[1] * bounds[1]), bounds[1])
    if len(guest) != 1:
        return  # too short to be seen at all
    found_gap, found_tail, rest = split(downs[0], guest[0], sentinel, unseen_ns=100 * MS)
    assert found_gap.down_ns + found_tail.down_ns + rest.down_ns == downs[0]
    assert rest.down_ns == 0
    assert found_gap.low_ns <= gap <= found_gap.high_ns
    assert found_tail.low_ns <= tail <= found_tail.high_ns
    assert abs(found_tail.down_ns - tail) <= 300 * MS + sum(bounds) + rtt
    if tail == 0:
        assert found_tail.down_ns == 0, "ends that may be one moment are one"


def asked(seq: int, mac: int) -> Sample:
    at = T0 + seq * 100 * MS
    return Sample(seq, at, at, at + MS, Outcome.OK, Reason.NONE, 0, mac)


def test_two_owners_at_once() -> None:
    """Both answered three requests; or they answered in turn. A change to and fro after a while is none."""
    both = dual_owners(
        [asked(n, 1 if n < 20 else 2) for n in range(40)], [SecondOwner(0, n, 0, 2) for n in (17, 18, 19)], 100 * MS
    )
    assert len(both.spans) == 1
    assert (both.low_ns, both.down_ns, both.high_ns) == (200 * MS, 300 * MS, 400 * MS)
    turns = dual_owners([asked(n, (1, 2, 1, 2, 1)[n - 10] if 10 <= n < 15 else 1) for n in range(30)], [], 100 * MS)
    assert [(a[1] - T0, b[0] - T0) for a, b in turns.spans] == [(1000 * MS, 1400 * MS)]
    there_and_back = dual_owners([asked(n, 2 if 10 <= n < 20 else 1) for n in range(30)], [], 100 * MS)
    assert there_and_back.spans == ()


def test_which_mac_a_guest_holds() -> None:
    absent = Sample(2, T0 + 2 * S, T0 + 2 * S, 0, Outcome.FAIL, Reason.ABSENT, 0, 0)
    stopped = Sample(3, T0 + 3 * S, 0, 0, Outcome.UNKNOWN, Reason.SELF_LATE, 0, 0)
    looks = [asked(0, 1), asked(10, 1), absent, stopped, asked(40, 2)]
    assert held(looks) == [
        ((T0, T0), 1), ((T0 + S, T0 + 2 * S), NO_MAC), ((T0 + 2 * S, T0 + 4 * S), 2),
    ]  # fmt: skip
