# SPDX-License-Identifier: Apache-2.0
"""One vantage from first contact to the last record: push, start, tail, reconnect, stop, collect."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from csworkbench.model.event import ChannelChanged, ChannelState, ProberStarted, SpoolCollected
from csworkbench.model.protocols import Journal

from .bundle import PROBES_PACKAGE, Bundle
from .frames import FrameError
from .plan import ProbePlan
from .shell import Shell, ShellError
from .spool import RECORD, SpoolError, SpoolReader
from .tail import SpoolWatch, TailSession

HOME = ".cache/csworkbench"
NEXT_LOGIN_S = 2.0
LOGINS_AT_ONCE = 3
RECONNECT_LIMIT_S = 3600.0
PAUSE_S = 0.4

Connect = Callable[[float], Coroutine[Any, Any, tuple[Shell, int]]]  # limit in s -> (shell, attempts made)


@dataclass(frozen=True, slots=True)
class Facts:
    """What `check` said about a vantage; untrusted, so only these, typed and bounded."""

    python: str
    packet_socket: bool
    raw_socket: bool
    user: str


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
        self._watch: SpoolWatch | None = None
        self._folder = ""
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    @property
    def sampling(self) -> bool:
        """True once the first samples have come in."""
        return self._watch is not None and self._watch.sampled.is_set()

    async def prepare(self) -> Facts:
        """Log in, push the bundle unless that content is there, and ask what the vantage can do. Raises ShellError."""
        self._journal.write(ChannelChanged(self.name, ChannelState.OPENING))
        self._shell, _ = await self._connect(5.0)
        try:
            await self._push(self._shell)
            done = await self._shell.run(self._probe("check"))
        except ShellError:
            self._shell.abort()
            raise
        if done.status:
            raise ShellError(f"{self.name}: the probe program does not run there: {_last_line(done.err or done.out)}")
        return _facts(self.name, done.out)

    async def start(self, plan: ProbePlan) -> None:
        """Start the prober, detached, and begin to tail it. Raises ShellError."""
        shell = self._need_shell()
        self._folder = f"{HOME}/runs/{plan.run}"
        folder = f'"$HOME/{self._folder}"'
        made = await shell.run(f"umask 077 && mkdir -p {folder}")
        if made.status:
            raise ShellError(f"{self.name}: cannot make a folder there: {_last_line(made.err)}")
        await shell.put(plan.to_json().encode(), f"{self._folder}/plan.json")
        done = await shell.run(self._probe(f"run --plan {folder}/plan.json --spool {folder}/spool --detach"))
        answer = _json(done.out)
        if done.status or "error" in answer or "pid" not in answer:
            why = str(answer.get("error") or _last_line(done.err) or "no answer")[:300]
            raise ShellError(f"{self.name}: the prober did not start: {why}")
        reader = SpoolReader(self.name, frozenset(plan.lane_ids), bytes.fromhex(plan.run))
        self._watch = watch = SpoolWatch(self.name, reader)
        self._journal.write(
            ProberStarted(
                self.name,
                _int(answer, "pid"),
                _int(answer, "start_mono"),
                _int(answer, "start_real"),
                tier="raw sockets",
                bundle=self._bundle.digest,
            )
        )
        self._task = asyncio.create_task(self._keep_tailing(watch), name=f"tail {self.name}")

    async def collect(self, limit_s: float) -> SpoolCollected:
        """Stop the prober, read its spool to the end and remove it there. Never raises: says what is missing."""
        watch = self._watch
        if watch is None:
            collected = SpoolCollected(self.name, 0, 0, "never started")
            self._journal.write(collected)
            return collected
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._stop(watch)
                await watch.ended.wait()
        missing = watch.reader.gaps
        if not watch.reader.ended:
            missing += max((watch.size - watch.reader.offset) // RECORD.size, 0)
            if watch.alive:
                missing = max(missing, 1)  # its end record, at least
        ended = watch.reader.ended or watch.failure or "not reached"
        collected = SpoolCollected(self.name, watch.reader.records, missing, ended)
        self._journal.write(collected)
        if missing == 0:
            await self._clean_up()
        await self.close()
        return collected

    async def close(self) -> None:
        """Drop the channel; the prober, if it still runs, ends by itself."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._shell is not None:
            await self._shell.close()
            self._shell = None

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
            raise ShellError(f"{self.name}: could not unpack the probe program: {_last_line(done.err)}")

    async def _stop(self, watch: SpoolWatch) -> None:
        while not watch.ended.is_set():
            await self._up.wait()
            try:
                await self._need_shell().run(self._probe(f'stop --spool "$HOME/{self._folder}/spool"'), timeout_s=10)
            except ShellError:
                self._up.clear()  # the tail's own loop opens a new channel
                continue
            return

    async def _clean_up(self) -> None:
        try:
            await self._need_shell().run(f'rm -rf "$HOME/{self._folder}"', timeout_s=5)
        except ShellError:
            return  # the prober removes old spools at its next start

    async def _keep_tailing(self, watch: SpoolWatch) -> None:
        """Tail until the end record; open a new channel whenever the present one falls silent."""
        lost_ns, detail = 0, ""
        try:
            while not watch.ended.is_set():
                try:
                    if self._shell is None:
                        self._shell, attempts = await self._reconnect()
                        away_s = (self._clock_ns() - lost_ns) / 1e9
                        detail = f"re-opened after {away_s:.1f} s, {attempts} attempts"
                    await self._tail(self._shell, watch, detail)
                except (ShellError, FrameError, OSError, TimeoutError) as error:
                    self._up.clear()
                    lost_ns = lost_ns if self._shell is None else self._clock_ns()
                    if self._shell is not None:
                        why = str(error) or "silent for too long"
                        self._journal.write(ChannelChanged(self.name, ChannelState.LOST, why[:300]))
                        self._shell.abort()
                        self._shell = None
        except SpoolError as error:
            watch.fail(str(error))
        self._journal.write(ChannelChanged(self.name, ChannelState.CLOSED, watch.failure))

    async def _reconnect(self) -> tuple[Shell, int]:
        """A new channel as soon as there can be one.

        A login may hang on a path that broke again under it, so another one is begun beside it after a while.
        """
        logins: set[asyncio.Task[tuple[Shell, int]]] = set()
        begun = 0
        try:
            while True:
                if len(logins) < LOGINS_AT_ONCE:
                    logins.add(asyncio.create_task(self._connect(RECONNECT_LIMIT_S)))
                    begun += 1
                done, logins = await asyncio.wait(logins, timeout=NEXT_LOGIN_S, return_when=asyncio.FIRST_COMPLETED)
                good = [task.result() for task in done if task.exception() is None]
                for shell, _ in good[1:]:
                    shell.abort()
                if good:
                    return good[0][0], good[0][1] + begun - 1
                if done:  # refused at once: do not spin
                    await asyncio.sleep(PAUSE_S)
        finally:
            for task in logins:
                task.cancel()
            for result in await asyncio.gather(*logins, return_exceptions=True):
                if not isinstance(result, BaseException):
                    result[0].abort()

    async def _tail(self, shell: Shell, watch: SpoolWatch, detail: str) -> None:
        command = self._probe(f'tail --spool "$HOME/{self._folder}/spool" --offset {watch.reader.offset}')
        pipe = await shell.open(command)
        try:
            self._journal.write(ChannelChanged(self.name, ChannelState.OPEN, detail))
            await TailSession(watch, pipe, self._journal, self._clock_ns).run(self._up.set)
        finally:
            pipe.abort()


def _json(text: str) -> dict[str, object]:
    try:
        value = json.loads(text.strip().splitlines()[-1][:4096]) if text.strip() else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _int(answer: dict[str, object], key: str) -> int:
    value = answer.get(key)
    return value if isinstance(value, int) and 0 <= value < 1 << 63 else 0


def _facts(name: str, out: str) -> Facts:
    answer = _json(out)
    if "python" not in answer:
        raise ShellError(f"{name}: the probe program's check gave no answer")
    return Facts(
        str(answer["python"])[:40],
        answer.get("packet_socket") is True,
        answer.get("raw_socket") is True,
        str(answer.get("user", ""))[:64],
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "no message"
