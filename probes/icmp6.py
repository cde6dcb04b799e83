# SPDX-License-Identifier: GPL-2.0-only
"""ICMPv6 echo; `new` and `same` flow as in icmp.py. The kernel makes the checksums."""

from __future__ import annotations

import socket
import struct

from .clock import SO_TIMESTAMPNS
from .codes import FAIL, FLAG_VALUE, KIND_SAMPLE, NONE, OK, REFUSED, UNREACHABLE
from .echo import ID_STRIDE, MARK, MARK_AT, NEW_IDS, SAME_IDS, SEQ_AT, random_16
from .errors import StartError
from .filters import attach, echo6_filter, receive_room
from .inbox import Inbox
from .packets import echo6_request
from .table import Answer

ICMP6_FILTER = 1
HEADER_BYTES = 40
NEXT_HEADER_AT = 6
REQUEST, REPLY = 128, 129
UNREACHABLE_TYPE, TIME_EXCEEDED = 1, 3
NO_PORT = 4
_patch_head = struct.Struct("!HH").pack_into  # id, seq
_patch_seq = struct.Struct("!I").pack_into


class _Flow:
    __slots__ = ("address", "base_id", "buffer", "new")


class Icmp6Prober:
    """All ICMPv6 lanes of the process on one raw socket."""

    def __init__(self, lanes, env):
        self._token = env.token
        first = random_16()
        self._sock = raw6((UNREACHABLE_TYPE, TIME_EXCEEDED, REPLY))
        attach(self._sock, echo6_filter(int.from_bytes(env.token[:4], "big")))
        self._inbox = Inbox(self._sock)
        self._flows = {lane.lane: self._flow(lane, place + first) for place, lane in enumerate(lanes)}

    @property
    def drained(self):
        return self._inbox.drained

    def _flow(self, lane, place):
        flow = _Flow()
        flow.address = (lane.target, 0, 0, scope(lane))
        flow.new = lane.flow == "new"
        flow.base_id = random_16() % NEW_IDS if flow.new else SAME_IDS[place % len(SAME_IDS)]
        flow.buffer = echo6_request(MARK.pack(self._token, lane.lane, 0, 0))
        return flow

    def send(self, lane, seq, sent_ns):
        flow = self._flows[lane]
        if flow.new:
            _patch_head(flow.buffer, 4, (flow.base_id + seq * ID_STRIDE) % NEW_IDS, 1)
        else:
            _patch_head(flow.buffer, 4, flow.base_id, seq & 0xFFFF)
        _patch_seq(flow.buffer, SEQ_AT, seq)
        try:
            self._sock.sendto(flow.buffer, flow.address)
        except OSError as error:
            return error.errno
        return None

    def fileno(self):
        return -1

    def read(self, limit):
        answers = []
        for data, sender, received_ns, kernel, _control in self._inbox.read(limit):
            verdict = judge(data, self._token)
            if verdict is not None and verdict[0] in self._flows:
                lane, seq, outcome, reason, detail = verdict
                answers.append(
                    Answer(
                        KIND_SAMPLE, lane, seq, received_ns, outcome, reason, detail, low_bits(sender[0]),
                        kernel | FLAG_VALUE,
                    )
                )  # fmt: skip
        return answers

    def expired(self, lane, seq):
        pass

    def close(self):
        self._sock.close()


def judge(data, token):
    """(lane, seq, outcome, reason, detail) of an ICMPv6 message, which has no IP header; None when it is not ours."""
    if not data:
        return None
    kind, at = data[0], 0
    if kind in (UNREACHABLE_TYPE, TIME_EXCEEDED):
        at = 8 + HEADER_BYTES
        if len(data) <= at or data[8 + NEXT_HEADER_AT] != socket.IPPROTO_ICMPV6 or data[at] != REQUEST:
            return None
    elif kind != REPLY:
        return None
    if len(data) < at + MARK_AT + MARK.size:
        return None
    got, lane, _zero, seq = MARK.unpack_from(data, at + MARK_AT)
    if got != token:
        return None
    if kind == REPLY:
        return lane, seq, OK, NONE, 0
    refused = (kind, data[1]) == (UNREACHABLE_TYPE, NO_PORT)
    return lane, seq, FAIL, REFUSED if refused else UNREACHABLE, kind * 256 + data[1]


def raw6(types):
    """A raw ICMPv6 socket that hears these types only."""
    try:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMPV6)
    except PermissionError:
        raise StartError("permission", "raw sockets are refused: CAP_NET_RAW (root) is needed") from None
    except OSError as error:
        raise StartError("interface", "no IPv6 here: %s" % error.strerror) from None
    sock.setblocking(False)
    blocked = [0xFFFFFFFF] * 8
    for kind in types:
        blocked[kind >> 5] &= ~(1 << (kind & 31))
    sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, struct.pack("@8I", *blocked))
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    receive_room(sock)
    return sock


def scope(lane):
    """The interface's number for a link-local target, else 0."""
    if lane.interface is None:
        return 0
    try:
        return socket.if_nametoindex(lane.interface)
    except OSError:
        raise StartError("interface", "interface %s: there is none" % lane.interface) from None


def low_bits(text):
    """The low 64 bits of an IPv6 address, as the number that a record's value is."""
    return int.from_bytes(socket.inet_pton(socket.AF_INET6, text.partition("%")[0])[8:], "big")


def open_prober(lanes, env):
    return Icmp6Prober(lanes, env)
