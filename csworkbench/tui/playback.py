# SPDX-License-Identifier: Apache-2.0
"""The clock of a replay: where in a recorded run we are, how fast it goes on, and whether it stands."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from csworkbench.model.event import Event

SPEEDS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
STEP_S = 0.05  # events closer than this are shown together


class Playback:
    """`position_ns` is a time on the recording host's clock, as the run's events have it; 0 before the first event."""

    def __init__(self, speed: float = 1.0, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.speed = speed
        self.paused = False
        self._clock = clock
        self._anchor: tuple[int, int] | None = None  # (our time, position) from which the position is counted
        self._target = 0
        self._changed = asyncio.Event()

    @property
    def position_ns(self) -> int:
        """Everything up to here is shown."""
        if self._anchor is None:
            return 0
        since, position = self._anchor
        return position if self.paused else position + round((self._clock() - since) * self.speed)

    def begin(self, first_ns: int) -> None:
        """The run's first event; goes on from where a jump has led, if one has."""
        self._anchor = (self._clock(), max(first_ns, self._target))

    def toggle(self) -> None:
        """Stand still, or go on."""
        self._move(self.position_ns)
        self.paused = not self.paused

    def change_speed(self, steps: int) -> None:
        """Faster (positive) or slower."""
        self._move(self.position_ns)
        nearest = min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - self.speed))
        self.speed = SPEEDS[min(max(nearest + steps, 0), len(SPEEDS) - 1)]

    def jump(self, to_ns: int) -> bool:
        """Go there. True when that lies before what has been shown: the run must then be told from its beginning."""
        back = to_ns < self.position_ns
        self._target = to_ns
        self._move(to_ns)
        return back

    async def reach(self, at_ns: int) -> None:
        """Return once the position is there."""
        while self.position_ns < at_ns:
            self._changed.clear()
            left_s = None if self.paused else max((at_ns - self.position_ns) / self.speed / 1e9, STEP_S)
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _move(self, position_ns: int) -> None:
        self._anchor = (self._clock(), position_ns)
        self._changed.set()


async def paced(source: AsyncIterator[list[Event]], playback: Playback) -> AsyncIterator[list[Event]]:
    """The source's events, each when the playback has come to it."""
    begun = False
    ready: list[Event] = []
    async for batch in source:
        for event in batch:
            if not begun:
                playback.begin(event.at_ns)
                begun = True
            if event.at_ns > playback.position_ns:
                if ready:
                    yield ready
                    ready = []
                await playback.reach(event.at_ns)
            ready.append(event)
    if ready:
        yield ready
