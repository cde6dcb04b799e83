# SPDX-License-Identifier: GPL-2.0-only
"""ICMP echo. `new` flow: an id of its own per sample, as a new connection; `same`: one id per lane, as ping does."""

from __future__ import annotations

import os
import socket
import struct

from .batch import open_batch
from .clock import SO_TIMESTAMPNS
from .codes import FAIL, FLAG_VALUE, KIND_SAMPLE, NONE, OK, REFUSED, UNREACHABLE
from .errors import StartError
from .filters import attach, echo_filter, receive_room
from .inbox import Inbox
from .packets import address_number, echo_request
from .table import Answer

# New flows never use an id of a same-flow lane: they would share its connection-tracking entry.
NEW_IDS = 0xFF00
# One after the other, new flows would make long rows of ids that are in use (30 s each in a router). NAT that finds an
# id taken by another vantage tries 128 in a row from a random one on, then fewer, and drops the packet at last.
ID_STRIDE = 40343  # next to the golden section of NEW_IDS, and prime to it: any so many in a row lie apart
ID_STRIDE_BACK = 9767  # ID_STRIDE * ID_STRIDE_BACK % NEW_IDS is 1
SAME_IDS = range(0xFF00, 0x10000)
MARK = struct.Struct("!8sHHI")  # token, lane, 0, seq: at the start of the payload
MARK_AT = 8
SEQ_AT = MARK_AT + 12
# Of an echo reply behind an IP header without options: source, type, token, lane, seq.
_reply = struct.Struct("!12xI4xB7x8sH2xI").unpack_from
PLAIN_HEADER, REPLY_BYTES = 0x45, 20 + MARK_AT + MARK.size
_patch_head = struct.Struct("!HHH").pack_into  # checksum, id, seq
_patch_seq = struct.Struct("!I").pack_into


class _Flow:
    __slots__ = ("address", "base_id", "base_sum", "buffer", "last_seq", "new", "target")


class IcmpProber:
    """All ICMP lanes of the process on one raw socket."""

    def __init__(self, lanes, env):
        self._token = env.token
        self._first = random_16()
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMP)
        except PermissionError:
            raise StartError("permission", "raw sockets are refused: CAP_NET_RAW (root) is needed") from None
        sock.setblocking(False)
        attach(sock, echo_filter(int.from_bytes(env.token[:4], "big")))
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        receive_room(sock)
        self._sock = sock
        self._sendto = sock.sendto
        self._batch = open_batch(sock)
        self._inbox = None if self._batch else Inbox(sock)
        self.drained = True
        self._flows = {lane.lane: self._flow(lane, place) for place, lane in enumerate(lanes)}

    def _flow(self, lane, place):
        flow = _Flow()
        flow.target = address_number(lane.target)
        flow.address = (lane.target, 0)
        flow.new = lane.flow == "new"
        flow.base_id = random_16() % NEW_IDS if flow.new else SAME_IDS[(place + self._first) % len(SAME_IDS)]
        flow.buffer, flow.base_sum = echo_request(MARK.pack(self._token, lane.lane, 0, 0))
        flow.last_seq = 0
        return flow

    def send(self, lane, seq, sent_ns):
        flow = self._flows[lane]
        flow.last_seq = seq
        if flow.new:
            ident, echo_seq = (flow.base_id + seq * ID_STRIDE) % NEW_IDS, 1
        else:
            ident, echo_seq = flow.base_id, seq & 0xFFFF
        # One's complement: the sum's negative, modulo 0xFFFF.
        checksum = -(flow.base_sum + ident + echo_seq + (seq >> 16) + (seq & 0xFFFF)) % 0xFFFF
        _patch_head(flow.buffer, 2, checksum, ident, echo_seq)
        _patch_seq(flow.buffer, SEQ_AT, seq)
        try:
            self._sendto(flow.buffer, flow.address)
        except OSError as error:
            return error.errno
        return None

    def fileno(self):
        return -1

    def read(self, limit):
        answers = []
        token, flows, answer = self._token, self._flows, self._answer
        for data, received_ns, kernel in self._packets(limit):
            if len(data) >= REPLY_BYTES and data[0] == PLAIN_HEADER and data[20] == 0:
                sender, _type, marked, lane, seq = _reply(data)
                if marked == token and lane in flows:
                    flags = kernel | FLAG_VALUE
                    answers.append((KIND_SAMPLE, lane, seq, received_ns, OK, NONE, 0, sender, flags))
                continue
            found = answer(data, received_ns, kernel | FLAG_VALUE)
            if found:
                answers.append(found)
        return answers

    def _packets(self, limit):
        """[(packet from its IP header on, received_ns, FLAG_KERNEL_STAMP or 0)]"""
        source = self._batch
        if source:
            packets = source.read()
        else:
            source = self._inbox
            packets = [(data, received_ns, kernel) for data, _who, received_ns, kernel, _said in source.read(limit)]
        self.drained = source.drained
        return packets

    def _answer(self, data, received_ns, flags):
        at = (data[0] & 15) * 4 if data else 0
        if at < 20 or len(data) < at + 8:
            return None
        sender = int.from_bytes(data[12:16], "big")
        if data[at] == 0:
            if len(data) < at + MARK_AT + MARK.size:
                return None
            token, lane, _zero, seq = MARK.unpack_from(data, at + MARK_AT)
            if token != self._token or lane not in self._flows:
                return None
            return Answer(KIND_SAMPLE, lane, seq, received_ns, OK, NONE, 0, sender, flags)
        code = data[at + 1]
        found = self._quoted(data[at + 8 :])
        if found is None or (
            data[at] == 3 and code == 4
        ):  # "fragmentation needed" is no verdict on an echo of 84 bytes
            return None
        refused = data[at] == 3 and code == 3
        reason = REFUSED if refused else UNREACHABLE
        return Answer(
            KIND_SAMPLE,
            found[0],
            found[1],
            received_ns,
            FAIL,
            reason,
            data[at] * 256 + code,
            sender,
            flags,
        )

    def _quoted(self, packet):
        """(lane, seq) of the echo request that an error quotes: by the token, or by id and seq in a short quote."""
        at = (packet[0] & 15) * 4 if packet else 0
        if at < 20 or len(packet) < at + 8 or packet[at] != 8:
            return None
        if len(packet) >= at + MARK_AT + MARK.size:
            token, lane, _zero, seq = MARK.unpack_from(packet, at + MARK_AT)
            return (lane, seq) if token == self._token and lane in self._flows else None
        ident, echo_seq = struct.unpack_from("!HH", packet, at + 4)
        target = int.from_bytes(packet[16:20], "big")
        for lane, flow in self._flows.items():
            if flow.target != target:
                continue
            if flow.new and echo_seq == 1 and ident < NEW_IDS:
                back = (ident - flow.base_id) * ID_STRIDE_BACK % NEW_IDS
                return lane, _near(flow.last_seq, back, NEW_IDS)
            if not flow.new and ident == flow.base_id:
                return lane, _near(flow.last_seq, echo_seq, 0x10000)
        return None

    def expired(self, lane, seq):
        pass

    def close(self):
        self._sock.close()


def random_16():
    return int.from_bytes(os.urandom(2), "big")


def _near(last, low, modulus):
    """The greatest number up to last that leaves this remainder."""
    return max(0, last - (last - low) % modulus)


def open_prober(lanes, env):
    """On a raw socket; where that is refused, on datagram ICMP sockets."""
    try:
        return IcmpProber(lanes, env)
    except StartError as error:
        if error.code != "permission":
            raise
    from . import icmp_dgram

    return icmp_dgram.open_prober(lanes, env)
