# SPDX-License-Identifier: Apache-2.0
"""The witness's own event loop: descriptors, and an open-loop schedule on CLOCK_MONOTONIC finer than a millisecond."""

from __future__ import annotations

import heapq
import select
import time
from collections.abc import Callable

_STALL_NS = 20_000_000
"""Being later than this is the machine's doing or a stopped process's; it is told."""
_SWEEP_NS = 10_000_000

Handler = Callable[[], None]


class Loop:
    """One thread. `sweep` functions are told a time before which every answer has been read."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._due: list[tuple[int, int, int, Handler]] = []
        self._swept_ns = 0
        self._start_ns = time.monotonic_ns()
        self.sweeps: list[Callable[[int], None]] = []
        self.stalled_ns = 0
        """Time in which this process wanted to run and did not."""

    def watch(self, descriptor: int, handler: Handler, events: int = select.EPOLLIN) -> None:
        """Call the handler whenever that descriptor is ready."""
        self._handlers[descriptor] = handler
        self._epoll.register(descriptor, events)

    def change(self, descriptor: int, handler: Handler, events: int) -> None:
        """Watch it for something else."""
        self._handlers[descriptor] = handler
        self._epoll.modify(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Watch it no longer; to be called before it is closed."""
        if self._handlers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def every(self, period_ns: int, handler: Handler) -> None:
        """Call it at each multiple of the period, whatever happened before; one that was missed is left out."""
        heapq.heappush(self._due, (self._start_ns + period_ns, len(self._due), period_ns, handler))

    def turn(self) -> None:
        """Wait for the next moment or descriptor, and serve it."""
        before_ns = time.monotonic_ns()
        due_ns = max(before_ns, self._due[0][0])
        select.select((self._epoll,), (), (), (due_ns - before_ns) / 1e9)  # epoll itself rounds up to a millisecond
        late_ns = time.monotonic_ns() - due_ns
        if late_ns > _STALL_NS:
            self.stalled_ns += late_ns
        for descriptor, _ in self._epoll.poll(0):
            handler = self._handlers.get(descriptor)
            if handler is not None:
                handler()
        if before_ns - self._swept_ns > _SWEEP_NS:
            self._swept_ns = before_ns
            for sweep in self.sweeps:
                sweep(before_ns)
        now_ns = time.monotonic_ns()
        while self._due and self._due[0][0] <= now_ns:
            due_ns, order, period_ns, handler = self._due[0]
            handler()
            missed = (time.monotonic_ns() - due_ns) // period_ns
            heapq.heapreplace(self._due, (due_ns + (1 + missed) * period_ns, order, period_ns, handler))
