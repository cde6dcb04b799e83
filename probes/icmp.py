# SPDX-License-Identifier: GPL-2.0-only
"""ICMP echo. `new` flow: an id of its own per sample, as a new connection; `same`: one id per lane, as ping does."""

from __future__ import annotations

import socket
import struct

from . import burst
from .batch import DATA_BYTES, open_batch
from .clock import SO_TIMESTAMPNS
from .codes import FAIL, FLAG_VALUE, KIND_SAMPLE, NONE, OK, REFUSED, UNREACHABLE
from .echo import (
    ID_STRIDE,
    ID_STRIDE_BACK,
    MARK,
    MARK_AT,
    NEW_IDS,
    SAME_IDS,
    SEQ_AT,
    EchoBurst,
    Flow,
    patch_head,
    patch_seq,
    random_16,
)
from .errors import StartError
from .filters import attach, echo_filter, receive_room
from .inbox import Inbox
from .packets import ECHO_BYTES, address_number, echo_request
from .table import Answer

# Of an echo reply behind an IP header without options: version and length, source, type, token, lane, seq.
_REPLY = "!B11xI4xB7x8sH2xI"
_PLAIN = struct.Struct("%s%dx" % (_REPLY, DATA_BYTES - struct.calcsize(_REPLY)))
PLAIN_HEADER, PLAIN_BYTES = 0x45, 20 + MARK_AT + ECHO_BYTES


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
        self._batch = open_batch(sock, PLAIN_BYTES)
        self._inbox = None if self._batch else Inbox(sock)
        self._open_burst = burst.open_bursts(sock)
        self.drained = True
        self.plain = []
        self._flows = {lane.lane: self._flow(lane, place) for place, lane in enumerate(lanes)}
        self._targets = {lane: flow.target for lane, flow in self._flows.items()}

    def _flow(self, lane, place):
        flow = Flow()
        flow.target = address_number(lane.target)
        flow.address = (lane.target, 0)
        flow.new = lane.flow == "new"
        flow.base_id = random_16() % NEW_IDS if flow.new else SAME_IDS[(place + self._first) % len(SAME_IDS)]
        flow.buffer, flow.base_sum = echo_request(MARK.pack(self._token, lane.lane, 0, 0))
        flow.newest = [0]
        return flow

    def send(self, lane, seq, sent_ns):
        flow = self._flows[lane]
        flow.newest[0] = seq
        if flow.new:
            ident, echo_seq = (flow.base_id + seq * ID_STRIDE) % NEW_IDS, 1
        else:
            ident, echo_seq = flow.base_id, seq & 0xFFFF
        # One's complement: the sum's negative, modulo 0xFFFF.
        checksum = -(flow.base_sum + ident + echo_seq + (seq >> 16) + (seq & 0xFFFF)) % 0xFFFF
        patch_head(flow.buffer, 2, checksum, ident, echo_seq)
        patch_seq(flow.buffer, SEQ_AT, seq)
        try:
            self._sendto(flow.buffer, flow.address)
        except OSError as error:
            return error.errno
        return None

    def fileno(self):
        return -1

    def bursts(self, lanes):
        """[(lanes, send(seq, sent_ns) of all of them)] of lanes that are due together; [] where that does not work."""
        if self._open_burst is None:
            return []
        rounds = {}  # (new, number): {lane: flow}, in each only one new flow to the same address
        seen = {}
        for lane in lanes:
            flow, number = self._flows[lane], 0
            if flow.new:
                number = seen.get(flow.target, 0)
                seen[flow.target] = number + 1
            rounds.setdefault((flow.new, number), {})[lane] = flow
        made = []
        for members in rounds.values():
            numbers = list(members)
            for at in range(0, len(numbers), burst.MOST):
                part = numbers[at : at + burst.MOST]
                flows = [members[lane] for lane in part]
                made.append((part, EchoBurst(self._open_burst, part, flows).send))
        return made

    def read(self, limit):
        self.plain = []
        source = self._batch
        if source:
            source.fetch()
            packets = [] if self._all_plain(source) else source.packets()
            source.settle()
        else:
            source = self._inbox
            packets = [(data, received_ns, kernel) for data, _who, received_ns, kernel, _said in source.read(limit)]
        self.drained = source.drained
        answers = []
        for data, received_ns, kernel in packets:
            found = self._answer(data, received_ns, kernel | FLAG_VALUE)
            if found:
                answers.append(found)
        return answers

    def _all_plain(self, source):
        """Whether the batch is nothing but echo replies to our lanes, from their targets: `plain` has them then."""
        rows = source.rows(_PLAIN)
        if rows is None:
            return False
        plain, token, targets = [], self._token, self._targets
        add = plain.append
        offset, floor_ns, latest_ns = source.window()
        for (seconds, nanoseconds), (header, sender, kind, marked, lane, seq) in rows:
            received_ns = seconds * 1_000_000_000 + nanoseconds - offset
            if (
                kind
                or header != PLAIN_HEADER
                or marked != token
                or targets.get(lane) != sender
                or not floor_ns <= received_ns <= latest_ns
            ):
                return False
            add((lane, seq, received_ns))
        self.plain = plain
        return True

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
                return lane, _near(flow.newest[0], back, NEW_IDS)
            if not flow.new and ident == flow.base_id:
                return lane, _near(flow.newest[0], echo_seq, 0x10000)
        return None

    def expired(self, lane, seq):
        pass

    def close(self):
        self._sock.close()


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
