# SPDX-License-Identifier: Apache-2.0
"""One vantage from first contact to the last record: push, start, tail, reconnect, stop, collect."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from shlex import quote

from csworkbench.model.event import (
    Body,
    ChannelChanged,
    ChannelState,
    ClockEcho,
    ProberStarted,
    SamplesArrived,
    SpoolCollected,
)
from csworkbench.model.protocols import Journal

from .bundle import PROBES_PACKAGE, Bundle
from .frames import Data, Echo, Ended, FrameError, FrameParser, Heartbeat
from .plan import ProbePlan
from .shell import Pipe, Shell, ShellError
from .spool import HEADER, RECORD, SpoolError, SpoolReader

HOME = ".cache/csworkbench"
ECHO_EVERY_S = 1.0
FIRST_ECHOES = 8  # one right after the other, so that the first samples can be placed at once
SILENCE_S = 1.6  # the tail says something each 0.5 s; three times nothing is a lost channel
FLUSH_EVERY_S = 0.2
NEXT_LOGIN_S = 2.0
LOGINS_AT_ONCE = 3
RECONNECT_LIMIT_S = 3600.0
PAUSE_S = 0.4

Connect = Callable[[float], Awaitable[tuple[Shell, int]]]  # limit in s -> (shell, attempts made)


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
        self._reader: SpoolReader | None = None
        self._folder = ""
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._up = asyncio.Event()
        self._first_sample = asyncio.Event()
        self._spool_size = 0
        self._prober_alive = True
        self._failure = ""

    @property
    def sampling(self) -> bool:
        """True once the first samples have come in."""
        return self._first_sample.is_set()

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
        self._reader = SpoolReader(self.name, frozenset(plan.lane_ids), bytes.fromhex(plan.run))
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
        self._task = asyncio.create_task(self._keep_tailing(), name=f"tail {self.name}")

    async def collect(self, limit_s: float) -> SpoolCollected:
        """Stop the prober, read its spool to the end and remove it there. Never raises: says what is missing."""
        deadline = asyncio.get_running_loop().time() + limit_s
        try:
            async with asyncio.timeout_at(deadline):
                await self._stop()
                await self._ended.wait()
        except TimeoutError:
            pass
        reader = self._reader
        records = reader.records if reader else 0
        missing = reader.gaps if reader else 0
        if reader is not None and not reader.ended:
            missing += max((self._spool_size - reader.offset) // RECORD.size, 0)
            if self._prober_alive:
                missing = max(missing, 1)  # its end record, at least
        ended = (reader.ended if reader else "") or self._failure or "not reached"
        collected = SpoolCollected(self.name, records, missing, ended)
        self._journal.write(collected)
        if missing == 0 and self._folder:
            await self._clean_up()
        await self.close()
        return collected

    async def close(self) -> None:
        """Drop the channel; the prober, if it still runs, ends by itself."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._shell is not None:
            self._shell.abort()
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

    async def _stop(self) -> None:
        while not self._ended.is_set():
            await self._up.wait()
            try:
                await self._need_shell().run(self._probe(f'stop --spool "$HOME/{self._folder}/spool"'), timeout_s=10)
            except ShellError:
                self._up.clear()  # the tail's own loop opens a new channel
                continue
            return

    async def _clean_up(self) -> None:
        try:
            await self._need_shell().run(f"rm -rf {quote(self._folder)}", timeout_s=5)
        except ShellError:
            return  # the prober removes old spools at its next start

    async def _keep_tailing(self) -> None:
        """Tail until the end record; open a new channel whenever the present one falls silent."""
        lost_ns, detail = 0, ""
        try:
            while not self._ended.is_set():
                try:
                    if self._shell is None:
                        self._shell, attempts = await self._reconnect()
                        away_s = (self._clock_ns() - lost_ns) / 1e9
                        detail = f"re-opened after {away_s:.1f} s, {attempts} attempts"
                    await self._tail(self._shell, detail)
                except (ShellError, FrameError, OSError, TimeoutError) as error:
                    self._up.clear()
                    lost_ns = lost_ns if self._shell is None else self._clock_ns()
                    if self._shell is not None:
                        why = str(error) or "silent for too long"
                        self._journal.write(ChannelChanged(self.name, ChannelState.LOST, why[:300]))
                        self._shell.abort()
                        self._shell = None
        except SpoolError as error:
            self._failure = str(error)
            self._ended.set()
        self._journal.write(ChannelChanged(self.name, ChannelState.CLOSED, self._failure))

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

    async def _tail(self, shell: Shell, detail: str) -> None:
        assert self._reader is not None  # noqa: S101 - start() made it
        command = self._probe(f'tail --spool "$HOME/{self._folder}/spool" --offset {self._reader.offset}')
        pipe = await shell.open(command)
        session = _TailSession(self, pipe)
        try:
            self._journal.write(ChannelChanged(self.name, ChannelState.OPEN, detail))
            await session.run(self._up.set)
        finally:
            pipe.abort()


class _TailSession:
    """One open tail: frames in, echoes out."""

    def __init__(self, agent: VantageAgent, pipe: Pipe) -> None:
        self._agent, self._pipe = agent, pipe
        self._parser = FrameParser()
        self._asked: dict[int, int] = {}
        self._token = 0
        self._held: dict[int, list[SamplesArrived]] = {}
        self._held_since = 0.0

    async def run(self, on_open: Callable[[], None]) -> None:
        """Read until the spool has ended. Raises ShellError, OSError, FrameError or TimeoutError when it broke."""
        loop = asyncio.get_running_loop()
        await self._ask()
        echo_due = loop.time() + ECHO_EVERY_S
        read = asyncio.create_task(self._pipe.read())
        heard = loop.time()
        try:
            while not self._agent._ended.is_set():
                wait_s = min(echo_due, heard + SILENCE_S, self._flush_due(loop.time())) - loop.time()
                await asyncio.wait({read}, timeout=max(wait_s, 0.0))
                now = loop.time()
                if read.done():
                    data = read.result()
                    if not data:
                        raise ShellError("the channel was closed")
                    heard = now
                    received_ns = self._agent._clock_ns()
                    for frame in self._parser.feed(data):
                        on_open()
                        await self._take(frame, received_ns)
                    read = asyncio.create_task(self._pipe.read())
                elif now >= heard + SILENCE_S:
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
        self._asked = {self._token: self._agent._clock_ns()}
        await self._pipe.write(b"E %d\n" % self._token)

    async def _take(self, frame: Data | Echo | Heartbeat | Ended, received_ns: int) -> None:
        agent = self._agent
        match frame:
            case Data(offset, data):
                assert agent._reader is not None  # noqa: S101
                for body in agent._reader.feed(offset, data):
                    self._hold(body)
                agent._spool_size = max(agent._spool_size, offset + len(data))
                if agent._reader.ended:
                    self._flush()
                    agent._ended.set()
            case Echo(token, remote_ns, real_ns):
                asked_ns = self._asked.pop(token, None)
                if asked_ns is not None:
                    agent._journal.write(ClockEcho(agent.name, asked_ns, received_ns, remote_ns, real_ns))
                if self._token < FIRST_ECHOES:
                    await self._ask()
            case Heartbeat(size, alive):
                agent._spool_size, agent._prober_alive = size, alive
                reader = agent._reader
                if not alive and reader is not None and reader.offset >= size >= HEADER.size and not reader.ended:
                    agent._failure = "the prober was gone"
                    self._flush()
                    agent._ended.set()
            case Ended(text):
                raise ShellError(text)

    def _hold(self, body: Body) -> None:
        """Samples are held back a little so that a busy run writes fewer, larger batches."""
        if not isinstance(body, SamplesArrived):
            self._agent._journal.write(body)
            return
        if not self._held:
            self._held_since = asyncio.get_running_loop().time()
        self._held.setdefault(body.lane, []).append(body)

    def _flush_due(self, now: float) -> float:
        return self._held_since + FLUSH_EVERY_S if self._held else now + ECHO_EVERY_S

    def _flush(self) -> None:
        held, self._held = self._held, {}
        for lane, parts in held.items():
            self._agent._journal.write(SamplesArrived(lane, tuple(s for part in parts for s in part.samples)))
        if held:
            self._agent._first_sample.set()


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
