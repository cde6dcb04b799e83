# SPDX-License-Identifier: Apache-2.0
"""One vantage from first contact to the last record: push, start, tail, reconnect, stop, collect."""

import asyncio
import time
from collections.abc import Callable, Sequence

from csworkbench.model.event import (
    Calibrated,
    ChannelChanged,
    ChannelState,
    Level,
    Notice,
    ProberStarted,
    SpoolCollected,
    SpoolLeft,
)
from csworkbench.model.protocols import Journal
from csworkbench.model.tier import Tier

from .bundle import Bundle
from .choose import ALL_TIERS, Chosen
from .frames import FrameError
from .plan import ProbePlan
from .prober import LAUNCH_LIMIT_S, Prober
from .program import Place
from .reconnect import RETRY, Connect, reconnect
from .session import Left, Restarts, why_next
from .shell import Shell, ShellError
from .spool import SpoolError
from .tail import CLOSED, GONE, SpoolWatch, TailSession

NOT_REACHED = "not reached"
CUT_SHORT = "collecting was cut short"


class VantageAgent:
    """Runs the probe program on one vantage. Its events go to the journal; losing the channel loses no sample (S10)."""

    def __init__(
        self,
        name: str,
        connect: Connect,
        bundle: Bundle,
        journal: Journal,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        tiers: Sequence[Tier] = ALL_TIERS,
        restarts: Restarts = Restarts(),  # noqa: B008 - frozen
        session: int = 0,
    ) -> None:
        self.name = name
        self._prober = Prober(name, bundle, tiers, clock_ns, session)
        self._pauses = list(restarts.pauses_s)
        self._started: ProberStarted | None = None
        self._earlier = (0, 0)  # records that were read of earlier sessions, and that are missing of them
        self._renewing = False
        self._connect, self._journal, self._clock_ns = connect, journal, clock_ns
        self._shell: Shell | None = None
        self._launch: asyncio.Task[dict[str, object]] | None = None
        self._watch: SpoolWatch | None = None
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._hushed = False

    @property
    def sampling(self) -> bool:
        """True once the first samples have come in."""
        return self._watch is not None and self._watch.sampled.is_set()

    @property
    def lost(self) -> str:
        """Why nothing more will come from here; empty while more may come."""
        watch = self._watch
        if watch is None or self._renewing or not watch.ended.is_set():
            return ""
        return watch.failure or watch.reader.ended

    async def prepare(self) -> Chosen:
        """Log in, and push the best program that works there. Raises ShellError."""
        self._journal.write(ChannelChanged(self.name, ChannelState.OPENING))
        self._shell, _ = await self._connect(5.0)
        return await self._prober.choose(self._shell)

    async def calibrate(self, plan: ProbePlan, seconds: float) -> Calibrated:
        """Try the prober out there with a plan, for so long. Raises ShellError without a channel only."""
        return await self._prober.calibrate(self._need_shell(), plan, seconds)

    async def launch(self, plan: ProbePlan, sees: Sequence[str] = (), cannot_see: Sequence[str] = ()) -> None:
        """Start the prober, detached; it samples from now on. Raises ShellError. `close` undoes it.

        `sees` and `cannot_see` go into the run's history.
        """
        self._prober.to_run(plan, sees, cannot_see)
        # In a task of its own: whether a prober runs after a launch that was broken off, nobody could say.
        self._launch = asyncio.create_task(self._prober.start(self._need_shell()), name=f"launch {self.name}")
        await asyncio.shield(self._launch)

    def follow(self) -> None:
        """Begin to tail the launched prober's spool; says that it runs unless `started` was asked for before."""
        told, started = self._started is not None, self.started()
        self._watch = watch = self._prober.watch(started, Place(), self._clock_ns())
        if not told:
            self._journal.write(started)
        self._task = asyncio.create_task(self._keep_tailing(watch), name=f"tail {self.name}")

    def started(self) -> ProberStarted:
        """What the run's history says of the launched prober, for whoever writes it together with other things."""
        if self._started is None:
            assert self._launch is not None  # noqa: S101 - launched before
            self._started = self._prober.told(self._launch.result())
        return self._started

    def rejoin(self, plan: ProbePlan, left: Left, *, hushed: bool) -> None:
        """Go on with a prober that another engine started; `plan` has its lanes and for how long it still may run.

        Nothing is pushed or started. While `hushed`, nobody talks to it until `wake`.
        """
        self._started = started = left.started
        self._prober.take_over(plan, started)
        self._earlier = sum(of.records for of in left.earlier), sum(of.missing for of in left.earlier)
        self._pauses = self._pauses[started.session :]
        self._watch = watch = self._prober.watch(started, left.place, left.since_ns)
        watch.epoch, watch.last_echo, watch.newest = left.epoch, left.last_echo, dict(left.newest)
        if watch.reader.ended:
            watch.ended.set()
        if hushed:
            self._hushed = True
        else:
            self._task = asyncio.create_task(self._keep_tailing(watch), name=f"tail {self.name}")

    @property
    def hushed(self) -> bool:
        """True from `hush` to `wake`."""
        return self._hushed

    async def hush(self) -> None:
        """Close the channel on purpose, connection and all, and open none until `wake`. The prober goes on (S11)."""
        if self._hushed or self._task is None or self._watch is None or self._watch.ended.is_set():
            return
        self._hushed = True
        self._up.clear()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._watch.ended.is_set():  # meanwhile: there is nothing to wake any more
            self._hushed = False
            return
        if self._shell is not None:
            shell, self._shell = self._shell, None
            await shell.close()
        self._journal.write(ChannelChanged(self.name, ChannelState.QUIET))

    def wake(self) -> None:
        """Talk to it again, and catch up with its spool. Does nothing when it is not hushed."""
        if not self._hushed or self._watch is None:
            return
        self._hushed = False
        self._journal.write(ChannelChanged(self.name, ChannelState.OPENING, "no longer quiet"))
        self._task = asyncio.create_task(self._keep_tailing(self._watch), name=f"tail {self.name}")

    async def collect(self, limit_s: float, hurry: asyncio.Event | None = None) -> SpoolCollected:
        """Stop the prober, read its spool to the end and remove it there; `hurry` cuts that short.

        Says what is missing; raises nothing but what the journal raises.
        """
        watch = self._watch
        if watch is None:
            collected = SpoolCollected(self.name, 0, 0, "never started")
            self._journal.write(collected)
            return collected
        self._prober.asked = True
        self.wake()
        hurry, asked_ns = hurry or asyncio.Event(), self._clock_ns()
        await self._read_to_the_end(watch, limit_s, hurry)
        reader = watch.reader
        missing = reader.gaps
        if not reader.ended:
            unread = reader.unread(watch.size)
            unseen = 0 if watch.failure else watch.due(asked_ns) - reader.taken  # it went on, and nobody knows how far
            missing += max(unread, unseen, 1)  # its end record, at least
        ended = reader.ended or watch.failure or (CUT_SHORT if hurry.is_set() else NOT_REACHED)
        records, lost = self._earlier
        collected = SpoolCollected(self.name, records + reader.records, lost + missing, ended)
        self._journal.write(collected)
        if missing == 0 and self._shell is not None:
            await self._prober.clean_up(self._shell)
        await self.close()
        return collected

    async def close(self) -> None:
        """Drop the channel. A prober that was launched and never followed is stopped; any other ends by itself."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        launch, self._launch = self._launch, None
        if launch is not None and self._watch is None:
            await asyncio.wait({launch}, timeout=LAUNCH_LIMIT_S)
            launch.cancel()
            await asyncio.gather(launch, return_exceptions=True)
            await self._ask_to_stop(5.0)
        if self._shell is not None:
            shell, self._shell = self._shell, None
            await shell.close()

    async def stop_leftovers(self, plan: ProbePlan) -> None:
        """Stop what an engine that is gone may have launched here before it could say so. Raises ShellError."""
        await self._prober.stop_leftovers(self._need_shell(), plan)

    def _need_shell(self) -> Shell:
        if self._shell is None:
            raise ShellError(f"{self.name}: no channel")
        return self._shell

    async def _read_to_the_end(self, watch: SpoolWatch, limit_s: float, hurry: asyncio.Event) -> None:
        waiting = [asyncio.create_task(event.wait()) for event in (watch.ended, hurry)]
        stopping = asyncio.create_task(self._stop())
        try:
            await asyncio.wait(waiting, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            if not (watch.reader.ended or stopping.done()):
                await self._ask_to_stop(2.0)  # a last time: it would go on for hours
        finally:
            for task in (*waiting, stopping):
                task.cancel()
            await asyncio.gather(*waiting, stopping, return_exceptions=True)

    async def _stop(self) -> None:
        """Until it was heard: with the channel away, the tail's own loop opens a new one."""
        while True:
            await self._up.wait()
            if await self._ask_to_stop(10.0):
                return
            self._up.clear()

    async def _ask_to_stop(self, limit_s: float) -> bool:
        return self._shell is not None and await self._prober.stop(self._shell, limit_s)

    async def _keep_tailing(self, watch: SpoolWatch) -> None:
        """Tail until the end record; open a new channel, or start a new prober, whenever the present one is gone."""
        while True:
            ended = ""
            try:
                try:
                    await self._tail_again_and_again(watch)
                except SpoolError as error:
                    ended = str(error).removeprefix(f"{self.name}: ")
                    if self._shell is not None and (ended == GONE or watch.refusals):
                        ended = await self._prober.explained(self._shell, ended)
                self._renewing = bool(why := self._why_next(watch, ended))
                fresh = await self._next_session(watch, why, ended) if why else None
            except Exception as error:  # the journal cannot be written, or a defect: whoever waits must hear of it
                watch.fail(f"{type(error).__name__}: {error}")
                raise
            finally:
                self._renewing = False
            if fresh is None:
                break
            watch = fresh
        if ended:
            watch.fail(ended)
        if watch.failure:
            self._journal.write(
                Notice(Level.ERROR, f"{self.name}: {watch.failure}: nothing more is measured from there")
            )
        self._journal.write(ChannelChanged(self.name, ChannelState.CLOSED, watch.failure))

    def _why_next(self, watch: SpoolWatch, ended: str) -> str:
        """What became of a prober in whose place another one is to be started; empty when none is."""
        if self._prober.asked or not self._pauses or self._prober.over:
            return ""
        return why_next(ended, watch.reader.ended)

    async def _next_session(self, watch: SpoolWatch, why: str, ended: str) -> SpoolWatch | None:
        """Start another prober with the same lanes; None when that did not work as often as it may be tried."""
        reader, told = watch.reader, ended or watch.reader.ended
        left_missing = reader.gaps + (0 if reader.ended else max(reader.unread(watch.size), 1))
        self._journal.write(Notice(Level.WARN, f"{self.name}: {told}: another prober is started there"))
        while self._pauses and not self._prober.asked:
            await asyncio.sleep(self._pauses.pop(0))
            try:
                if self._shell is None:
                    self._shell, _ = await reconnect(self._connect, self._warn)
                started = await self._prober.start_next(self._shell, watch, why)
            except (ShellError, OSError) as error:
                self._journal.write(Notice(Level.WARN, f"{self.name}: no prober could be started again: {error}"))
                if self._shell is not None:
                    self._shell.abort()
                    self._shell = None
                continue
            if started is None:
                return None
            left = SpoolLeft(self.name, watch.session, reader.records, left_missing, told)
            self._earlier = self._earlier[0] + left.records, self._earlier[1] + left.missing
            self._journal.write(left, started)
            fresh = self._prober.watch(started, Place(), self._clock_ns())
            fresh.sampled, fresh.newest = watch.sampled, watch.newest
            self._started, self._watch = started, fresh
            return fresh
        return None

    async def _tail_again_and_again(self, watch: SpoolWatch) -> None:
        lost_ns, detail, retry = 0, "", RETRY
        while not watch.ended.is_set():
            had = watch.reader.offset
            try:
                if self._shell is None:
                    self._shell, attempts = await reconnect(self._connect, self._warn)
                    took = f" after {(self._clock_ns() - lost_ns) / 1e9:.1f} s" if lost_ns else ""  # else it was quiet
                    detail = f"re-opened{took}, {attempts} attempts"
                await self._tail(self._shell, watch, detail)
            except (ShellError, FrameError, OSError, TimeoutError) as error:
                self._up.clear()
                lost_ns = self._clock_ns()
                why = str(error) or "silent for too long"
                self._journal.write(ChannelChanged(self.name, ChannelState.LOST, why[:300]))
                if why == CLOSED and watch.reader.offset == had and self._shell is not None:
                    await self._prober.check_disk(self._shell)  # a tail that could not even start
                if self._shell is not None:
                    self._shell.abort()
                    self._shell = None
                if watch.reader.offset > had:
                    retry = RETRY
                else:  # a channel that opened and brought nothing: do not spin
                    await asyncio.sleep(retry.pause_s)
                    retry = retry.longer()

    def _warn(self, text: str) -> None:
        self._journal.write(Notice(Level.WARN, f"{self.name} cannot be reached again: {text}"))

    async def _tail(self, shell: Shell, watch: SpoolWatch, detail: str) -> None:
        pipe = await self._prober.tail(shell, watch.reader.offset)
        try:
            self._journal.write(ChannelChanged(self.name, ChannelState.OPEN, detail))
            await TailSession(watch, pipe, self._journal, self._clock_ns).run(self._up.set)
        finally:
            pipe.abort()


__all__ = ["CUT_SHORT", "NOT_REACHED", "Connect", "VantageAgent"]
