# SPDX-License-Identifier: Apache-2.0
"""One vantage from first contact to the last record: push, start, tail, reconnect, stop, collect."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from csworkbench.model.event import ChannelChanged, ChannelState, Level, Notice, ProberStarted, SpoolCollected
from csworkbench.model.protocols import Journal

from .answers import Facts, facts, last_line, last_object, number
from .bundle import PROBES_PACKAGE, Bundle
from .frames import FrameError
from .plan import ProbePlan
from .reconnect import RETRY, Connect, reconnect
from .shell import Shell, ShellError
from .spool import HEADER, RECORD, SpoolError, SpoolReader
from .tail import SpoolWatch, TailSession

HOME = ".cache/csworkbench"
NOT_REACHED = "not reached"
CUT_SHORT = "collecting was cut short"
LAUNCH_LIMIT_S = 5.0  # how long a launch that nobody wants any more may take, so that its prober can be stopped


class VantageAgent:
    """Runs the probe program on one vantage. Its events go to the journal; losing the channel loses no sample (S10)."""

    def __init__(
        self,
        name: str,
        connect: Connect,
        bundle: Bundle,
        journal: Journal,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name = name
        self._connect, self._bundle, self._journal, self._clock_ns = connect, bundle, journal, clock_ns
        self._shell: Shell | None = None
        self._plan: ProbePlan | None = None
        self._launch: asyncio.Task[dict[str, object]] | None = None
        self._watch: SpoolWatch | None = None
        self._folder = ""
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    @property
    def sampling(self) -> bool:
        """True once the first samples have come in."""
        return self._watch is not None and self._watch.sampled.is_set()

    @property
    def lost(self) -> str:
        """Why nothing more will come from here; empty while more may come."""
        watch = self._watch
        return (watch.failure or watch.reader.ended) if watch is not None and watch.ended.is_set() else ""

    async def prepare(self) -> Facts:
        """Log in, push the bundle unless that content is there, and ask what the vantage can do. Raises ShellError."""
        self._journal.write(ChannelChanged(self.name, ChannelState.OPENING))
        self._shell, _ = await self._connect(5.0)
        await self._push(self._shell)
        done = await self._shell.run(self._probe("check"))
        if done.status:
            raise ShellError(f"{self.name}: the probe program does not run there: {last_line(done.err or done.out)}")
        return facts(self.name, done.out)

    async def launch(self, plan: ProbePlan) -> None:
        """Start the prober, detached; it samples from now on. Raises ShellError. `close` undoes it."""
        self._plan = plan
        # In a task of its own: whether a prober runs after a launch that was broken off, nobody could say.
        self._launch = asyncio.create_task(self._start_prober(self._need_shell(), plan), name=f"launch {self.name}")
        await asyncio.shield(self._launch)

    def follow(self) -> None:
        """Begin to tail the launched prober's spool."""
        assert self._plan is not None and self._launch is not None  # noqa: S101 - launched before
        answer, plan = self._launch.result(), self._plan
        reader = SpoolReader(self.name, frozenset(plan.lane_ids), bytes.fromhex(plan.run))
        self._watch = watch = SpoolWatch(self.name, reader, plan.records_per_s, self._clock_ns())
        self._journal.write(
            ProberStarted(
                self.name,
                number(answer, "pid"),
                number(answer, "start_mono"),
                number(answer, "start_real"),
                tier="raw sockets",
                bundle=self._bundle.digest,
            )
        )
        self._task = asyncio.create_task(self._keep_tailing(watch), name=f"tail {self.name}")

    async def collect(self, limit_s: float, hurry: asyncio.Event | None = None) -> SpoolCollected:
        """Stop the prober, read its spool to the end and remove it there; `hurry` cuts that short.

        Says what is missing; raises nothing but what the journal raises.
        """
        watch = self._watch
        if watch is None:
            collected = SpoolCollected(self.name, 0, 0, "never started")
            self._journal.write(collected)
            return collected
        hurry, asked_ns = hurry or asyncio.Event(), self._clock_ns()
        await self._read_to_the_end(watch, limit_s, hurry)
        reader = watch.reader
        missing = reader.gaps
        if not reader.ended:
            unread = max(watch.size - max(reader.offset, HEADER.size), 0) // RECORD.size
            unseen = 0 if watch.failure else watch.due(asked_ns) - reader.taken  # it went on, and nobody knows how far
            missing += max(unread, unseen, 1)  # its end record, at least
        ended = reader.ended or watch.failure or (CUT_SHORT if hurry.is_set() else NOT_REACHED)
        collected = SpoolCollected(self.name, reader.records, missing, ended)
        self._journal.write(collected)
        if missing == 0:
            await self._clean_up()
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

    def _need_shell(self) -> Shell:
        if self._shell is None:
            raise ShellError(f"{self.name}: no channel")
        return self._shell

    def _probe(self, words: str) -> str:
        return f'PYTHONPATH="$HOME/{HOME}/{self._bundle.digest}" exec python3 -m {PROBES_PACKAGE} {words}'

    async def _push(self, shell: Shell) -> None:
        digest = self._bundle.digest
        there = await shell.run(f'umask 077; mkdir -p "$HOME/{HOME}"; test -f "$HOME/{HOME}/{digest}/.complete"')
        if there.status == 0:
            return
        await shell.put(self._bundle.archive, f"{HOME}/{digest}.part")
        # Unpacked aside and moved in one step: two runs that push at once must not mix their files.
        unpack = (
            f'cd "$HOME/{HOME}" && t=$(mktemp -d ./unpack.XXXXXX) && gzip -dc {digest}.part | tar xf - -C "$t"'
            f' && : > "$t/.complete" && {{ mv "$t" {digest} 2>/dev/null || rm -rf "$t"; }}; rm -f {digest}.part;'
            f" test -f {digest}/.complete"
        )
        done = await shell.run(unpack, timeout_s=60)
        if done.status:
            raise ShellError(f"{self.name}: could not unpack the probe program: {last_line(done.err)}")

    async def _start_prober(self, shell: Shell, plan: ProbePlan) -> dict[str, object]:
        self._folder = f"{HOME}/runs/{plan.run}"
        folder = f'"$HOME/{self._folder}"'
        made = await shell.run(f"umask 077 && mkdir -p {folder}")
        if made.status:
            raise ShellError(f"{self.name}: cannot make a folder there: {last_line(made.err)}")
        await shell.put(plan.to_json().encode(), f"{self._folder}/plan.json")
        done = await shell.run(self._probe(f"run --plan {folder}/plan.json --spool {folder}/spool --detach"))
        answer = last_object(done.out)
        if done.status or "error" in answer or "pid" not in answer:
            why = str(answer.get("error") or "")[:300] or last_line(done.err)
            raise ShellError(f"{self.name}: the prober did not start: {why}")
        return answer

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
        with contextlib.suppress(ShellError):
            await self._need_shell().run(self._probe(f'stop --spool "$HOME/{self._folder}/spool"'), timeout_s=limit_s)
            return True
        return False

    async def _clean_up(self) -> None:
        with contextlib.suppress(ShellError):  # else the prober removes old spools at its next start
            await self._need_shell().run(f'rm -rf "$HOME/{self._folder}"', timeout_s=5)

    async def _keep_tailing(self, watch: SpoolWatch) -> None:
        """Tail until the end record; open a new channel whenever the present one falls silent."""
        try:
            await self._tail_again_and_again(watch)
        except SpoolError as error:
            watch.fail(str(error).removeprefix(f"{self.name}: "))
        except Exception as error:  # the journal cannot be written, or a defect: whoever waits must hear of it
            watch.fail(f"{type(error).__name__}: {error}")
            raise
        if watch.failure:
            self._journal.write(
                Notice(Level.ERROR, f"{self.name}: {watch.failure}: nothing more is measured from there")
            )
        self._journal.write(ChannelChanged(self.name, ChannelState.CLOSED, watch.failure))

    async def _tail_again_and_again(self, watch: SpoolWatch) -> None:
        lost_ns, detail, retry = 0, "", RETRY
        while not watch.ended.is_set():
            had = watch.reader.offset
            try:
                if self._shell is None:
                    self._shell, attempts = await reconnect(self._connect, self._warn)
                    detail = f"re-opened after {(self._clock_ns() - lost_ns) / 1e9:.1f} s, {attempts} attempts"
                await self._tail(self._shell, watch, detail)
            except (ShellError, FrameError, OSError, TimeoutError) as error:
                self._up.clear()
                lost_ns = self._clock_ns()
                why = str(error) or "silent for too long"
                self._journal.write(ChannelChanged(self.name, ChannelState.LOST, why[:300]))
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
        command = self._probe(f'tail --spool "$HOME/{self._folder}/spool" --offset {watch.reader.offset}')
        pipe = await shell.open(command)
        try:
            self._journal.write(ChannelChanged(self.name, ChannelState.OPEN, detail))
            await TailSession(watch, pipe, self._journal, self._clock_ns).run(self._up.set)
        finally:
            pipe.abort()


__all__ = ["CUT_SHORT", "NOT_REACHED", "Connect", "Facts", "VantageAgent"]
