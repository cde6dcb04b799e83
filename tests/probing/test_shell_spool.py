# SPDX-License-Identifier: Apache-2.0
"""The shell agent's text: what its lines mean, cut anywhere, and what a tenant may write there instead."""

import struct
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from csworkbench.measurement.clock import Alignment
from csworkbench.measurement.outage import Baseline, LaneFold, durations, edges
from csworkbench.model.event import Body, ClockEcho, SamplesArrived
from csworkbench.model.sample import Outcome, Reason, Sample
from csworkbench.probing.frames import Data, Echo, FrameError, FrameParser, Heartbeat
from csworkbench.probing.shell_spool import STEP_NS, ShellSpoolReader, parse_header
from csworkbench.probing.shell_tail import BLOCK_BYTES, AnswerParser
from csworkbench.probing.spool import SpoolError

RUN = "5a" * 16
MS = 1_000_000
HEAD = f"csw-shell-spool 1 {RUN} 77 1000 1795206657\n"
LINES = (
    "s 3 0 1000 1000 1001 0 -\n"
    "s 3 2 1040 1040 1041 2 unreachable\n"
    "s 3 1 1020 1021 1122 1 -\n"
    "s 3 3 1060 1060 1060 2 self\n"
    "s 3 4 1080 1080 1080 127 -\n"
    "m 3 5 2 1100\n"
    "s 3 7 1140 1151 1152 0 -\n"  # 110 ms after it was due: more than half of 200 ms
    "s 3 8 1160 1160 1290 1 -\n"  # its ping ended after 1.3 s: nobody listened in time
    "e 1 9\n"
)


def reader() -> ShellSpoolReader:
    return ShellSpoolReader("vm01", {3: 200 * MS}, RUN, 1000 * MS)


def samples(bodies: list[Body]) -> list[Sample]:
    return [sample for body in bodies if isinstance(body, SamplesArrived) for sample in body.samples]


def test_lines_mean() -> None:
    spool = reader()
    read = {s.seq: s for s in samples(spool.feed(0, (HEAD + LINES).encode()))}
    assert {seq: (s.outcome, s.reason) for seq, s in read.items()} == {
        0: (Outcome.OK, Reason.NONE),
        1: (Outcome.FAIL, Reason.TIMEOUT),
        2: (Outcome.FAIL, Reason.UNREACHABLE),
        3: (Outcome.UNKNOWN, Reason.SELF_ERROR),
        4: (Outcome.UNKNOWN, Reason.SELF_ERROR),
        5: (Outcome.UNKNOWN, Reason.SELF_LATE),
        6: (Outcome.UNKNOWN, Reason.SELF_LATE),
        7: (Outcome.UNKNOWN, Reason.SELF_LATE),
        8: (Outcome.UNKNOWN, Reason.SELF_LATE),
    }
    assert (read[0].intended_ns, read[0].sent_ns, read[0].received_ns) == (10000 * MS, 10000 * MS, 10010 * MS)
    assert (read[6].intended_ns, read[6].sent_ns) == (11200 * MS, 0)
    assert (spool.taken, spool.gaps, spool.strange, spool.ended) == (9, 0, 0, "asked to stop")


@given(st.lists(st.integers(0, len(HEAD + LINES)), max_size=6))
def test_it_does_not_matter_where_it_is_cut(cuts: list[int]) -> None:
    text = (HEAD + LINES).encode()
    spool, found = reader(), []
    edges_at = [0, *sorted(cuts), len(text)]
    for begin, end in pairwise(edges_at):
        found += samples(spool.feed(begin, text[begin:end]))
    assert found == samples(reader().feed(0, text))
    assert spool.offset == len(text)
    assert samples(spool.feed(0, text)) == []  # a new channel may say again what was read


def test_verdicts_that_never_came_are_missing() -> None:
    spool = reader()
    spool.feed(0, (HEAD + "s 3 0 1000 1000 1001 0 -\ne 0 4\n").encode())
    assert (spool.gaps, spool.ended) == (3, "time was up")
    assert spool.unread(spool.offset + 48) == 2


@pytest.mark.parametrize(
    "text",
    [
        "CSWSPOOL\n",
        HEAD.replace("5a", "5b"),
        HEAD.replace(" 77 ", " -7 "),
        HEAD.replace(" 1000 ", " 1e3 "),
        HEAD + "x" * 10_000,
        "\n",
    ],
)
def test_what_is_no_spool_of_ours_is_refused(text: str) -> None:
    with pytest.raises(SpoolError):
        reader().feed(0, text.encode())


@given(st.binary(max_size=400))
def test_nothing_that_a_tenant_writes_ends_us(data: bytes) -> None:
    spool = reader()
    spool.feed(0, HEAD.encode())
    try:
        found = samples(spool.feed(len(HEAD), data))
    except SpoolError:
        return
    assert all(0 <= value < 1 << 63 for sample in found for value in sample[:4])


@pytest.mark.parametrize(
    "line",
    [
        "s 4 0 1000 1000 1001 0 -", "s 3 0 1000 1000 1001 0", "s 3 0 1000 -1 1001 0 -", "m 3 0 99999999 1000",
        "m 3 0 1", "s 3 0 1000 99999999999999999999 1001 0 -", "e 1", "z 1 2", "s 3 0 1000 ١ 1001 0 -",
    ],
)  # fmt: skip
def test_strange_lines_are_counted_and_dropped(line: str) -> None:
    spool = reader()
    assert spool.feed(0, f"{HEAD}{line}\n".encode()) == []
    assert spool.strange == 1


def test_answers_become_frames() -> None:
    spool = HEAD.encode()
    said = b"D 0\n" + spool + b"\n.\nE 9 123456 1 0\nE 10 123457 0 75\nD %d\n\n.\n" % len(spool)
    for size in (1, 7, 4096):
        answers, parser, frames = AnswerParser(0), FrameParser(), []
        for at in range(0, len(said), size):
            for part in answers.feed(said[at : at + size]):
                frames += list(parser.feed(part))
        assert frames == [
            Data(0, spool),
            Echo(9, 123456 * STEP_NS, 0),
            Echo(10, 123457 * STEP_NS, 0),
            Heartbeat(75, False),
        ]
        assert answers.size == len(spool)


@pytest.mark.parametrize(
    "said", [b"hello\n", b"E 1 2\n", b"E -1 2 1 0\n", b"x" * 1000, b"D 0\n" + b"x" * (2 * BLOCK_BYTES)]
)
def test_what_is_no_answer_is_refused(said: bytes) -> None:
    with pytest.raises(FrameError):
        list(AnswerParser(0).feed(said))


def test_a_header_tells_when_it_began() -> None:
    header = parse_header(HEAD)
    assert (header.pid, header.start_ns, header.real_ns) == (77, 10_000 * MS, 1_795_206_657_000_000_000)


@example(1, 3811, [0] * 60, [0] * 60)  # goes on after the last sample
@given(
    st.integers(0, 199), st.integers(200, 4000), st.lists(st.integers(0, 25), min_size=60, max_size=60),
    st.lists(st.integers(0, 15), min_size=60, max_size=60),
)  # fmt: skip
@example(1, 3811, [0] * 60, [0] * 60)  # it outlasts the samples: nothing ends it
@example(1, 3799, [0] * 60, [15] * 60)  # the last sample ends it
def test_the_truth_is_within_the_bounds_whatever_its_clock_hides(
    phase_ms: int, down_ms: int, starts_ms: list[int], ends_ms: list[int]
) -> None:
    """Stamps cut to 10 ms, a process that takes a while to start and to end: the bounds must hold all the same."""
    cut_at = 8000 + phase_ms
    lines, slowest = [], 0
    for seq in range(60):
        due = 200 * seq
        leaves = due + starts_ms[seq]
        lost = cut_at <= leaves < cut_at + down_ms
        back = leaves + (1000 if lost else 1) + ends_ms[seq]
        slowest = max(slowest, 0 if lost else back - due)
        lines.append((back, f"s 3 {seq} {due // 10} {due // 10} {back // 10} {int(lost)} -\n"))
    spool = reader()
    read = samples(spool.feed(0, (HEAD + "".join(line for _, line in sorted(lines))).encode()))
    known = [s for s in read if s.outcome is not Outcome.UNKNOWN]
    trips = sorted(s.rtt_ns for s in known if s.outcome is Outcome.OK)
    baseline = Baseline(len(known), 0, trips[len(trips) // 2], trips[-1], trips[0])
    fold = LaneFold(200 * MS, 1000 * MS, baseline.p99_ns)
    fold.feed(known)
    fold.finish()
    assert len(fold.stretches) <= 1
    for stretch in fold.stretches:
        onset, end = edges(stretch, baseline, fold.last_evidence_ns, STEP_NS)
        _, low, high = durations(onset, end)
        assert onset[0] <= cut_at * MS <= onset[1]
        # Nobody can bound what goes on after the last sample: an open one is bounded by what has been seen of it.
        true_end = (cut_at + down_ms) * MS if stretch.first_ok_ns else min((cut_at + down_ms) * MS, end[1])
        assert low <= true_end - cut_at * MS <= high
        assert end[0] <= true_end <= end[1]


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 3 * MS)), min_size=1, max_size=20))
def test_a_clock_with_steps_is_bounded_by_them(echoes: list[tuple[int, int]]) -> None:
    truth = 5_000_000_123
    clock = Alignment()
    for at, trip in echoes:
        seen = (at - truth) // STEP_NS * STEP_NS  # their clock when the request is half way
        clock.add(ClockEcho("vm01", at - trip // 2, at + trip // 2, seen, 0, STEP_NS))
    low, high = clock.offset((echoes[-1][0] - truth) // STEP_NS * STEP_NS)
    assert low <= truth <= high


def test_a_frame_of_ours_is_what_the_python_tail_sends() -> None:
    (frame,) = [part for part in AnswerParser(0).feed(b"E 5 100 1 0\n") if part]
    assert frame == b"E" + struct.pack("<IQQQ", 24, 5, 100 * STEP_NS, 0)
