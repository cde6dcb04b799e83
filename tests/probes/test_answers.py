# SPDX-License-Identifier: Apache-2.0
"""What comes from outside is read within bounds and raises nothing, whatever it is."""

from __future__ import annotations

import socket
import struct
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .net import load

banner, datagrams, dns, held, http, neighbour = map(load, ("banner", "datagrams", "dns", "held", "http", "neighbour"))
VERDICTS = {(0, 0), (1, 5), (1, 6)}
WANTED = http.Wanted(b"", 200, None)
ASKED = b"\2vm\1a\0" + struct.pack("!2H", 1, 1)
ENTRY = SimpleNamespace(family=socket.AF_INET, packed=b"\x0a\1\1\1", interface="eth0")
record = st.tuples(st.binary(max_size=20), st.integers(0, 65535), st.integers(0, 65535), st.binary(max_size=40))


def sound(verdict: Any) -> None:
    if verdict is not None:
        outcome, reason, detail, value, _flags = verdict
        assert (outcome, reason) in VERDICTS
        assert 0 <= detail <= 65535
        assert 0 <= value < 2**32


@given(st.binary(max_size=400))
def test_any_first_line(data: bytes) -> None:
    sound(banner.judge(data))


@given(st.binary(max_size=400), st.booleans())
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", True)
@example(b"HTTP/1.0 " + "²²²".encode() + b"\r\n\r\n", True)
@example(b"\r\n\r\n", False)
def test_any_web_answer(data: bytes, ended: bool) -> None:
    for said in (data, b"HTTP/1.1 200 " + data, b"HTTP/1.1 200 OK\r\nContent-Length:" + data):
        sound(http.judge(bytearray(said), ended, WANTED))
        if ended:
            assert http.judge(bytearray(said), ended, WANTED) is not None


@given(st.binary(max_size=300), st.lists(st.integers(1, 300), max_size=4))
def test_a_page_is_the_same_however_it_is_cut(body: bytes, cuts: list[int]) -> None:
    page = b"HTTP/1.1 200 OK\r\nX: y\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    verdicts = [http.judge(page[:cut], False, WANTED) for cut in sorted(cuts) if cut < len(page)]
    assert set(verdicts) <= {None}
    assert http.judge(page, False, WANTED) == (0, 0, 200, zlib.crc32(body), 2)


@given(st.binary(max_size=200), st.lists(record, max_size=6), st.integers(0, 65535), st.integers(0, 65535))
def test_any_name_answer(data: bytes, records: list[Any], code: int, count: int) -> None:
    sound(dns.judge(data, 7, ASKED, (1, 4), None))
    built = b"".join(n + struct.pack("!HHIH", kind, cls, 1, len(d)) + d for n, kind, cls, d in records)
    sound(dns.judge(struct.pack("!6H", 7, code, 1, count, 0, 0) + ASKED + built, 7, ASKED, (1, 4), None))


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("!6H", 8, 0x8180, 1, 1, 0, 0) + ASKED,  # another id
        struct.pack("!6H", 7, 0x0180, 1, 1, 0, 0) + ASKED,  # a question
        struct.pack("!6H", 7, 0x8180, 1, 1, 0, 0) + ASKED.replace(b"vm", b"wm"),  # another question
        struct.pack("!6H", 7, 0x8180, 1, 1, 0, 0) + ASKED[:-1],
    ],
)
def test_what_answers_another_question_is_no_answer(data: bytes) -> None:
    assert dns.judge(data, 7, ASKED, (1, 4), None) is None


def test_addresses_behind_an_alias_count_and_a_name_that_loops_ends() -> None:
    head = struct.pack("!6H", 7, 0x8180, 1, 2, 0, 0) + ASKED
    alias = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 1, 2) + b"\1b"
    address = b"\1b\0" + struct.pack("!HHIH", 1, 1, 1, 4) + b"\1\2\3\4"
    assert dns.judge(head + alias + address, 7, ASKED, (1, 4), None) == (0, 0, 0, zlib.crc32(b"\1\2\3\4"), 2)
    assert dns.judge(head + b"\1a" * 3000, 7, ASKED, (1, 4), None) == (1, 5, 0, 0, 0)
    assert dns.judge(head + b"\xc0\xff" * 40, 7, ASKED, (1, 4), None) == (1, 5, 0, 0, 0)


@given(st.binary(max_size=64))
def test_any_entry_of_the_error_queue(data: bytes) -> None:
    said = datagrams.offender(data)
    assert said is None or 0 <= said[3] < 2**64


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(0, 7), st.binary(max_size=30))
def test_tokens_come_back_whole_or_the_peer_is_no_echo(seqs: list[int], cut: int, noise: bytes) -> None:
    data = b"".join(held.TOKEN.pack(5, 3, seq) for seq in seqs)
    found, left = held.tokens(data[: max(len(data) - cut, 0)], 5, 3, 9)
    assert found == seqs[: len(found)]
    again, rest = held.tokens(left + data[max(len(data) - cut, 0) :], 5, 3, 9)
    assert (found + again, rest) == (seqs, b"")
    found, left = held.tokens(noise, 5, 3, 9)
    assert found is None or len(left) < held.TOKEN.size


@given(st.binary(max_size=200))
def test_any_netlink_answer(data: bytes) -> None:
    for body in (data, neighbour.HEAD.pack(16 + len(data), 28, 0, 9, 0) + data):
        found, number, _ended = neighbour.parse(body, 9, ENTRY, 2)
        assert found is None or len(found) == 2
        assert isinstance(number, int)


def test_an_entry_is_found_among_others_to_the_end_of_the_block() -> None:
    def entry(last: int) -> bytes:
        body: bytes = neighbour.NEIGHBOUR.pack(socket.AF_INET, 0, 0, 2, 4, 0, 1)
        body += (
            struct.pack("=HH", 8, 1) + bytes([10, 1, 1, last]) + struct.pack("=HH", 10, 2) + bytes([2] * 6) + bytes(2)
        )
        head: bytes = neighbour.HEAD.pack(16 + len(body), 28, 0, 9, 0)
        return head + body

    done = neighbour.HEAD.pack(20, 3, 0, 9, 0) + bytes(4)
    assert neighbour.parse(entry(7) + entry(1) + entry(8) + done, 9, ENTRY, 2) == ((bytes([2] * 6), 4), 0, True)
    assert neighbour.parse(entry(1) + done, 8, ENTRY, 2) == (None, 0, False)
