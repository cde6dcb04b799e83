# SPDX-License-Identifier: GPL-2.0-only
"""Pairs of CLOCK_MONOTONIC and CLOCK_REALTIME, and kernel receive stamps (realtime) brought to monotonic."""

from __future__ import annotations

import struct
from time import CLOCK_REALTIME, clock_gettime_ns, monotonic_ns

SO_TIMESTAMPNS = 35  # not in Python's socket module; the control message has the same number
STAMP_SPACE = 64
SLACK_NS = 2_000_000  # what slewing can shift between a packet and its reading
_timespec = struct.Struct("@ll").unpack_from
TIMESPEC_BYTES = struct.calcsize("@ll")


def clock_pair():
    """(mono, real) taken together: the tightest of three, real in the middle of its bracket."""
    best = None
    for _ in range(3):
        before = monotonic_ns()
        real = clock_gettime_ns(CLOCK_REALTIME)
        after = monotonic_ns()
        if best is None or after - before < best[0]:
            best = (after - before, (before + after) // 2, real)
    return best[1], best[2]


class Stamps:
    """Converts the kernel's receive stamps of one socket.

    What a batch reads was received after the last complete batch and before now. A stamp that falls outside with the
    clocks' present offset was made before a step of the realtime clock: then the offset of the batch before is tried,
    and at last the time of reading, without the kernel flag.
    """

    def __init__(self):
        self._floor_ns, real = clock_pair()
        self._floor_ns -= SLACK_NS
        self._offset = self._last_offset = real - self._floor_ns - SLACK_NS
        self._now_ns = self._floor_ns

    def begin(self):
        self._last_offset = self._offset
        self._now_ns = before = monotonic_ns()
        real = clock_gettime_ns(CLOCK_REALTIME)
        self._offset = real - (before + monotonic_ns()) // 2

    def drained(self):
        """Everything received before the batch began has been read."""
        self._floor_ns = self._now_ns - SLACK_NS

    def window(self):
        """(realtime less monotonic, earliest, latest): place() says the same of a stamp that this puts in between."""
        return self._offset, self._floor_ns, self._now_ns + SLACK_NS

    def mono(self, ancillary):
        """(received_ns, 1) from the control messages of recvmsg, or (now, 0)."""
        for _level, kind, data in ancillary:
            if kind == SO_TIMESTAMPNS and len(data) >= TIMESPEC_BYTES:
                seconds, nanoseconds = _timespec(data)
                return self.place(seconds * 1_000_000_000 + nanoseconds)
        return monotonic_ns(), 0

    def place(self, real_ns):
        """(received_ns, 1) of a realtime stamp, or (now, 0)."""
        latest_ns = self._now_ns + SLACK_NS
        received_ns = real_ns - self._offset
        if self._floor_ns <= received_ns <= latest_ns:
            return received_ns, 1
        received_ns = real_ns - self._last_offset
        if self._floor_ns <= received_ns <= latest_ns:
            return received_ns, 1
        return monotonic_ns(), 0
