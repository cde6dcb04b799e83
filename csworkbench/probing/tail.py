# SPDX-License-Identifier: Apache-2.0
"""One open tail: spool bytes in, clock echoes out."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from csworkbench.model.event import Body, ClockEcho, SamplesArrived, SpoolRead
from csworkbench.model.protocols import Journal

from .frames import Data, Echo, Ended, Frame, FrameParser, Heartbeat
from .program import Reader
from .shell import Pipe, ShellError, one_line
from .spool import HEADER, SpoolError

ECHO_EVERY_S = 1.0
FIRST_ECHOES = 8  # one right after the other, so that the first samples can be placed at once
SILENCE_S = 1.6  # the tail says something each 0.5 s; three times nothing is a lost channel
FIRST_WORD_S = 5.0  # until the first one: its Python has to start, perhaps on a busy machine
FLUSH_EVERY_S = 0.2
CLOSED = "the channel was closed"
GONE = "the prober was gone"  # and its spool has been read to the end
REFUSALS = 5  # tails in a row that find no spool, until we believe it
FLOOD = 3  # times as many records as the plan gives: verdicts, late answers and second owners
FLOOD_SLACK_S = 30.0


@dataclass(slots=True)
class SpoolWatch:
    """What is known of a vantage's spool, over all channels. `size` is in bytes, as the last heartbeat said.

    `records_per_s` is what the plan lets an honest prober write; `since_ns` is when it began, recorder's clock;
    `clock_step_ns` is how coarse the clock of the vantage's program is. `session`, `shift_ns` and `epoch` are those of
    the ProberStarted.
    """

    vantage: str
    reader: Reader
    records_per_s: float
    since_ns: int
    clock_step_ns: int = 0
    refusals: int = 0
    size: int = 0
    alive: bool = True
    failure: str = ""
    session: int = 0
    shift_ns: int = 0
    epoch: int = 0
    last_echo: ClockEcho | None = None
    newest: dict[int, int] = field(default_factory=dict)  # the highest sample number of each lane
    sampled: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def fail(self, why: str) -> None:
        """Nothing more will come."""
        self.failure = why
        self.ended.set()

    def due(self, now_ns: int) -> int:
        """About how many records there must be by now."""
        return int((now_ns - self.since_ns) / 1e9 * self.records_per_s)

    def check_flood(self, now_ns: int) -> None:
        """Raise SpoolError when more has come than there can be: it would fill the disk and the memory of this host."""
        may_s = (now_ns - self.since_ns) / 1e9 + FLOOD_SLACK_S
        if self.reader.taken > FLOOD * self.records_per_s * may_s:
            raise SpoolError(f"{self.vantage}: its spool holds more records than its plan allows")


class TailSession:
    """Reads one tail until the spool has ended or the channel breaks."""

    def __init__(self, watch: SpoolWatch, pipe: Pipe, journal: Journal, clock_ns: Callable[[], int]) -> None:
        self._watch, self._pipe, self._journal, self._clock_ns = watch, pipe, journal, clock_ns
        self._parser = FrameParser()
        self._asked: dict[int, int] = {}
        self._token = 0
        self._held: dict[int, list[SamplesArrived]] = {}
        self._others: list[Body] = []
        self._told = watch.reader.offset
        self._held_since = 0.0

    async def run(self, on_open: Callable[[], None]) -> None:
        """Read until the spool has ended. Raises ShellError, OSError, FrameError or TimeoutError when it broke."""
        loop = asyncio.get_running_loop()
        await self._ask()
        echo_due = loop.time() + ECHO_EVERY_S
        read = asyncio.create_task(self._pipe.read())
        heard, patience_s = loop.time(), FIRST_WORD_S
        try:
            while not self._watch.ended.is_set():
                wait_s = min(echo_due, heard + patience_s, self._flush_due(loop.time())) - loop.time()
                await asyncio.wait({read}, timeout=max(wait_s, 0.0))
                now = loop.time()
                if read.done():
                    data = read.result()
                    if not data:
                        raise ShellError(CLOSED)
                    heard, patience_s = now, SILENCE_S
                    received_ns = self._clock_ns()
                    for frame in self._parser.feed(data):
                        on_open()
                        await self._take(frame, received_ns)
                    read = asyncio.create_task(self._pipe.read())
                elif now >= heard + patience_s:
                    raise TimeoutError
                if now >= echo_due:
                    echo_due = now + ECHO_EVERY_S
                    await self._ask()
                if now >= self._flush_due(now):
                    self._flush()
        finally:
            read.cancel()
            await asyncio.gather(read, return_exceptions=True)
            self._flush()

    async def _ask(self) -> None:
        self._token += 1
        self._asked = {self._token: self._clock_ns()}
        await self._pipe.write(b"E %d\n" % self._token)

    async def _take(self, frame: Frame, received_ns: int) -> None:
        watch = self._watch
        match frame:
            case Data(offset, data):
                for body in watch.reader.feed(offset, data):
                    self._hold(body)
                watch.check_flood(received_ns)
                watch.refusals = 0
                watch.size = max(watch.size, offset + len(data))
                if watch.reader.ended:
                    self._flush()
                    watch.ended.set()
            case Echo(token, remote_ns, real_ns):
                asked_ns = self._asked.pop(token, None)
                if asked_ns is not None:
                    watch.last_echo = ClockEcho(
                        watch.vantage, asked_ns, received_ns, max(remote_ns + watch.shift_ns, 0), real_ns,
                        watch.clock_step_ns, watch.epoch,
                    )  # fmt: skip
                    self._journal.write(watch.last_echo)
                if self._token < FIRST_ECHOES:
                    await self._ask()
            case Heartbeat(size, alive):
                watch.size, watch.alive = size, alive
                if not alive and watch.reader.offset >= size >= HEADER.size and not watch.reader.ended:
                    self._flush()
                    raise SpoolError(GONE)
            case Ended(text):
                watch.refusals += 1
                if watch.refusals >= REFUSALS:
                    raise SpoolError(f"its spool cannot be read: {one_line(text)}")
                raise ShellError(one_line(text))

    def _hold(self, body: Body) -> None:
        """What was read is held back a little so that a busy run writes fewer, larger batches."""
        if not self._holds:
            self._held_since = asyncio.get_running_loop().time()
        if isinstance(body, SamplesArrived):
            newest = self._watch.newest
            newest[body.lane] = max(newest.get(body.lane, 0), *(sample.seq for sample in body.samples))
            self._held.setdefault(body.lane, []).append(body)
        else:
            self._others.append(body)

    @property
    def _holds(self) -> bool:
        return bool(self._held or self._others)

    def _flush_due(self, now: float) -> float:
        return self._held_since + FLUSH_EVERY_S if self._holds else now + ECHO_EVERY_S

    def _flush(self) -> None:
        """Write it with how far it goes, all or nothing: whoever goes on from there misses and doubles nothing."""
        if not self._holds and self._watch.reader.offset == self._told:
            return
        held, others, self._held, self._others = self._held, self._others, {}, []
        bodies = [SamplesArrived(lane, tuple(s for p in parts for s in p.samples)) for lane, parts in held.items()]
        watch, read = self._watch, self._watch.reader
        place = SpoolRead(watch.vantage, watch.session, read.offset, read.records, read.taken, read.gaps, read.ended)
        self._journal.write(*bodies, *others, place)
        self._told = read.offset
        if held:
            watch.sampled.set()
