# SPDX-License-Identifier: GPL-2.0-only
"""A UDP flow of its own per sample: a fresh source port, kernel stamps, and the ICMP errors that come back to it.

The socket stays open after its sample's verdict, so that a late answer is still heard.
"""

from __future__ import annotations

import select
import socket
import struct
from collections import deque
from time import monotonic_ns

from .clock import SO_TIMESTAMPNS, Stamps
from .codes import FAIL, FLAG_VALUE, KIND_SAMPLE, REFUSED, UNREACHABLE
from .keys import family_of
from .ports import raise_file_limit
from .table import Answer

IP_RECVERR = 11
IPV6_RECVERR = 25
SPACE = 512
DATAGRAM_BYTES = 4096
MAX_FLOWS = 4096
SPARE_FILES = 128
READS = 8  # of one socket in one go: nobody may keep us from sending
ICMP, ICMP6 = 2, 3  # where an error comes from: sock_extended_err's ee_origin
_extended = struct.Struct("@IBBBBII")
_unreachable_v4, _time_exceeded_v4, _port_v4, _too_big_v4 = 3, 11, 3, 4
_unreachable_v6, _time_exceeded_v6, _port_v6 = 1, 3, 4


class Flow:
    __slots__ = ("asked", "lane", "seq", "sock")


class Target:
    __slots__ = ("address", "family", "hold_ns", "lane", "number")


class Datagrams:
    """Base of the probers that ask over UDP. `asked` is what the prober keeps of its question."""

    def __init__(self, lanes, env):
        self._targets = {lane.lane: _target(lane, env) for lane in lanes}
        self._poll = select.epoll()
        self._flows = {}
        self._due = deque()
        self._stamps = Stamps()
        self._most = max(16, min(MAX_FLOWS, raise_file_limit() - SPARE_FILES))
        self.drained = True

    def question(self, lane, seq):
        """(datagram, what to keep of it)."""
        raise NotImplementedError

    def judge(self, flow, data, sender):
        """The verdict (outcome, reason, detail, value, flags) on a datagram, None when it answers something else."""
        raise NotImplementedError

    def refused(self, flow, detail, value, by_target):
        """The verdict on an ICMP port unreachable, sent by the target itself or by somebody before it."""
        return (FAIL, REFUSED, detail, value, FLAG_VALUE)

    def send(self, lane, seq, sent_ns):
        target = self._targets[lane]
        self._release(sent_ns)
        try:
            sock = socket.socket(target.family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        except OSError as error:
            return error.errno
        flow = Flow()
        flow.lane, flow.seq, flow.sock = lane, seq, sock
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            if target.family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
            sock.connect(target.address)
            data, flow.asked = self.question(lane, seq)
            self._poll.register(sock.fileno(), select.EPOLLIN)
            sock.send(data)
        except OSError as error:
            sock.close()
            return error.errno
        self._flows[sock.fileno()] = flow
        self._due.append((sent_ns + target.hold_ns, flow))
        return None

    def _release(self, now_ns):
        """Close what nobody waits for any more, and the oldest when there are too many."""
        while self._due and (self._due[0][0] <= now_ns or len(self._flows) >= self._most):
            self._close(self._due.popleft()[1])

    def _close(self, flow):
        if flow.sock.fileno() >= 0:
            del self._flows[flow.sock.fileno()]
            flow.sock.close()

    def fileno(self):
        return -1

    def read(self, limit):
        answers = []
        self._stamps.begin()
        ready = self._poll.poll(0, limit)
        self.drained = len(ready) < limit
        for descriptor, events in ready:
            flow = self._flows.get(descriptor)
            if flow is not None:
                self._hear(flow, events, answers)
        if self.drained:
            self._stamps.drained()
        self._release(monotonic_ns())
        return answers

    def _hear(self, flow, events, answers):
        for _ in range(READS):
            try:
                if events & select.EPOLLERR:
                    events = 0
                    verdict, received_ns, kernel = self._error(flow)
                else:
                    data, ancillary, _flags, sender = flow.sock.recvmsg(DATAGRAM_BYTES, SPACE)
                    received_ns, kernel = self._stamps.mono(ancillary)
                    verdict = self.judge(flow, data, _number(sender[0]))
            except BlockingIOError:
                return
            except OSError:
                continue  # the error itself is in the error queue
            if verdict is not None:
                outcome, reason, detail, value, flags = verdict
                answers.append(
                    Answer(
                        KIND_SAMPLE, flow.lane, flow.seq, received_ns, outcome, reason, detail, value, flags | kernel
                    )
                )
                self._close(flow)
                return
        self.drained = False

    def _error(self, flow):
        _data, ancillary, _flags, _peer = flow.sock.recvmsg(DATAGRAM_BYTES, SPACE, socket.MSG_ERRQUEUE)
        received_ns, kernel = self._stamps.mono(ancillary)
        for level, kind, data in ancillary:
            if (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
                return self._icmp(flow, data), received_ns, kernel
        return None, received_ns, kernel

    def _icmp(self, flow, data):
        said = offender(data)
        if said is None:
            return None
        origin, kind, code, by = said
        if origin == ICMP:
            refused = (kind, code) == (_unreachable_v4, _port_v4)
            lost = kind == _time_exceeded_v4 or (kind == _unreachable_v4 and code != _too_big_v4)
        else:
            refused = (kind, code) == (_unreachable_v6, _port_v6)
            lost = kind in (_unreachable_v6, _time_exceeded_v6)
        detail = kind * 256 + code
        if refused:
            return self.refused(flow, detail, by, by == self._targets[flow.lane].number)
        return (FAIL, UNREACHABLE, detail, by, FLAG_VALUE) if lost else None

    def expired(self, lane, seq):
        pass  # its socket stays: a late answer is worth knowing

    def close(self):
        for flow in list(self._flows.values()):
            self._close(flow)
        self._poll.close()


def offender(data):
    """(origin, type, code, who sent it) of an ICMP error in the error queue, None for anything else."""
    if len(data) < _extended.size:
        return None
    _errno, origin, kind, code, _pad, _info, _data = _extended.unpack_from(data)
    at = _extended.size + (4 if origin == ICMP else 8)  # past family and port, and IPv6's flow label
    size = 4 if origin == ICMP else 16
    if origin not in (ICMP, ICMP6) or len(data) < at + size:
        return None
    return origin, kind, code, int.from_bytes(data[at : at + size], "big") & 0xFFFFFFFFFFFFFFFF


def _target(lane, env):
    target = Target()
    target.lane = lane
    target.family = family_of(lane.target)
    target.address = (lane.target, lane.port)
    target.number = _number(lane.target)
    target.hold_ns = lane.tmax_ns + env.late_ns
    return target


def _number(text):
    """An address as the number that a record's value is: of IPv6 the low 64 bits."""
    text = text.partition("%")[0]
    return int.from_bytes(socket.inet_pton(family_of(text), text), "big") & 0xFFFFFFFFFFFFFFFF
