# SPDX-License-Identifier: GPL-2.0-only
"""The SSH banner: does the service answer, beyond the path?

Meant for 1 Hz at most: each costs sshd about 6.5 ms CPU, MaxStartups refuses many at once, and OpenSSH 9.8+ penalises
who connects and leaves, the workbench's own channel included when it comes from the same address. Faster probing makes
the outage that it reports.
"""

from __future__ import annotations

import errno
import select
import socket
import zlib
from time import monotonic_ns

from .codes import (
    CLOSED,
    FAIL,
    FLAG_VALUE,
    KIND_SAMPLE,
    NONE,
    OK,
    REFUSED,
    RESET,
    SELF_ERROR,
    TIMEOUT,
    UNKNOWN,
    UNREACHABLE,
    WRONG,
)
from .table import Answer

TCP_SYNCNT = 7
BANNER_BYTES = 255  # RFC 4253 section 4.2: the longest line
NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


class _Attempt:
    __slots__ = ("connected", "lane", "said", "seq", "sock")


class BannerProber:
    """Connects without blocking; stamps are taken as the process wakes, there are no kernel stamps on TCP streams."""

    def __init__(self, lanes):
        self._addresses = {lane.lane: (lane.target, lane.port) for lane in lanes}
        self._poll = select.epoll()
        self._attempts = {}
        self._descriptors = {}
        self.drained = True

    def send(self, lane, seq, sent_ns):
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        except OSError as error:
            return error.errno
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, TCP_SYNCNT, 1)  # only the first SYN counts: Tmax is below the second's 1 s
        attempt = _Attempt()
        attempt.lane, attempt.seq, attempt.sock = lane, seq, sock
        attempt.connected, attempt.said = False, b""
        number = sock.connect_ex(self._addresses[lane])
        if number in (0, errno.EINPROGRESS) or number in (errno.ECONNREFUSED, errno.ECONNRESET):
            # Refused at once (a target on this host) is an answer like one that comes later: epoll reports it.
            try:
                self._poll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
            except OSError as error:
                sock.close()
                return error.errno
            attempt.said = None if number in (errno.ECONNREFUSED, errno.ECONNRESET) else b""
            self._attempts[sock.fileno()] = attempt
            self._descriptors[lane, seq] = sock.fileno()
            return None
        sock.close()
        return number

    def fileno(self):
        return self._poll.fileno()

    def read(self, limit):
        answers = []
        for descriptor, _events in self._poll.poll(0, limit):
            attempt = self._attempts.get(descriptor)
            if attempt is None:
                continue
            verdict = self._advance(attempt)
            if verdict is None:
                continue
            outcome, reason, detail, value, flags = verdict
            answers.append(
                Answer(KIND_SAMPLE, attempt.lane, attempt.seq, monotonic_ns(), outcome, reason, detail, value, flags)
            )
            self._close(descriptor)
        return answers

    def _advance(self, attempt):
        """The verdict, or None when it is still open."""
        if attempt.said is None:
            return (FAIL, REFUSED, errno.ECONNREFUSED, 0, 0)
        if not attempt.connected:
            number = attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                return _failed(number, connected=False)
            attempt.connected = True
            self._poll.modify(attempt.sock.fileno(), select.EPOLLIN)
        try:
            block = attempt.sock.recv(BANNER_BYTES - len(attempt.said))
        except BlockingIOError:
            return None
        except OSError as error:
            return _failed(error.errno, connected=True)
        if not block:
            return (FAIL, CLOSED, 0, 0, 0)
        attempt.said += block
        line, end, _rest = attempt.said.partition(b"\n")
        if not end and len(attempt.said) < BANNER_BYTES:
            return None
        value = zlib.crc32(line.rstrip(b"\r"))
        if end and line.startswith(b"SSH-"):
            return (OK, NONE, 0, value, FLAG_VALUE)
        return (FAIL, WRONG, 0, value, FLAG_VALUE)  # also sshd's "Exceeded MaxStartups" and "Not allowed at this time"

    def expired(self, lane, seq):
        """Closed with its verdict: an open attempt would let a second SYN answer and hold a place in MaxStartups."""
        descriptor = self._descriptors.get((lane, seq))
        if descriptor is not None:
            self._close(descriptor)

    def _close(self, descriptor):
        attempt = self._attempts.pop(descriptor)
        del self._descriptors[attempt.lane, attempt.seq]
        attempt.sock.close()

    def close(self):
        for descriptor in list(self._attempts):
            self._close(descriptor)
        self._poll.close()


def _failed(number, connected):
    if number == errno.ECONNREFUSED:
        return (FAIL, REFUSED, number, 0, 0)
    if number in (errno.ECONNRESET, errno.EPIPE):
        return (FAIL, RESET if connected else REFUSED, number, 0, 0)
    if number in NO_WAY:
        return (FAIL, UNREACHABLE, number, 0, 0)
    if number == errno.ETIMEDOUT:
        return (FAIL, TIMEOUT, number, 0, 0)
    return (UNKNOWN, SELF_ERROR, number, 0, 0)


def open_prober(lanes, env):
    return BannerProber(lanes)
