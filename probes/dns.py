# SPDX-License-Identifier: GPL-2.0-only
"""One DNS question per sample, never repeated, from a fresh port with a random id. Any right answer has an address."""

from __future__ import annotations

import os
import struct
import zlib

from .codes import FAIL, FLAG_VALUE, NONE, OK, WRONG
from .datagrams import Datagrams

HEAD = struct.Struct("!6H")
TYPES = {"A": (1, 4), "AAAA": (28, 16)}
INTERNET = 1
RECURSION_DESIRED = 0x0100
RESPONSE = 0x8000
MAX_RECORDS = 256
MAX_LABELS = 128


class DnsProber(Datagrams):
    def __init__(self, lanes, env):
        super().__init__(lanes, env)
        self._questions = {lane.lane: question(lane.options) for lane in lanes}
        self._sizes = {lane.lane: TYPES[lane.options["type"]] for lane in lanes}
        self._expected = {lane.lane: lane.options["expect"] for lane in lanes}

    def question(self, lane, seq):
        ident = int.from_bytes(os.urandom(2), "big")
        return HEAD.pack(ident, RECURSION_DESIRED, 1, 0, 0, 0) + self._questions[lane], ident

    def judge(self, flow, data, sender):
        return judge(data, flow.asked, self._questions[flow.lane], self._sizes[flow.lane], self._expected[flow.lane])


def question(options):
    return options["name"] + struct.pack("!2H", TYPES[options["type"]][0], INTERNET)


def judge(data, ident, asked, wanted, expected):
    """The verdict on a datagram; None when it is no answer to this question: somebody else's, or a guess."""
    if len(data) < HEAD.size + len(asked):
        return None
    got_ident, flags, questions, answers, _authority, _more = HEAD.unpack_from(data)
    after = HEAD.size + len(asked)
    if got_ident != ident or not flags & RESPONSE or questions != 1 or data[HEAD.size : after].lower() != asked.lower():
        return None
    rcode = flags & 15
    found = None if rcode else addresses(data, after, answers, wanted)
    if not found:
        return (FAIL, WRONG, rcode, 0, 0)
    value = zlib.crc32(b"".join(found))
    if expected is not None and found != expected:
        return (FAIL, WRONG, rcode, value, FLAG_VALUE)
    return (OK, NONE, 0, value, FLAG_VALUE)


def addresses(data, at, count, wanted):
    """The packed addresses of the answer section, sorted; None when it cannot be read."""
    kind, size = wanted
    found = set()
    for _ in range(min(count, MAX_RECORDS)):
        at = past_name(data, at)
        if at is None or at + 10 > len(data):
            return None
        record_kind, record_class, _ttl, length = struct.unpack_from("!HHIH", data, at)
        at += 10
        if at + length > len(data):
            return None
        if (record_kind, record_class, length) == (kind, INTERNET, size):
            found.add(data[at : at + length])
        at += length
    return sorted(found)


def past_name(data, at):
    """Where a name ends; None when it does not. A pointer ends it: nothing is followed, so nothing can loop."""
    for _ in range(MAX_LABELS):
        if at >= len(data):
            return None
        length = data[at]
        if length >= 0xC0:
            return at + 2
        if length > 63:
            return None
        at += 1 + length
        if not length:
            return at
    return None


def open_prober(lanes, env):
    return DnsProber(lanes, env)
