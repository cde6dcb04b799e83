# SPDX-License-Identifier: Apache-2.0
"""Feeds for tests: one that is played by hand, one that plays a story in real time."""

import asyncio
import time
from collections.abc import AsyncIterator

from csworkbench.model import event as ev
from csworkbench.model.event import Event
from csworkbench.tui.feed import FeedLost

from .synthetic import S, Story

END = "end"


class HandFeed:
    """Gives what a test puts into it; keeps what the app sends."""

    def __init__(self, live: bool = True) -> None:
        self.live = live
        self.where = "/var/lib/csworkbench/runs/20261120-140311-parallel"
        self.sent: list[tuple[str, dict[str, str]]] = []
        self.refuse = ""
        self._queue: asyncio.Queue[list[Event] | Exception | str] = asyncio.Queue()

    def give(self, events: list[Event]) -> None:
        """One batch."""
        self._queue.put_nowait(events)

    def end(self, error: Exception | None = None) -> None:
        """No more events; with an error, the engine is gone."""
        self._queue.put_nowait(error or END)

    async def events(self) -> AsyncIterator[list[Event]]:
        """What was given."""
        while True:
            item = await self._queue.get()
            if isinstance(item, Exception):
                raise item
            if isinstance(item, str):
                return
            yield item

    async def send(self, command: str, **args: str) -> None:
        """Keep it, or refuse it."""
        if self.refuse:
            raise FeedLost(self.refuse)
        self.sent.append((command, args))


class PlayedFeed:
    """Plays a story in real time; the change begins when it is started. For looking at the screen."""

    def __init__(self, lose_at_s: float = 0.0) -> None:
        self.live = True
        self.where = "/var/lib/csworkbench/runs/20261120-140311-parallel"
        self._started = asyncio.Event()
        self._stopped = False
        self._lose_at_s = lose_at_s

    async def events(self) -> AsyncIterator[list[Event]]:
        """Preparing and baseline, samples while nobody presses a key, then the change."""
        story = Story(time.monotonic_ns(), change_s=1e6)
        pending: list[tuple[float, ev.Body]] = list(story.before())
        clock, sampled, seq, started = 0.0, 2.0, 1, False
        while pending or not started or clock < story.measured_s:
            if self._started.is_set() and not started:
                started = True
                story = Story(story.t0_ns, change_s=clock)
                pending += story.after()
            upto = int(min(clock, story.measured_s) * 10) / 10
            if upto > sampled:
                pending += story.samples(sampled, upto)
                sampled = upto
            due = [p for p in pending if p[0] <= clock]
            pending = [p for p in pending if p[0] > clock]
            if due:
                yield story.number(due, seq)
                seq += len(due)
            if self._lose_at_s and started and clock > story.change_s + self._lose_at_s:
                raise FeedLost("the socket was closed")
            if self._stopped:
                yield story.number([(clock, ev.RunClosed(1, "stopped by the operator"))], seq)
                return
            await asyncio.sleep(0.1)
            clock = (time.monotonic_ns() - story.t0_ns) / S

    async def send(self, command: str, **args: str) -> None:
        """Start or stop."""
        if command == "start":
            self._started.set()
        elif command == "stop":
            self._stopped = True
