# SPDX-License-Identifier: GPL-2.0-only
"""Packets of one non-blocking socket with their kernel stamps: a recvmsg each. batch.py reads many with one call."""

from __future__ import annotations

from .clock import STAMP_SPACE, Stamps

DATA_BYTES = 4096


class Inbox:
    """`drained` is false while there may be more to read."""

    def __init__(self, sock, space=STAMP_SPACE):
        self._recvmsg = sock.recvmsg
        self._space = space
        self._stamps = Stamps()
        self.drained = True

    def read(self, limit):
        """(data, sender, received_ns, FLAG_KERNEL_STAMP or 0, control messages) of at most `limit` packets."""
        stamps = self._stamps
        stamps.begin()
        for _ in range(limit):
            try:
                data, ancillary, _flags, sender = self._recvmsg(DATA_BYTES, self._space)
            except BlockingIOError:
                self.drained = True
                stamps.drained()
                return
            except OSError:
                continue  # an error that was pending on the socket, of no sample
            received_ns, kernel = stamps.mono(ancillary)
            yield data, sender, received_ns, kernel, ancillary
        self.drained = False
