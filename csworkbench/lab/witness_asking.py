# SPDX-License-Identifier: Apache-2.0
"""Probes that ask a service and look at its answer: DNS and HTTP, each from a fresh socket."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time

from csworkbench.lab.witness_loop import Loop
from csworkbench.lab.witness_probes import ANSWER_NS, TCP_NS, WRONG, Probe, Prober


class Dns(Prober):
    """A query for an A record each, from a port of its own; expects that address."""

    def __init__(self, loop: Loop, address: str, port: int, name: str, expected: str, period_ns: int) -> None:
        super().__init__(period_ns)
        self._loop, self._target = loop, (address, port)
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        self._question = labels + struct.pack("!BHH", 0, 1, 1)
        self._record = struct.pack("!H", 4) + socket.inet_aton(expected)

    def _send(self, probe: Probe, number: int) -> None:
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        probe.release = lambda: _close(self._loop, asking)
        asking.connect(self._target)
        head = struct.pack("!HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0)
        self._loop.watch(asking.fileno(), lambda: self._read(asking, probe, head[:2]))
        asking.send(head + self._question)

    def _read(self, asking: socket.socket, probe: Probe, identity: bytes) -> None:
        try:
            data = asking.recv(2048)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail_with(probe, error)
            return
        if data[:2] == identity:
            if len(data) > 12 and data[3] & 15 == 0 and data.endswith(self._record):
                self.succeed(probe)
            else:
                self.fail(probe, WRONG)


class Http(Prober):
    """A GET over a connection of its own each; expects status 200 and one of these bodies."""

    limit_ns = TCP_NS

    def __init__(self, loop: Loop, address: str, port: int, path: str, expected: list[str], period_ns: int) -> None:
        super().__init__(period_ns)
        self._loop, self._target = loop, (address, port)
        self._request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
        self._expected = {text.encode() for text in expected}

    def _send(self, probe: Probe, number: int) -> None:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        probe.release = lambda: _close(self._loop, connection)
        code = connection.connect_ex(self._target)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        self._loop.watch(connection.fileno(), lambda: self._connected(connection, probe), select.EPOLLOUT)

    def _connected(self, connection: socket.socket, probe: Probe) -> None:
        code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        try:
            if code:
                raise OSError(code, os.strerror(code))
            connection.send(self._request)
        except OSError as error:
            self.fail_with(probe, error)
            return
        received = bytearray()
        probe.handed_ns = time.monotonic_ns()
        probe.deadline_ns = probe.handed_ns + ANSWER_NS
        self._loop.change(connection.fileno(), lambda: self._read(connection, probe, received), select.EPOLLIN)

    def _read(self, connection: socket.socket, probe: Probe, received: bytearray) -> None:
        try:
            data = connection.recv(4096)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail_with(probe, error)
            return
        received += data
        head, _, body = received.partition(b"\r\n\r\n")
        if bytes(body.strip()) in self._expected and head.split(b" ", 2)[1:2] == [b"200"]:
            self.succeed(probe)
        elif not data:
            self.fail(probe, WRONG if received else "reset")


def _close(loop: Loop, opened: socket.socket) -> None:
    loop.forget(opened.fileno())
    opened.close()
