# SPDX-License-Identifier: Apache-2.0
"""The rate budget of one client (measurement.md S9)."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

CALLS_PER_SECOND = 5
SHARE = 0.8  # of a server's own limit: other clients of the account count too


class RateBudget:
    """At most `calls` calls in any second, and less after `respect`. Waiting callers are served in order."""

    def __init__(
        self,
        clock_ns: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
        calls: int = CALLS_PER_SECOND,
    ) -> None:
        self._clock_ns = clock_ns
        self._sleep = sleep
        self._windows: list[tuple[int, int]] = [(calls, 1_000_000_000)]
        self._granted: deque[int] = deque(maxlen=calls)
        self._turn = asyncio.Lock()

    def respect(self, calls: int, seconds: int) -> None:
        """Keep also below a server's limit of `calls` in `seconds`, evenly spread; nonsense is ignored."""
        own_calls, own_span = self._windows[0]
        if calls <= 0 or seconds <= 0:
            return
        spacing = int(seconds * 1e9 / max(1, int(calls * SHARE)))
        if spacing * own_calls > own_span:
            self._windows = [self._windows[0], (1, spacing)]

    async def take(self) -> None:
        """Return when one more call may be made."""
        async with self._turn:
            while (wait_ns := self._wait_ns()) > 0:
                await self._sleep(wait_ns / 1e9)
            self._granted.append(self._clock_ns())

    def _wait_ns(self) -> int:
        now = self._clock_ns()
        return max(
            (self._granted[-calls] + span - now for calls, span in self._windows if len(self._granted) >= calls),
            default=0,
        )
