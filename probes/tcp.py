# SPDX-License-Identifier: GPL-2.0-only
"""A TCP connection of its own per sample, opened without blocking; what is said over it is the prober's business.

Stamps are taken as the process wakes: there are no kernel stamps on TCP streams.
"""

from __future__ import annotations

import errno
import select
import socket
from time import monotonic_ns

from .codes import FAIL, KIND_SAMPLE, REFUSED, RESET, SELF_ERROR, TIMEOUT, UNKNOWN, UNREACHABLE
from .keys import family_of
from .ports import raise_file_limit
from .table import Answer

TCP_SYNCNT = 7
ANSWERED_NO = (errno.ECONNREFUSED, errno.ECONNRESET)
NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


class Attempt:
    __slots__ = ("connected", "lane", "refused", "said", "seq", "sock")


class Connections:
    """Base of the probers that connect. A verdict is (outcome, reason, detail, value, flags), None while it is open."""

    def __init__(self, lanes):
        self._lanes = {lane.lane: (family_of(lane.target), (lane.target, lane.port)) for lane in lanes}
        self._poll = select.epoll()
        self._attempts = {}
        self._descriptors = {}
        self.drained = True
        raise_file_limit()

    def prepare(self, sock):
        """Options of a socket before it connects."""

    def greet(self, attempt):
        """The verdict when it has just been established."""

    def hear(self, attempt):
        """The verdict when there may be something to read. May raise OSError."""

    def failed(self, attempt, number):
        """The verdict on an error of the connection."""
        return failure(number, attempt.connected)

    def send(self, lane, seq, sent_ns):
        family, address = self._lanes[lane]
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        except OSError as error:
            return error.errno
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, TCP_SYNCNT, 1)  # only the first SYN counts: Tmax is below the second's 1 s
        self.prepare(sock)
        number = sock.connect_ex(address)
        if number not in (0, errno.EINPROGRESS) and number not in ANSWERED_NO:
            sock.close()
            return number
        attempt = Attempt()
        attempt.lane, attempt.seq, attempt.sock = lane, seq, sock
        attempt.connected, attempt.said = False, bytearray()
        # Refused at once (a target on this host) is an answer like one that comes later: epoll reports it.
        attempt.refused = number if number in ANSWERED_NO else 0
        try:
            self._poll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        except OSError as error:
            sock.close()
            return error.errno
        self._attempts[sock.fileno()] = attempt
        self._descriptors[lane, seq] = sock.fileno()
        return None

    def fileno(self):
        return self._poll.fileno()

    def read(self, limit):
        answers = []
        for descriptor, _events in self._poll.poll(0, limit):
            attempt = self._attempts.get(descriptor)
            verdict = self._advance(attempt) if attempt else None
            if verdict is not None:
                answers.append(Answer(KIND_SAMPLE, attempt.lane, attempt.seq, monotonic_ns(), *verdict))
                self._close(descriptor)
        return answers

    def _advance(self, attempt):
        try:
            if not attempt.connected:
                number = attempt.refused or attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if number:
                    return self.failed(attempt, number)
                attempt.connected = True
                self._poll.modify(attempt.sock.fileno(), select.EPOLLIN)
                verdict = self.greet(attempt)
                if verdict is not None:
                    return verdict
            return self.hear(attempt)
        except BlockingIOError:
            return None
        except OSError as error:
            return self.failed(attempt, error.errno)

    def expired(self, lane, seq):
        """Closed with its verdict: an open attempt would let a second SYN answer and hold a place at the target."""
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


def failure(number, connected):
    """The verdict that an errno of a connection is."""
    if number == errno.ECONNREFUSED:
        return (FAIL, REFUSED, number, 0, 0)
    if number in (errno.ECONNRESET, errno.EPIPE):
        return (FAIL, RESET if connected else REFUSED, number, 0, 0)
    if number in NO_WAY:
        return (FAIL, UNREACHABLE, number, 0, 0)
    if number == errno.ETIMEDOUT:
        return (FAIL, TIMEOUT, number, 0, 0)
    return (UNKNOWN, SELF_ERROR, number, 0, 0)
