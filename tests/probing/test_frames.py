# SPDX-License-Identifier: Apache-2.0
"""Frames of a tail, cut anywhere, and streams that are none."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.probing.frames import Data, Echo, Ended, Frame, FrameError, FrameParser, Heartbeat


def frame(kind: str, payload: bytes) -> bytes:
    return struct.pack("<BI", ord(kind), len(payload)) + payload


STREAM = (
    frame("D", struct.pack("<Q", 64) + b"abc")
    + frame("E", struct.pack("<QQQ", 7, 8, 9))
    + frame("H", struct.pack("<QB", 120, 1))
    + frame("X", b"no such spool")
)
FRAMES: list[Frame] = [Data(64, b"abc"), Echo(7, 8, 9), Heartbeat(120, True), Ended("no such spool")]


@given(st.lists(st.integers(0, len(STREAM))))
def test_any_cut_gives_the_same_frames(cuts: list[int]) -> None:
    parser = FrameParser()
    edges = sorted({0, *cuts, len(STREAM)})
    found = [f for a, b in itertools.pairwise(edges) for f in parser.feed(STREAM[a:b])]
    assert found == FRAMES


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waited_for_and_never_kept_without_bound(data: bytes) -> None:
    parser = FrameParser()
    try:
        list(parser.feed(data))
    except FrameError:
        return
    assert len(parser._buffer) <= len(data)


@pytest.mark.parametrize(
    "data", [frame("Q", b""), struct.pack("<BI", ord("D"), 1 << 30), frame("E", b"short"), frame("H", b"")]
)
def test_what_no_tail_sends_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        list(FrameParser().feed(data))
