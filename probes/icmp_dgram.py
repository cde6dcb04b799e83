# SPDX-License-Identifier: GPL-2.0-only
"""ICMP echo without root: datagram ICMP sockets, which the kernel allows to the groups of net.ipv4.ping_group_range.

A socket has one ICMP id, so a new flow is a new socket, and the same flow is one socket. The kernel's own choice of ids
is one after the other: a new flow asks for its own, as in icmp.py. A socket stays open as long as a late answer is of
interest. ICMP errors come through the socket's error queue, in part (not all kernels tell "time exceeded" there).
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
from collections import deque
from time import monotonic_ns

from .clock import SO_TIMESTAMPNS, STAMP_SPACE, Stamps
from .codes import FAIL, FLAG_VALUE, KIND_SAMPLE, NONE, OK, REFUSED, UNREACHABLE
from .echo import ID_STRIDE, MARK, MARK_AT, NEW_IDS, SEQ_AT, random_16
from .errors import StartError
from .filters import receive_room
from .packets import address_number, echo_request
from .ports import raise_file_limit
from .table import Answer

IP_RECVERR = 11
MSG_ERRQUEUE = 0x2000
ERROR_SPACE = 512
ORIGIN_ICMP = 2
_extended_error = struct.Struct("=IBBBBII").unpack_from  # errno, origin, type, code, pad, info, data
EXTENDED_BYTES = 16
_patch_echo_seq = struct.Struct("!H").pack_into
_patch_seq = struct.Struct("!I").pack_into
SPARE_FILES = 64
PENDING_ERRORS = 4  # a send reports what the socket was told before: an answer to another sample, not this one's
# What the send itself may say is not taken for such an error.
OWN = (errno.ENOBUFS, errno.EPERM, errno.EACCES, errno.EAGAIN, errno.ENETUNREACH, errno.ENETDOWN)


class _Flow:
    __slots__ = ("address", "base_id", "buffer", "lane", "new", "sock")


class _Socket:
    """One socket; `sample` is None for a same flow, which serves all samples of its lane."""

    __slots__ = ("flow", "sample", "sock", "stamps")


class DgramIcmpProber:
    def __init__(self, lanes, env):
        self._token = env.token
        self._late_ns = env.late_ns
        self._poll = select.epoll()
        self._sockets = {}  # descriptor -> _Socket
        self._closing = deque()  # (when, descriptor, its _Socket), oldest first
        self._most = max(16, raise_file_limit() - SPARE_FILES)
        self.drained = True
        self._flows = {lane.lane: self._flow(lane) for lane in lanes}
        self._keep_ns = max(lane.tmax_ns for lane in lanes) + env.late_ns

    def _flow(self, lane):
        flow = _Flow()
        flow.lane = lane.lane
        flow.address = (lane.target, 0)
        flow.new = lane.flow == "new"
        flow.base_id = random_16()
        flow.buffer = echo_request(MARK.pack(self._token, lane.lane, 0, 0))[0]
        flow.sock = None
        opened = self._open(flow, None)
        if flow.new:  # it only showed that it is allowed
            self._close(opened.sock.fileno())
        else:
            flow.sock = opened.sock
        return flow

    def _open(self, flow, seq):
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMP)
        except PermissionError:
            raise StartError(
                "permission", "raw and datagram ICMP sockets are refused: root or net.ipv4.ping_group_range is needed"
            ) from None
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if not flow.new:
            receive_room(sock)
        opened = _Socket()
        opened.flow, opened.sample, opened.sock, opened.stamps = flow, seq, sock, Stamps()
        self._poll.register(sock.fileno(), select.EPOLLIN)
        self._sockets[sock.fileno()] = opened
        return opened

    def send(self, lane, seq, sent_ns):
        flow = self._flows[lane]
        self._release(sent_ns)
        try:
            if flow.new:
                opened = self._open(flow, seq)
                with contextlib.suppress(OSError):  # somebody has this one: the kernel finds another
                    opened.sock.bind(("", (flow.base_id + seq * ID_STRIDE) % NEW_IDS))
                self._closing.append((sent_ns + self._keep_ns, opened.sock.fileno(), opened))
                return self._fire(flow, opened.sock, seq, 1)
            return self._fire(flow, flow.sock, seq, seq & 0xFFFF)
        except StartError:
            return errno.EACCES  # ping_group_range was changed under us
        except OSError as error:
            return error.errno

    @staticmethod
    def _fire(flow, sock, seq, echo_seq):
        """The kernel fills in id and checksum. Returns None or the errno."""
        _patch_echo_seq(flow.buffer, 6, echo_seq)
        _patch_seq(flow.buffer, SEQ_AT, seq)
        for _ in range(PENDING_ERRORS):
            try:
                sock.sendto(flow.buffer, flow.address)
                return None
            except OSError as error:
                number = error.errno
                if flow.new or number in OWN:
                    return number
        return number

    def _release(self, now_ns):
        while self._closing and (self._closing[0][0] <= now_ns or len(self._sockets) >= self._most):
            _when, descriptor, opened = self._closing.popleft()
            if self._sockets.get(descriptor) is opened:
                self._close(descriptor)

    def _close(self, descriptor):
        opened = self._sockets.pop(descriptor)
        opened.sock.close()  # which also takes it out of the poll

    def fileno(self):
        return -1

    def read(self, limit):
        answers = []
        ready = self._poll.poll(0, limit)
        self.drained = len(ready) < limit
        for descriptor, events in ready:
            opened = self._sockets.get(descriptor)
            if opened is None:
                continue
            if events & select.EPOLLERR:
                self._errors(opened, answers)
                opened.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # cleared, or it would wake us for ever
            if events & select.EPOLLIN:
                self._replies(opened, limit, answers)
        self._release(monotonic_ns())
        return answers

    def _replies(self, opened, limit, answers):
        opened.stamps.begin()
        for _ in range(limit):
            try:
                data, ancillary, _flags, sender = opened.sock.recvmsg(2048, STAMP_SPACE)
            except BlockingIOError:
                opened.stamps.drained()
                return
            except OSError:
                continue  # an error that was pending: the error queue has it
            found = self._marked(data)
            if found is not None and data[0] == 0:
                received_ns, kernel = opened.stamps.mono(ancillary)
                value = address_number(sender[0])
                answers.append(
                    Answer(KIND_SAMPLE, found[0], found[1], received_ns, OK, NONE, 0, value, kernel | FLAG_VALUE)
                )
        self.drained = False  # there may be more in this one

    def _marked(self, data):
        """(lane, seq) of an ICMP message that carries our token, else None."""
        if len(data) < MARK_AT + MARK.size:
            return None
        token, lane, _zero, seq = MARK.unpack_from(data, MARK_AT)
        return (lane, seq) if token == self._token and lane in self._flows else None

    def _errors(self, opened, answers):
        for _ in range(64):
            try:
                data, ancillary, _flags, _sender = opened.sock.recvmsg(2048, ERROR_SPACE, MSG_ERRQUEUE)
            except OSError:
                return
            for level, kind, text in ancillary:
                if level == socket.IPPROTO_IP and kind == IP_RECVERR and len(text) >= EXTENDED_BYTES:
                    answer = self._error(opened, data, text)
                    if answer is not None:
                        answers.append(answer)

    def _error(self, opened, data, text):
        _number, origin, kind, code, _pad, _info, _data = _extended_error(text)
        found = self._marked(data) or (opened.sample is not None and (opened.flow.lane, opened.sample)) or None
        if origin != ORIGIN_ICMP or found is None or (kind, code) == (3, 4):
            return None  # "fragmentation needed" is no verdict on an echo of 84 bytes
        reason = REFUSED if (kind, code) == (3, 3) else UNREACHABLE
        value, flags = 0, 0
        if len(text) >= EXTENDED_BYTES + 8:
            value, flags = int.from_bytes(text[EXTENDED_BYTES + 4 : EXTENDED_BYTES + 8], "big"), FLAG_VALUE
        return Answer(KIND_SAMPLE, found[0], found[1], monotonic_ns(), FAIL, reason, kind * 256 + code, value, flags)

    def expired(self, lane, seq):
        pass  # a late answer is worth knowing: the socket stays until its time

    def close(self):
        for descriptor in list(self._sockets):
            self._close(descriptor)
        self._poll.close()


def open_prober(lanes, env):
    return DgramIcmpProber(lanes, env)
