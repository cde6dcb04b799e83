# SPDX-License-Identifier: Apache-2.0
"""Waiting that ends when the run is to end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

TICK_S = 0.1
STOPPED = "stopped by the operator before the change: nothing was operated"


class Interrupted(Exception):
    """The run ended before anything was changed; the message says why."""


class Stop:
    """Set once, by the operator or because the run cannot be recorded any more (`broken`)."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.broken: Exception | None = None

    @property
    def is_set(self) -> bool:
        """True once the run is to end."""
        return self._event.is_set()

    def set(self) -> None:
        """The operator's."""
        self._event.set()

    def break_off(self, error: Exception) -> None:
        """The run cannot go on."""
        self.broken = self.broken or error
        self._event.set()

    async def wait(self) -> None:
        """Until it is set."""
        await self._event.wait()

    def reason(self) -> Exception:
        """What to raise when it is set."""
        return self.broken or Interrupted(STOPPED)

    async def during(self, work: Awaitable[T]) -> T:
        """Do the work unless stopped; then it is cancelled and has ended. Raises Interrupted, or what broke the run."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.create_task(self.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise self.reason()
            return task.result()
        finally:
            stopped.cancel()
            if not task.done():
                task.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    async def pause(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Wait that long, or until the condition holds (True). Raises Interrupted, or what broke the run."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            if until is not None and until():
                return True
            left = end - loop.time()
            if left <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, TICK_S if until is not None else left)):
                    await self.wait()
            if self.is_set:
                raise self.reason()
