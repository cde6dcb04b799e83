# SPDX-License-Identifier: GPL-2.0-only
"""Answers instead of asking: an echo on a TCP and a UDP port, for the held, connect and udp lanes of other vantages.

Ends with the prober. Its own samples are heartbeats: ok while it listens, value = connections that are open.
"""

from __future__ import annotations

import contextlib
import select
import socket
from time import monotonic_ns

from .codes import FLAG_VALUE, KIND_SAMPLE, NONE, OK
from .keys import family_of
from .ports import raise_file_limit
from .table import Answer
from .udp import ANSWER, ASK, NONCE_BYTES

BLOCK_BYTES = 4096
MAX_CONNECTIONS = 256
SILENT_NS = 60_000_000_000  # when all places are taken, one that said nothing for so long makes room


class _Peer:
    __slots__ = ("heard_ns", "left", "sock")


class ListenProber:
    def __init__(self, lanes):
        self._poll = select.epoll()
        self._tcp, self._udp, self._peers = {}, {}, {}
        self._beats = []
        self.drained = True
        raise_file_limit()
        for lane in lanes:
            for kind, listeners in ((socket.SOCK_STREAM, self._tcp), (socket.SOCK_DGRAM, self._udp)):
                sock = _bound(lane, kind)
                listeners[sock.fileno()] = sock
                self._poll.register(sock.fileno(), select.EPOLLIN)

    def send(self, lane, seq, sent_ns):
        self._beats.append((lane, seq, sent_ns))

    def fileno(self):
        return self._poll.fileno()

    def read(self, limit):
        for descriptor, _events in self._poll.poll(0, limit):
            try:
                if descriptor in self._tcp:
                    self._accept(self._tcp[descriptor])
                elif descriptor in self._udp:
                    echo_datagram(self._udp[descriptor])
                elif descriptor in self._peers:
                    self._echo(self._peers[descriptor])
            except BlockingIOError:
                continue
            except OSError:
                self._drop(descriptor)
        beats, self._beats = self._beats, []
        return [
            Answer(KIND_SAMPLE, lane, seq, sent_ns, OK, NONE, 0, len(self._peers), FLAG_VALUE)
            for lane, seq, sent_ns in beats
        ]

    def _accept(self, listener):
        sock, _address = listener.accept()
        sock.setblocking(False)
        if len(self._peers) >= MAX_CONNECTIONS and not self._make_room():
            sock.close()
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = _Peer()
        peer.sock, peer.left, peer.heard_ns = sock, b"", monotonic_ns()
        self._poll.register(sock.fileno(), select.EPOLLIN)
        self._peers[sock.fileno()] = peer

    def _make_room(self):
        descriptor, peer = min(self._peers.items(), key=lambda item: item[1].heard_ns)
        if monotonic_ns() - peer.heard_ns < SILENT_NS:
            return False
        self._drop(descriptor)
        return True

    def _echo(self, peer):
        """Reads no more before all was given back: a peer that does not read costs one block."""
        if not peer.left:
            peer.left = peer.sock.recv(BLOCK_BYTES)
            if not peer.left:
                raise ConnectionResetError
            peer.heard_ns = monotonic_ns()
        with contextlib.suppress(BlockingIOError):
            peer.left = peer.left[peer.sock.send(peer.left) :]
        self._poll.modify(peer.sock.fileno(), select.EPOLLOUT if peer.left else select.EPOLLIN)

    def _drop(self, descriptor):
        peer = self._peers.pop(descriptor, None)
        if peer is not None:
            peer.sock.close()

    def expired(self, lane, seq):
        pass

    def close(self):
        for sock in [*self._tcp.values(), *self._udp.values()]:
            sock.close()
        for descriptor in list(self._peers):
            self._drop(descriptor)
        self._poll.close()


def echo_datagram(sock):
    data, sender = sock.recvfrom(BLOCK_BYTES)
    if data.startswith(ASK) and len(data) == len(ASK) + NONCE_BYTES:
        sock.sendto(ANSWER + data[len(ASK) :], sender)


def _bound(lane, kind):
    sock = socket.socket(family_of(lane.target), kind | socket.SOCK_CLOEXEC)
    try:
        sock.setblocking(False)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((lane.target, lane.port))
        if kind == socket.SOCK_STREAM:
            sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock


def open_prober(lanes, env):
    return ListenProber(lanes)
