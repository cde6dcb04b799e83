# SPDX-License-Identifier: Apache-2.0
"""One rate of calls for several processes: each call takes the next slot from a file that they share."""

import asyncio
import fcntl
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from .budget import SHARE

VARIABLE = "CSWORKBENCH_API_SLOTS"
"""`CALLS:FILE`, calls a second in all, and the file."""
LATE = 1.1
"""Slots lie so much wider apart: who wakes up late for his own must not make a second too full."""
MOST_AHEAD_NS = 120_000_000_000
"""A slot that lies further ahead is from before the machine was started, and the file is begun anew."""


class SharedSlots:
    """At most `calls` calls a second, evenly spread, of all processes that use the same file.

    The file holds CLOCK_MONOTONIC ns of the next free slot; who waits longest comes first. Raises OSError.
    """

    def __init__(
        self,
        path: Path,
        calls: int,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._path, self._clock_ns, self._sleep = path, clock_ns, sleep
        self._spacing_ns = int(LATE * 1_000_000_000 / calls)

    def respect(self, calls: int, seconds: int) -> None:
        """Keep also below a server's limit of `calls` in `seconds`; nonsense is ignored."""
        if calls > 0 and seconds > 0:
            self._spacing_ns = max(self._spacing_ns, int(seconds * 1e9 / max(1, int(calls * SHARE))))

    async def take(self) -> None:
        """Return when one more call may be made."""
        slot_ns = self._claim()
        while (wait_ns := slot_ns - self._clock_ns()) > 0:
            await self._sleep(wait_ns / 1e9)

    def _claim(self) -> int:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # held for some microseconds
            now, text = self._clock_ns(), os.pread(handle, 32, 0)
            slot = int(text) if text.strip().isdigit() else now
            slot = max(slot, now) if slot - now <= MOST_AHEAD_NS else now
            os.pwrite(handle, b"%32d" % (slot + self._spacing_ns), 0)
            return slot
        finally:
            os.close(handle)


def slots_from(env: Mapping[str, str]) -> SharedSlots | None:
    """Those that the process was given, or None; what cannot be read is as if it were not there."""
    calls, _, path = env.get(VARIABLE, "").partition(":")
    if not (calls.isascii() and calls.isdigit() and int(calls) > 0 and path):
        return None
    return SharedSlots(Path(path), int(calls))
