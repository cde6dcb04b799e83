# SPDX-License-Identifier: Apache-2.0
"""S1: what an outage is. S6: what is none."""

from hypothesis import given, settings
from hypothesis import strategies as st

from csworkbench.model.sample import Outcome, Reason, Sample
from tests.measurement.ground_truth import MS, T0, S, Truth, baseline, fold, probe, shape

OUTCOMES = st.lists(st.sampled_from("oofu"), min_size=1, max_size=60)


def told(letters: str, interval: int = 100 * MS) -> list[Sample]:
    """One sample per letter: ok, fail, unknown."""
    samples = []
    for seq, letter in enumerate(letters):
        at = T0 + seq * interval
        outcome = {"o": Outcome.OK, "f": Outcome.FAIL, "u": Outcome.UNKNOWN}[letter]
        reason = {"o": Reason.NONE, "f": Reason.TIMEOUT, "u": Reason.SELF_ERROR}[letter]
        samples.append(Sample(seq, at, at, at + MS if letter == "o" else 0, outcome, reason, 0, 0))
    return samples


def runs(letters: str) -> list[tuple[int, int, int]]:
    """Brute force: (first, last, lost) of each run of fails once unknown samples are struck out."""
    found: list[tuple[int, int, int]] = []
    down = False
    for i, letter in enumerate(letters):
        if letter == "f":
            found = [*found[:-1], (found[-1][0], i, found[-1][2] + 1)] if down else [*found, (i, i, 1)]
            down = True
        elif letter == "o":
            down = False
    return found


@given(OUTCOMES)
@settings(max_examples=150)
def test_s1_an_outage_is_a_maximal_run_of_fails_and_unknown_never_starts_or_ends_one(letters: list[str]) -> None:
    folded = fold(told("".join(letters)))
    at = [T0 + i * 100 * MS for i in range(len(letters))]
    assert [(s.first_fail_ns, s.last_fail_ns, s.lost) for s in folded.stretches] == [
        (at[first], at[last], lost) for first, last, lost in runs("".join(letters))
    ]
    for stretch in folded.stretches:
        assert stretch.last_ok_ns == 0 or letters[at.index(stretch.last_ok_ns)] == "o"
        assert stretch.first_ok_ns == 0 or letters[at.index(stretch.first_ok_ns)] == "o"
    assert folded.counts == {k: v for k, v in zip(Outcome, map(letters.count, "ofu"), strict=True) if v}


@given(OUTCOMES)
@settings(max_examples=80)
def test_s1_striking_out_unknown_samples_changes_no_outage(letters: list[str]) -> None:
    samples = told("".join(letters))
    known = [s for s in samples if s.outcome is not Outcome.UNKNOWN]
    assert shape(fold(samples))[0] == shape(fold(known))[0]


def test_s1_a_blip_is_an_outage_of_fewer_than_two_samples() -> None:
    assert [(s.blip, s.lost) for s in fold(told("oofoffo")).stretches] == [(True, 1), (False, 2)]


def test_s1_an_outage_without_an_ok_on_one_side_is_open() -> None:
    assert [s.open for s in fold(told("ffooff")).stretches] == [True, True]
    assert [s.open for s in fold(told("offo")).stretches] == [False]


def test_s1_the_commonest_reason_names_the_outage() -> None:
    samples = [s._replace(reason=Reason.REFUSED) if 2 <= s.seq < 5 else s for s in told("offffo")]
    assert fold(samples).stretches[0].reason is Reason.REFUSED


def test_s6_a_stopped_prober_is_blind_and_no_outage() -> None:
    stop = (T0 + 3 * S + 33 * MS, T0 + 7 * S + 12 * MS)
    folded = fold(probe(Truth(stopped=(stop,)), 120))
    assert folded.stretches == []
    ((start, end),) = folded.blind
    assert stop[0] - 200 * MS <= start <= stop[0]
    assert stop[1] - 200 * MS <= end <= stop[1] + 100 * MS


def test_s6_a_prober_stopped_in_an_outage_neither_ends_nor_splits_it() -> None:
    truth = Truth(downs=((T0 + 3 * S, T0 + 9 * S),), stopped=((T0 + 5 * S, T0 + 7 * S),))
    (stretch,) = fold(probe(truth, 150)).stretches
    assert stretch.first_ok_ns - stretch.last_ok_ns >= 6 * S
    assert not stretch.open


def test_s6_verdicts_that_were_due_while_the_prober_stood_still_count_in_their_place() -> None:
    # In flight when it stopped: their verdicts are written after the samples that were never sent.
    truth = Truth(downs=((T0 + 4 * S, T0 + 4 * S + 900 * MS),), stopped=((T0 + 5 * S, T0 + 60 * S),))
    samples = probe(truth, 700)
    one_by_one = fold([])
    for sample in samples:
        one_by_one.feed([sample])
    one_by_one.finish()
    assert shape(one_by_one) == shape(fold(sorted(samples)))
    (stretch,) = one_by_one.stretches
    assert stretch.last_fail_ns - stretch.first_fail_ns < S


def test_a_lane_without_samples_for_a_while_is_blind_then() -> None:
    folded = fold([s for s in told("o" * 60) if not 20 <= s.seq < 40])
    assert folded.blind == [(T0 + 19 * 100 * MS, T0 + 40 * 100 * MS)]


def test_samples_that_waited_in_a_queue_leave_no_blind_stretch() -> None:
    truth = Truth(downs=((T0 + 3 * S, T0 + 6 * S),), queue=700 * MS)
    folded = fold(probe(truth, 120), base=baseline(Truth()))
    assert folded.blind == []
