# SPDX-License-Identifier: Apache-2.0
"""Many packets with one call: the same packets and stamps as one by one, and none of it where that does not work."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from .net import Net, load

batch, inbox, clock = load("batch"), load("inbox"), load("clock")

Pair = tuple[socket.socket, socket.socket]

#: Sends an echo request to its own loopback; prints how many answers came from how many requests, and how they came.
ECHOES = """
import os, sys, time
from csw_probe import batch, plan, table
if sys.argv[1] == "without":
    batch.ctypes = None
row = {"lane": 7, "prober": "icmp", "flow": "new", "target": "127.0.0.1"}
row.update({"interval_ns": 10**8, "tmax_ns": 10**9, "offset_ns": 0})
lanes = plan.parse_plan({"version": 1, "run": "0" * 32, "duration_s": 1, "lanes": [row]}).lanes
prober = table.open_prober("icmp", lanes, table.Env(os.urandom(8), 10**10))
sent = {}
for seq in range(200):
    sent[seq] = time.monotonic_ns()
    assert prober.send(7, seq, sent[seq]) is None
answers, end = [], time.monotonic() + 5
while len(answers) < 200 and time.monotonic() < end:
    answers += prober.read(64)
    answers += [(1, lane, seq, received_ns, 0, 0, 0, 0x7F000001, 3) for lane, seq, received_ns in prober.plain]
assert not prober.read(64) and not prober.plain and prober.drained
assert sorted(answer[2] for answer in answers) == list(range(200))
for kind, lane, seq, received_ns, outcome, reason, detail, value, flags in answers:
    assert (kind, lane, outcome, reason, detail, value, flags) == (1, 7, 0, 0, 0, 0x7F000001, 3)
    assert -10**6 < received_ns - sent[seq] < 10**9
print(type(prober).__name__, prober._batch is not None)
"""


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with near, far:
        near.bind(("127.0.0.1", 0))
        near.setblocking(False)
        near.setsockopt(socket.SOL_SOCKET, clock.SO_TIMESTAMPNS, 1)
        far.connect(near.getsockname())
        yield near, far


def read_all(source: Any) -> list[Any]:
    """Until it is drained."""
    found: list[Any] = []
    while True:
        found += source.read() if isinstance(source, batch.Batch) else source.read(64)
        if source.drained:
            return found


def test_the_same_packets_as_one_by_one(pair: Pair) -> None:
    near, far = pair
    for source in (batch.open_batch(near), inbox.Inbox(near)):
        assert source is not None
        for lengths in (range(100), [0, 256, 257, 1400, 3], [], [5] * 64):
            before_ns = time.monotonic_ns()
            sent = [bytes([length % 251]) * length for length in lengths]
            for data in sent:
                far.send(data)
            found = read_all(source)
            cut = batch.DATA_BYTES if isinstance(source, batch.Batch) else 4096
            assert [packet[0] for packet in found] == [data[:cut] for data in sent]
            stamps = [packet[-2:] if cut == batch.DATA_BYTES else packet[2:4] for packet in found]
            assert all(kernel == 1 for _received_ns, kernel in stamps)
            placed = [received_ns for received_ns, _kernel in stamps]
            slack_ns = clock.SLACK_NS
            assert all(before_ns - slack_ns <= at_ns <= time.monotonic_ns() + slack_ns for at_ns in placed)


def test_a_packet_without_a_stamp_does_not_get_that_of_another(pair: Pair) -> None:
    near, far = pair
    source = batch.open_batch(near)
    far.send(b"1")
    assert [packet[2] for packet in read_all(source)] == [1]
    near.setsockopt(socket.SOL_SOCKET, clock.SO_TIMESTAMPNS, 0)
    far.send(b"2")
    assert [(data, kernel) for data, _at, kernel in read_all(source)] == [(b"2", 0)]
    near.setsockopt(socket.SOL_SOCKET, clock.SO_TIMESTAMPNS, 1)
    far.send(b"3")
    assert [(data, kernel) for data, _at, kernel in read_all(source)] == [(b"3", 1)]


def test_a_pending_error_hides_no_packet(pair: Pair) -> None:
    near, _far = pair
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        near.connect(gone.getsockname())
        again = gone.getsockname()
    source = batch.open_batch(near)
    near.send(b"to a port that is closed: refused")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
        back.bind(again)
        back.sendto(b"here", near.getsockname())
    assert [packet[0] for packet in read_all(source)] == [b"here"]


def test_where_it_does_not_work_there_is_none(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    near, _far = pair
    assert not batch.Batch(near, lambda *_: -1).works()
    monkeypatch.setattr(batch, "ctypes", None)
    assert batch.open_batch(near) is None


@pytest.mark.parametrize("how", ["with", "without"])
def test_the_prober_gets_its_echoes_either_way(net: Net, how: str) -> None:
    out, _ = net.start("near", sys.executable, "-c", ECHOES, how).communicate(timeout=30)
    assert out.split() == ["IcmpProber", str(how == "with")]
