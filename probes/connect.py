# SPDX-License-Identifier: GPL-2.0-only
"""A fresh TCP connection per sample, reset as soon as it stands: what a new connection meets.

With `path` any answer of the target proves the path, a refusal too. The reset leaves no TIME_WAIT on either side, and
the source port is free again; the kernel goes round its ephemeral ports, so each is a flow of its own.
"""

from __future__ import annotations

import socket
import struct

from .codes import NONE, OK
from .tcp import ANSWERED_NO, Connections

RESET_ON_CLOSE = struct.pack("@ii", 1, 0)


class ConnectProber(Connections):
    def __init__(self, lanes):
        super().__init__(lanes)
        self._path = {lane.lane for lane in lanes if lane.options["path"]}

    def prepare(self, sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)

    def greet(self, attempt):
        return (OK, NONE, 0, 0, 0)

    def failed(self, attempt, number):
        if number in ANSWERED_NO and attempt.lane in self._path:
            return (OK, NONE, number, 0, 0)
        return super().failed(attempt, number)


def open_prober(lanes, env):
    return ConnectProber(lanes)
