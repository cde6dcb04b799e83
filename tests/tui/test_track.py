# SPDX-License-Identifier: Apache-2.0
"""From samples to columns: every state, every zoom, any order of arrival."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.model.sample import Outcome, Reason, Sample
from csworkbench.model.sample_rows import SampleRows
from csworkbench.model.state import LaneState
from csworkbench.tui.glyphs import BLOCK
from csworkbench.tui.timeline.canvas import text_of
from csworkbench.tui.timeline.paint import lane_parts
from csworkbench.tui.timeline.track import LaneTrack

MS = 1_000_000
T0 = 50_000 * MS
OUTCOMES = {"o": Outcome.OK, "x": Outcome.FAIL, "?": Outcome.UNKNOWN}


def lane_state(outcomes: str) -> LaneState:
    """A lane at 100 ms: o ok, x fail, ? unknown, . nothing recorded."""
    lane = Lane(1, Service.EGRESS, Prober.ICMP, "vm01", "203.0.113.9", 100 * MS, 1000 * MS, flow="new", subject="vm01")
    state = LaneState(lane)
    for seq, letter in enumerate(outcomes):
        if letter in OUTCOMES:
            sent = T0 + seq * 100 * MS
            ok = letter == "o"
            state.samples.append(Sample(seq, sent, sent, sent + MS if ok else 0, OUTCOMES[letter], Reason.NONE, 0, 0))
    return state


def drawn(state: LaneState, step_ms: int, columns: int, start_ms: int = 0) -> str:
    """The lane's columns as text."""
    track = LaneTrack(state)
    track.take()
    return text_of(lane_parts(track.cells(T0 + start_ms * MS, step_ms * MS, columns), BLOCK))


@pytest.mark.parametrize(
    ("outcomes", "step_ms", "columns", "text"),
    [
        ("ooooo", 100, 7, "━━━━━  "),  # nothing is known of what is to come
        ("ooxxoo", 100, 6, "━━██━━"),
        ("ooxxoo", 50, 11, "━━━▒███▒━━━"),  # between the last ok and the first loss nobody knows
        ("ooooxxxxxxoooo", 200, 7, "━━███━━"),
        ("oooxxxxxxooooo", 200, 7, "━▒██▒━━"),  # a column with one turn in it is an edge
        ("oxoxoxoxoxoo", 400, 3, "▚▚▚"),
        ("oooo????oooo", 200, 6, "━━??━━"),
        ("oooo........oooooooooooooooooooooooooo", 200, 8, "━━╌╌╌╌━━"),  # no sample for too long, long ago
        ("oooo........oooo", 200, 8, "━━    ━━"),  # their verdicts may still fall
        ("oooo......oooooooooooooooooooooooooooo", 500, 5, "━╌━━━"),  # most of a column, long ago
        ("xxxx", 100, 5, "████ "),
        ("ooooxxxx", 1000, 2, "▒ "),
        ("", 100, 3, "   "),
    ],
)
def test_columns(outcomes: str, step_ms: int, columns: int, text: str) -> None:
    assert drawn(lane_state(outcomes), step_ms, columns) == text


def test_a_window_that_starts_before_or_after() -> None:
    state = lane_state("oooxxx")
    assert drawn(state, 100, 8, -200) == "  ━━━███"
    assert drawn(state, 100, 4, 300) == "███ "
    assert drawn(state, 100, 4, 5000) == "    "


@given(st.text("ox?.", min_size=1, max_size=80), st.sampled_from([50, 100, 500, 2000]), st.randoms())
def test_order_of_arrival_does_not_matter(outcomes: str, step_ms: int, rng: random.Random) -> None:
    state, shuffled = lane_state(outcomes), lane_state(outcomes)
    samples = list(shuffled.samples)
    rng.shuffle(samples)
    shuffled.samples = SampleRows(samples)
    assert drawn(shuffled, step_ms, 40) == drawn(state, step_ms, 40)


@given(st.text("ox?.", min_size=1, max_size=80), st.integers(0, 80))
def test_folding_in_pieces_is_folding_at_once(outcomes: str, cut: int) -> None:
    whole, piecewise = lane_state(outcomes), lane_state(outcomes)
    samples = list(piecewise.samples)
    piecewise.samples = SampleRows(samples[:cut])
    track = LaneTrack(piecewise)
    track.take()
    piecewise.samples.extend(samples[cut:])
    track.take()
    assert text_of(lane_parts(track.cells(T0, 100 * MS, 90), BLOCK)) == drawn(whole, 100, 90)


def test_absurd_sample_numbers_are_ignored() -> None:
    state = lane_state("ooo")
    state.samples.append(state.samples[0]._replace(seq=10**12))
    state.samples.append(state.samples[0]._replace(seq=-1))
    assert drawn(state, 100, 4) == "━━━ "
