# SPDX-License-Identifier: Apache-2.0
"""The witness's arithmetic against paths whose outages are known."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from csworkbench.lab.witness_outages import MOST_OUTAGES, SELF, Fold, Outage, Sample, report

MS = 1_000_000
PERIOD = 10 * MS
START = 5_000 * MS


def folded(samples: list[Sample]) -> Fold:
    fold = Fold(PERIOD)
    for sample in samples:
        fold.add(sample)
    return fold


def answered(at_ms: float, took_ms: float = 1) -> Sample:
    sent_ns = START + int(at_ms * MS)
    return Sample(sent_ns, sent_ns, sent_ns + int(took_ms * MS))


def lost(at_ms: float, reason: str = "timeout") -> Sample:
    sent_ns = START + int(at_ms * MS)
    return Sample(sent_ns, sent_ns, None, reason)


def at(low_ms: float, high_ms: float = 0) -> tuple[int, int]:
    return START + int(low_ms * MS), START + int(high_ms * MS)


def test_a_lost_probe_between_two_answers() -> None:
    fold = folded([answered(0), answered(10), lost(20), lost(30), answered(40), answered(50)])
    (outage,) = fold.outages()
    assert outage == Outage(at(10, 31), at(30, 41), "timeout", 20 * MS, 0, 31 * MS)  # usual: 1 ms, and a period
    assert (fold.sent, fold.lost, fold.blind_ns) == (6, 2, 0)


def test_an_answer_that_waited_counts_when_it_arrives() -> None:
    waited = [answered(at_ms, 700 - at_ms) for at_ms in range(300, 700, 10)]
    fold = folded([answered(0), *(lost(at_ms) for at_ms in range(10, 300, 10)), *waited, answered(700), answered(710)])
    (outage,) = fold.outages()
    assert outage.end_ns == at(290, 700)
    assert (outage.low_ns, outage.high_ns) == ((290 - 10 - 11) * MS, 700 * MS)
    assert fold.lost == 29


def test_an_answer_that_waited_before_the_first_loss_is_no_proof_of_its_time() -> None:
    fold = folded(
        [answered(0), answered(10, 500), answered(20, 490), lost(30), lost(500), answered(510), answered(520)]
    )
    (outage,) = fold.outages()
    assert outage.start_ns[0] == at(0)[0]
    assert outage.end_ns == at(500, 510)  # the answers of the time between did come


def test_what_waited_but_came_ends_an_outage_only_until_the_next_loss() -> None:
    late = [answered(20, 130)]  # arrives at 150, between losses
    fold = folded([answered(0), lost(10), *late, lost(100), lost(200), answered(210)])
    assert [(outage.start_ns[0], outage.end_ns) for outage in fold.outages()] == [
        (at(0)[0], at(100, 150)),
        (at(150)[0], at(200, 211)),
    ]


def test_a_standstill_of_the_prober_is_blind_and_no_outage() -> None:
    fold = folded([answered(0), answered(10), answered(900), answered(910)])
    assert fold.outages() == []
    assert fold.blind_ns == 880 * MS
    fold = folded([answered(0), answered(10), lost(20), answered(900), answered(910)])
    (outage,) = fold.outages()
    assert outage.end_ns == at(20, 901)  # wide, neither shorter nor longer
    assert fold.blind_ns == 870 * MS


def test_what_the_prober_spoiled_itself_neither_starts_nor_ends_an_outage() -> None:
    fold = folded([answered(0), lost(10, SELF), answered(20), lost(30), lost(40, SELF), lost(50), answered(60)])
    (outage,) = fold.outages()
    assert (outage.start_ns[0], outage.end_ns) == (at(20)[0], at(50, 61))
    assert (fold.sent, fold.lost, fold.unknown, fold.blind_ns) == (5, 2, 2, 20 * MS)


def test_before_the_first_answer_nothing_counts() -> None:
    fold = folded([lost(0), lost(10)])
    assert (fold.answered, fold.sent, fold.outages()) == (False, 0, [])
    fold.add(answered(20))
    assert (fold.answered, fold.sent, fold.lost, fold.outages()) == (True, 1, 0, [])


def test_an_outage_that_has_not_ended() -> None:
    fold = folded([answered(0), lost(10), lost(20), lost(30)])
    (outage,) = fold.outages()
    assert outage.end_ns is None
    assert fold.totals().high_ns == 30 * MS
    fold.add(answered(40))
    assert fold.outages()[0].end_ns == at(30, 41)
    assert fold.totals().outages == 1


def test_the_report_is_bounded_and_on_the_hosts_clock() -> None:
    many = [sample for n in range(MOST_OUTAGES + 50) for sample in (answered(20 * n), lost(20 * n + 10))]
    said = report(folded([*many, answered(40_000)]), START)
    assert (said["count"], len(said["outages"])) == (MOST_OUTAGES + 50, MOST_OUTAGES)
    assert said["outages"][0] == {"start_ns": [0, 21 * MS], "end_ns": [10 * MS, 21 * MS], "reason": "timeout"}
    assert said["lost"] == MOST_OUTAGES + 50


lengths = st.lists(st.tuples(st.integers(1, 80 * MS), st.integers(1, 80 * MS)), max_size=6)
probes = st.lists(st.tuples(st.integers(1, 60 * MS), st.integers(0, PERIOD), st.floats(0, 1)), min_size=3, max_size=60)


@given(lengths, probes)
def test_the_bounds_hold_the_truth(lengths: list[tuple[int, int]], probes: list[tuple[int, int, float]]) -> None:
    """Any outages, sending times and round trips of up to a period; the path passed anywhere within, in order."""
    borders = list(accumulate((length for pair in lengths for length in pair), initial=START))
    downs = list(pairwise(borders[1:]))[::2]
    sent = list(accumulate((gap for gap, _, _ in probes), initial=START - 1))
    fold = folded([answered(-20)])
    passed_ns = 0
    for sent_ns, (_, took_ns, where) in zip(sent, probes, strict=False):
        passed_ns = max(passed_ns, sent_ns + int(took_ns * where))
        down = any(start <= passed_ns < end for start, end in downs)
        fold.add(Sample(sent_ns, sent_ns, None if down else max(passed_ns, sent_ns + took_ns)))
    for outage in fold.outages():
        (start_low, start_high), end = outage.start_ns, outage.end_ns
        starts = [start for start, _ in downs if start_low <= start <= start_high]
        assert starts
        assert outage.low_ns <= outage.high_ns
        if end is not None:
            ends = [stop for _, stop in downs if end[0] <= stop <= end[1]]
            assert ends
            assert outage.low_ns <= max(ends) - min(starts)
            assert min(ends) - max(starts) <= outage.high_ns
    assert (fold.lost > 0) == bool(fold.outages())
