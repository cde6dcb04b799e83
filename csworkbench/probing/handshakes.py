# SPDX-License-Identifier: Apache-2.0
"""How many SSH handshakes are in flight: at each server, and in all."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

PER_SERVER = 8  # OpenSSH's MaxStartups 10:30:100 begins to refuse above ten that have not logged in
IN_ALL = 64
LOGIN_TIMEOUT_S = 15.0
PATIENCE_S = 4.0  # a handshake that takes longer hangs on a dead path: whoever waits gets its place


class Place:
    """One of the `Places`. `limit` is set while a handshake runs in it: then it can be taken away."""

    def __init__(self, places: "Places") -> None:
        self._places = places
        self._began = 0.0
        self._limit: asyncio.Timeout | None = None
        self.gone = False

    def hangs(self, now: float) -> bool:
        """Whether its handshake has had its time."""
        return self._limit is not None and now - self._began >= PATIENCE_S

    def began(self, limit: asyncio.Timeout) -> None:
        """A handshake runs in it."""
        loop = asyncio.get_running_loop()
        self._began, self._limit = loop.time(), limit
        loop.call_at(self._began + PATIENCE_S, self._places.make_room)

    def take_away(self, now: float) -> None:
        """Its handshake ends with TimeoutError."""
        assert self._limit is not None  # noqa: S101 - it hangs
        self.gone = True
        if not self._limit.expired():
            self._limit.reschedule(now)

    def leave(self) -> None:
        """Give it back."""
        self._limit = None
        self._places.give_back(self)


class Places:
    """A number of places, given in the order of asking, so that nobody who tries again and again is overtaken."""

    def __init__(self, number: int) -> None:
        self._free = asyncio.Semaphore(number)
        self._taken: list[Place] = []  # the oldest first
        self._waiting = 0

    async def take(self) -> Place:
        """Wait for one."""
        self._waiting += 1
        try:
            self.make_room()
            await self._free.acquire()
        finally:
            self._waiting -= 1
        place = Place(self)
        self._taken.append(place)
        return place

    def give_back(self, place: Place) -> None:
        """Once for each."""
        self._taken.remove(place)
        self._free.release()

    def make_room(self) -> None:
        """Take away as many of those that hang as there are waiting for one."""
        if not self._free.locked():
            return
        now = asyncio.get_running_loop().time()
        wanted = self._waiting - sum(place.gone for place in self._taken)
        for place in [p for p in self._taken if not p.gone and p.hangs(now)][: max(wanted, 0)]:
            place.take_away(now)


class Entry:
    """What one login holds, from before its TCP connection (sshd counts it from there on) to its end."""

    def __init__(self, held: list[Place], in_all: Places) -> None:
        self._held, self._in_all = held, in_all

    @asynccontextmanager
    async def handshake(self) -> AsyncIterator[None]:
        """Its handshake. Raises TimeoutError when it takes too long."""
        place = await self._in_all.take()
        try:
            async with asyncio.timeout(LOGIN_TIMEOUT_S) as limit:
                for held in (place, *self._held):
                    held.began(limit)
                yield
        finally:
            place.leave()

    def leave(self) -> None:
        """Give back what it holds of the servers'."""
        held, self._held = self._held, []
        for place in held:
            place.leave()


class Handshakes:
    """Bounds on handshakes in flight, shared by all vantages of a run."""

    def __init__(self, per_server: int = PER_SERVER, in_all: int = IN_ALL) -> None:
        self._per_server = per_server
        self._in_all = Places(in_all)
        self._servers: dict[Hashable, Places] = {}

    async def enter(self, *servers: Hashable) -> Entry:
        """Wait for a place at each of the servers. Everybody names them in the same order, the shared ones last."""
        held: list[Place] = []
        try:
            for server in servers:
                held.append(await self._servers.setdefault(server, Places(self._per_server)).take())
        except BaseException:
            for place in held:
                place.leave()
            raise
        return Entry(held, self._in_all)
