# SPDX-License-Identifier: GPL-2.0-only
"""One TCP connection for the whole run: did it stall, survive or reset?

Mode `echo` says 8 bytes per sample and wants them back. Mode `keepalive` says nothing: one keepalive of the kernel's
per sample makes the peer acknowledge, which TCP_INFO tells. A connection that was established and lost is not opened
again: from then on each sample is fail(reset), fail(closed) or fail(timeout), as it was lost.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
from time import monotonic_ns

from .codes import CLOSED, FAIL, KIND_SAMPLE, NONE, OK, RESET, SELF_ERROR, UNKNOWN, WRONG
from .keys import family_of
from .table import Answer
from .tcp import ANSWERED_NO, failure

TOKEN = struct.Struct("!HHI")  # of this connection, lane, seq
TCP_USER_TIMEOUT = 18
LAST_ACK_AT = 56  # tcpi_last_ack_recv, ms, in struct tcp_info
TICK_NS = 10_000_000  # the kernel counts in jiffies, of 10 ms at most
ASK_AFTER_S = 1  # the kernel asks on request when it has heard nothing for so long
ASK_AGAIN_S = 32767  # and never by itself
STALL_MS = 24 * 3600 * 1000  # a stall is ours to report, not the keepalives' to end
BLOCK_BYTES = 4096
MOST_UNSENT = 64 * 1024


class _Line:
    """One TCP connection."""

    __slots__ = ("connected", "heard", "opened_ns", "sock", "tag", "unsent")


class _Held:
    __slots__ = ("address", "asked", "echo", "family", "lane", "last", "line", "lost", "next", "reopen_ns", "stalled")


class HeldProber:
    def __init__(self, lanes):
        self._poll = select.epoll()
        self._lanes = {lane.lane: _held(lane) for lane in lanes}
        self._owners = {}
        self._ready = []
        self.drained = True

    def send(self, lane, seq, sent_ns):
        held = self._lanes[lane]
        held.last = seq
        if held.lost is not None:
            self._ready.append(_answer(held, seq, held.lost, sent_ns))
            return None
        self._swap(held)
        try:
            self._ask(held, seq, sent_ns)
        except OSError as error:
            if error.errno not in ANSWERED_NO:
                return error.errno
            # Refused at once: a target on this host.
            self._ready.append(_answer(held, seq, failure(error.errno, connected=False)[:3], monotonic_ns()))
        return None

    def _ask(self, held, seq, sent_ns):
        if held.line is None:
            self._open(held)
            held.line, held.next = held.next, None
        elif self._aged(held) and self._idle(held) and held.next is None:
            with contextlib.suppress(OSError):  # the old one serves until a new one stands; it is tried again
                self._open(held)
        held.asked[seq] = sent_ns
        if not held.echo:
            if held.line.connected:
                # Setting it again makes the kernel look at once, and its keepalive leaves now: a round trip to time.
                held.line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, ASK_AFTER_S)
        elif len(held.line.unsent) < MOST_UNSENT:
            held.line.unsent += TOKEN.pack(held.line.tag, held.lane, seq)
            if held.line.connected:
                self._flush(held, held.line)

    def _aged(self, held):
        return held.reopen_ns is not None and monotonic_ns() - held.line.opened_ns >= held.reopen_ns

    @staticmethod
    def _idle(held):
        """A stalled connection is not replaced: whether it survives is the question."""
        return not held.asked and not held.stalled

    def _open(self, held):
        """A connection on its way, in held.next. Raises OSError."""
        sock = socket.socket(held.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._connect(held, sock)
        except OSError:
            sock.close()
            raise
        line = _Line()
        line.sock, line.connected, line.heard, line.unsent = sock, False, b"", bytearray()
        line.opened_ns, line.tag = monotonic_ns(), int.from_bytes(os.urandom(2), "big")
        self._owners[sock.fileno()] = (held, line)
        held.next = line

    def _connect(self, held, sock):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, STALL_MS)
        if not held.echo:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, ASK_AGAIN_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ASK_AGAIN_S)
        number = sock.connect_ex(held.address)
        if number not in (0, errno.EINPROGRESS):
            raise OSError(number, os.strerror(number))
        self._poll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def fileno(self):
        return self._poll.fileno()

    def read(self, limit):
        for descriptor, _events in self._poll.poll(0, limit):
            owner = self._owners.get(descriptor)
            if owner is not None:
                self._advance(*owner)
        for held in self._lanes.values():
            if held.asked and not held.echo and held.line is not None and held.line.connected:
                self._acknowledged(held)
        answers, self._ready = self._ready, []
        return answers

    def _advance(self, held, line):
        try:
            if not line.connected:
                number = line.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if number:
                    self._gone(held, line, number)
                    return
                line.connected = True
                self._flush(held, line)
                return
            if line.unsent:
                self._flush(held, line)
            if line.sock.fileno() >= 0:
                self._hear(held, line)
        except BlockingIOError:
            return
        except OSError as error:
            self._gone(held, line, error.errno)

    def _flush(self, held, line):
        try:
            if line.unsent:
                del line.unsent[: line.sock.send(line.unsent)]
        except BlockingIOError:
            pass
        except OSError as error:
            self._gone(held, line, error.errno)
            return
        self._poll.modify(line.sock.fileno(), select.EPOLLIN | (select.EPOLLOUT if line.unsent else 0))

    def _hear(self, held, line):
        data = line.sock.recv(BLOCK_BYTES)
        if not data:
            self._gone(held, line, 0)
        elif held.echo:
            seqs, line.heard = tokens(line.heard + data, line.tag, held.lane, held.last)
            if seqs is None:
                self._lose(held, (FAIL, WRONG, 0))
                return
            now_ns = monotonic_ns()
            for seq in seqs:
                held.asked.pop(seq, None)
                held.stalled = False
                self._ready.append(_answer(held, seq, (OK, NONE, 0), now_ns))

    def _acknowledged(self, held):
        """Samples that the peer's kernel has acknowledged something after."""
        try:
            info = held.line.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_ACK_AT + 4)
        except OSError as error:
            self._gone(held, held.line, error.errno)
            return
        age_ms = struct.unpack_from("@I", info, LAST_ACK_AT)[0]
        heard_ns = monotonic_ns() - age_ms * 1_000_000
        for seq, sent_ns in list(held.asked.items()):
            if sent_ns <= heard_ns + TICK_NS:
                del held.asked[seq]
                held.stalled = False
                self._ready.append(_answer(held, seq, (OK, NONE, 0), max(heard_ns, sent_ns)))
        self._swap(held)

    def _swap(self, held):
        """The planned reopening: no sample is open, the new connection stands."""
        if held.next is not None and held.next.connected and self._idle(held):
            self._drop(held.line)
            held.line, held.next = held.next, None

    def _gone(self, held, line, number):
        """A connection failed (number: errno) or was closed by the peer (0)."""
        if line is held.next:
            held.next = None
            self._drop(line)
        elif not line.connected:
            self._again(held, failure(number, connected=False)[:3])
        elif self._aged(held):
            # The peer's own limit (sshd's LoginGraceTime) may have ended it: no word on the path.
            self._again(held, (UNKNOWN, SELF_ERROR, number))
        elif number:
            self._lose(held, (FAIL, RESET, number) if number in LOST_BY_RESET else failure(number, connected=True)[:3])
        else:
            self._lose(held, (FAIL, CLOSED, 0))

    def _again(self, held, verdict):
        """Judge what is open; the next sample opens a connection, unless one is on its way."""
        self._judge_open(held, verdict)
        self._drop(held.line)
        held.line, held.next = held.next, None

    def _lose(self, held, verdict):
        held.lost = verdict
        self._judge_open(held, verdict)
        for line in (held.line, held.next):
            if line is not None:
                self._drop(line)
        held.line = held.next = None

    def _judge_open(self, held, verdict):
        now_ns = monotonic_ns()
        self._ready += [_answer(held, seq, verdict, now_ns) for seq in held.asked]
        held.asked.clear()

    def _drop(self, line):
        del self._owners[line.sock.fileno()]
        line.sock.close()

    def expired(self, lane, seq):
        held = self._lanes[lane]
        if held.asked.pop(seq, None) is not None:
            held.stalled = True

    def close(self):
        for owner in list(self._owners.values()):
            self._drop(owner[1])
        self._poll.close()


LOST_BY_RESET = (*ANSWERED_NO, errno.EPIPE)


def tokens(data, tag, lane, last):
    """(sample numbers that came back, what is left of the bytes); None for bytes that we never said."""
    seqs = []
    whole = len(data) - len(data) % TOKEN.size
    for got_tag, got_lane, seq in TOKEN.iter_unpack(data[:whole]):
        if (got_tag, got_lane) != (tag, lane) or seq > last:
            return None, b""
        seqs.append(seq)
    return seqs, data[whole:]


def _held(lane):
    held = _Held()
    held.lane, held.echo = lane.lane, lane.options["mode"] == "echo"
    held.family, held.address = family_of(lane.target), (lane.target, lane.port)
    held.reopen_ns = lane.options["reopen_ns"]
    held.line = held.next = held.lost = None
    held.asked, held.last, held.stalled = {}, -1, False
    return held


def _answer(held, seq, verdict, received_ns):
    return Answer(KIND_SAMPLE, held.lane, seq, received_ns, *verdict, 0, 0)


def open_prober(lanes, env):
    return HeldProber(lanes)
