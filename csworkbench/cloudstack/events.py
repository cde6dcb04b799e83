# SPDX-License-Identifier: Apache-2.0
"""The event feed of one operation (cloudstack-api.md 3.6 and 5, measurement.md S9)."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone

from csworkbench.model.event import CloudEventSeen, Level, Notice
from csworkbench.model.protocols import Journal

from .client import Client, Value
from .envelope import Row, rows
from .errors import BadParameter, CloudStackError, Unauthorized, Unsupported
from .family import Family, parse_created, seen

POLL_S = 2.0
MARGIN_S = 10  # several management servers: the log's stamps come from clocks that differ
NEWEST = 100
LAST_SWEEPS = 3
SWEEP_PAUSE_S = 1.0


class EventFeed:
    """Writes each event of the operation's family once, oldest first. Trouble with the log never raises.

    Call `start` before the operation, `run` as a task beside it, `finish` after it. The window's start comes from the
    log's own newest stamp and zone: versions before 4.12 read dates only in the server's zone. `project` is the id of
    the network's project, if it has one: without it CloudStack leaves the project's events out.
    """

    def __init__(
        self, client: Client, journal: Journal, family: Family, *, project: str | None = None, poll_s: float = POLL_S
    ) -> None:
        self.family = family
        self._client = client
        self._journal = journal
        self._poll_s = poll_s
        self._scope: dict[str, Value] = {"projectid": project}
        self._start_date: str | None = None
        self._floor_s = 0
        self._done: set[str] = set()
        self._readable: bool | None = None
        self._ended: CloudEventSeen | None = None

    async def start(self) -> None:
        """Find the window's start; events that are there already are not ours."""
        there = await self._ask(self._newest)
        stamps = [s for s in (parse_created(row.get("created")) for row in there) if s]
        if stamps:
            latest, offset = max(stamps)
            zone = timezone(timedelta(seconds=offset))
            start = datetime.fromtimestamp(latest - MARGIN_S, UTC).astimezone(zone)
            self._start_date = start.strftime("%Y-%m-%d %H:%M:%S")
            there += await self._ask(self._since)
        elif self._client.server_clock.known:
            self._floor_s = int(self._client.server_clock.now_s(self._client.around.clock_ns())) - MARGIN_S
        self._done |= {event.id for event in map(seen, there)}

    async def resume(self, from_s: int, seen_before: Iterable[CloudEventSeen]) -> None:
        """In place of `start`: go on with an operation that was begun at `from_s` of the server's clock.

        `seen_before` are written already.
        """
        before = list(seen_before)
        self.family.select(before)
        self._note_end(before)
        self._done |= {event.id for event in before}
        self._floor_s = from_s
        there = await self._ask(self._newest)
        zones = [stamp[1] for row in there if (stamp := parse_created(row.get("created")))]
        if zones and from_s:
            start = datetime.fromtimestamp(from_s, UTC).astimezone(timezone(timedelta(seconds=zones[0])))
            self._start_date = start.strftime("%Y-%m-%d %H:%M:%S")

    @property
    def ended(self) -> CloudEventSeen | None:
        """The event that says that the operation is over, once it has been seen."""
        return self._ended

    @property
    def begun(self) -> bool:
        """Whether an event says that the operation was begun."""
        return bool(self.family.root)

    async def run(self) -> None:
        """Poll every `poll_s` seconds until cancelled, or until the log turns out to be closed to us."""
        while self._readable is not False:
            await self.poll()
            await self._client.around.sleep(self._poll_s)

    async def poll(self) -> None:
        """Ask once and write what is new."""
        self._emit(await self._ask(self._since))

    async def finish(self) -> None:
        """The last sweep: until the operation's Completed event is there, at most 3 times."""
        for sweep in range(1, LAST_SWEEPS + 1):
            if self._readable is False:
                return
            await self.poll()
            await self._sweep_below_root()
            if self._ended is not None or sweep == LAST_SWEEPS:
                return
            await self._client.around.sleep(SWEEP_PAUSE_S)

    async def _sweep_below_root(self) -> None:
        async def below() -> list[Row]:
            if not (await self._client.capabilities()).has_param("listEvents", "startid"):
                return []
            return await self._client.list_all("listEvents", "event", **{**self._scope, "startid": self.family.root})

        if self.family.root:
            self._emit(await self._ask(below))

    async def _since(self) -> list[Row]:
        if self._start_date is None:
            return await self._newest()
        try:
            return await self._client.list_all("listEvents", "event", **{**self._scope, "startdate": self._start_date})
        except BadParameter:
            self._start_date = None
            return await self._newest()

    async def _newest(self) -> list[Row]:
        params: dict[str, Value] = {"listall": True, "page": 1, "pagesize": NEWEST, **self._scope}
        return rows(await self._client.call("listEvents", **params), "event")

    async def _ask(self, ask: Callable[[], Awaitable[list[Row]]]) -> list[Row]:
        try:
            found = await ask()
        except (Unauthorized, Unsupported) as error:
            if self._readable is None:
                self._readable = False
                self._journal.write(Notice(Level.WARN, f"the timeline will have no CloudStack events. {error}"))
            return []
        except CloudStackError:
            return []  # the call is in the journal; the next poll asks again
        self._readable = True
        return found

    def _emit(self, found: list[Row]) -> None:
        events = [seen(row) for row in reversed(found)]
        new = [e for e in events if e.id and e.id not in self._done and not 0 < e.created_s < self._floor_s]
        for event in self.family.select(sorted(new, key=lambda e: e.created_s)):
            self._done.add(event.id)
            self._note_end([event])
            self._journal.write(event)

    def _note_end(self, events: Iterable[CloudEventSeen]) -> None:
        for event in events:
            own_end = event.type == self.family.root_type and event.state == "Completed"
            if own_end and event.parent == self.family.root:
                self._ended = event
