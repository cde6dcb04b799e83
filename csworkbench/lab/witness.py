# SPDX-License-Identifier: Apache-2.0
"""An independent witness: probes every service finely from inside the namespaces and says what was really down.

It shares no code with the probes and the measurement of the workbench, so that the two can be held against each other.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path as File
from typing import Any

from csworkbench.lab import wire
from csworkbench.lab.hosts import Host, LabError, Running
from csworkbench.lab.witness_paths import Path, Session

ANSWER_LIMIT_S = 10.0
_END_LIMIT_S = 300.0
_LONGEST_LINE = 1 << 24


@dataclass(frozen=True, slots=True)
class OutageTruth:
    """Bounds of both ends on the host's CLOCK_MONOTONIC; `end_ns` None: it had not ended."""

    start_ns: tuple[int, int]
    end_ns: tuple[int, int] | None
    reason: str
    """Of the first lost probe: timeout, refused, reset, unreachable or wrong-content."""


@dataclass(frozen=True, slots=True)
class PathTruth:
    """What was down on a path; `down_ms` is the estimate of the sum, `low_ms` and `high_ms` its bounds."""

    path: Path
    sent: int
    lost: int
    down_ms: float
    longest_ms: float
    low_ms: float
    high_ms: float
    blind_ms: float
    """Time without samples: the witness did not get to run."""
    unknown: int
    """Probes that the witness spoiled itself."""
    count: int
    """Outages; of very many only the first thousand are listed."""
    outages: tuple[OutageTruth, ...]

    def line(self) -> dict[str, Any]:
        """As `lab truth` prints it."""
        path = self.path
        known = asdict(self)
        del known["path"]
        where = {"path": path.name, "target": path.target, "vantage": path.vantage, "period_ms": path.period_ms}
        return {**where, **known, "clock": "monotonic"}


@dataclass(frozen=True, slots=True)
class SessionTruth:
    """How a long session fared; lost by `reset` (the connection ended) or `stalled`."""

    session: Session
    alive: bool
    reason: str | None
    longest_gap_ms: float

    def line(self) -> dict[str, Any]:
        """As `lab truth` prints it."""
        session = self.session
        where = {"session": session.name, "target": session.target, "vantage": session.vantage}
        return {**where, "alive": self.alive, "reason": self.reason, "longest_gap_ms": self.longest_gap_ms}


@dataclass(frozen=True, slots=True)
class VantageTruth:
    """What the witness itself was like on one host; `stalled_ms`: it wanted to run and did not."""

    vantage: str
    cpu_percent: float
    stalled_ms: float

    def line(self) -> dict[str, Any]:
        """As `lab truth` prints it."""
        return {"witness": self.vantage, "cpu_percent": self.cpu_percent, "stalled_ms": self.stalled_ms}


@dataclass(frozen=True, slots=True)
class Truth:
    """All that a witness says."""

    paths: list[PathTruth]
    sessions: list[SessionTruth]
    vantages: list[VantageTruth]

    def lines(self) -> list[dict[str, Any]]:
        """As `lab truth` prints it."""
        items: list[PathTruth | SessionTruth | VantageTruth] = [*self.paths, *self.sessions, *self.vantages]
        return [item.line() for item in items]


class Witness:
    """Watches paths and sessions between `start` and `stop`. `host` finds a host; `key`: the tenant user's SSH key."""

    def __init__(
        self,
        host: Callable[[str], Host],
        paths: Sequence[Path],
        sessions: Sequence[Session] = (),
        key: File | None = None,
    ) -> None:
        secret = "" if key is None else key.read_text()
        servers = [session.server for session in sessions if session.server is not None]
        names = dict.fromkeys([*servers, *(path.vantage for path in paths), *(session.vantage for session in sessions)])
        self._observers = [
            _Observer(
                host,
                name,
                [path for path in paths if path.vantage == name],
                [session for session in sessions if session.vantage == name],
                next((session.port for session in sessions if session.server == name), None),
                secret,
            )
            for name in names
        ]

    async def start(self, limit_s: float = ANSWER_LIMIT_S) -> None:
        """Returns when each path and session has answered; raises LabError that names those which have not."""
        try:
            async with asyncio.timeout(limit_s):
                for observer in self._observers:  # servers come first
                    await observer.start()
                await asyncio.gather(*(observer.answered() for observer in self._observers))
        except TimeoutError:
            silent = ", ".join(name for observer in self._observers for name in observer.silent())
            await self.kill()
            raise LabError(f"the witness has no answer within {limit_s:g} s from {silent}") from None
        except BaseException:
            await self.kill()
            raise

    async def known(self) -> Truth:
        """What it has seen so far. Raises LabError when it is gone."""
        return self._truth(await asyncio.gather(*(observer.known() for observer in self._observers)))

    async def stop(self) -> Truth:
        """End it. Waits until every probe is settled, and for sessions up to twice the longest outage and 2 s."""
        reports: dict[str, dict[str, Any]] = {}
        try:
            for servers in (False, True):  # a session outlives the last probe: whom it talks to ends last
                ending = [observer for observer in self._observers if observer.serves is servers]
                ended = await asyncio.gather(*(observer.stop() for observer in ending))
                reports |= {observer.name: report for observer, report in zip(ending, ended, strict=True)}
        except LabError:
            await self.kill()
            raise
        return self._truth([reports[observer.name] for observer in self._observers])

    async def kill(self) -> None:
        """End it without a word."""
        for observer in self._observers:
            await observer.kill()

    def pids(self) -> dict[str, int]:
        """Its process on each vantage, by that host's own numbering."""
        return {observer.name: observer.pid for observer in self._observers}

    def _truth(self, reports: Sequence[dict[str, Any]]) -> Truth:
        pairs = list(zip(self._observers, reports, strict=True))
        return Truth(
            [
                _path_truth(path, said)
                for observer, report in pairs
                for path, said in zip(observer.paths, report["paths"], strict=True)
            ],
            [
                SessionTruth(session, **said)
                for observer, report in pairs
                for session, said in zip(observer.sessions, report["sessions"], strict=True)
            ],
            [VantageTruth(observer.name, report["cpu_percent"], report["stalled_ms"]) for observer, report in pairs],
        )


class _Observer:
    """The witness's process on one host."""

    def __init__(
        self,
        host: Callable[[str], Host],
        name: str,
        paths: list[Path],
        sessions: list[Session],
        echo_port: int | None,
        key: str,
    ) -> None:
        self.name, self.paths, self.sessions = name, paths, sessions
        self._host, self._echo_port, self._key = host, echo_port, key
        self.serves = echo_port is not None
        self._running: Running | None = None
        self._lines = asyncio.StreamReader(limit=_LONGEST_LINE)
        self._transport: asyncio.ReadTransport | None = None
        self._input = self._errors = -1
        self._silent = set(range(len(paths) + len(sessions)))

    @property
    def pid(self) -> int:
        """Raises LabError when it does not run."""
        if self._running is None:
            raise LabError(f"no witness runs at {self.name}")
        return self._running.pid

    def silent(self) -> list[str]:
        """Who has not answered yet."""
        items: list[Path | Session] = [*self.paths, *self.sessions]
        return [f"{items[index].name} ({self.name} to {items[index].target})" for index in sorted(self._silent)]

    async def start(self) -> None:
        """Returns when its echo server, if it has one, listens."""
        their_input, self._input = os.pipe2(os.O_CLOEXEC)
        output, their_output = os.pipe2(os.O_CLOEXEC)
        self._errors = os.memfd_create("witness", os.MFD_CLOEXEC)
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._lines), os.fdopen(output, "rb", buffering=0)
        )
        try:
            self._running = await self._host(self.name).serve(
                "witness",
                [their_input, their_output, self._errors],
                paths=[asdict(path) for path in self.paths],
                sessions=[asdict(session) for session in self.sessions],
                echo_port=self._echo_port,
                key=self._key,
            )
        finally:
            wire.close_all([their_input, their_output])
        await self._line()

    async def answered(self) -> None:
        """Returns when each path has answered once."""
        while self._silent:
            self._silent.discard((await self._line())["answered"])

    async def known(self) -> dict[str, Any]:
        """The report so far."""
        try:
            os.write(self._input, b"?\n")
        except OSError as error:
            raise self._gone() from error
        return await self._line()

    async def stop(self) -> dict[str, Any]:
        """The last report, when the process has ended."""
        os.close(self._input)
        self._input = -1
        try:
            async with asyncio.timeout(_END_LIMIT_S):
                report = await self._line()
        except TimeoutError:
            raise LabError(f"the witness at {self.name} does not end") from None
        await self.kill()
        return report

    async def kill(self) -> None:
        """End the process, if there is one."""
        running, self._running = self._running, None
        if running is not None:
            await running.kill()
            await running.ended()
        if self._transport is not None:
            self._transport.close()
        wire.close_all([descriptor for descriptor in (self._input, self._errors) if descriptor >= 0])
        self._input = self._errors = -1

    async def _line(self) -> dict[str, Any]:
        line = await self._lines.readline()
        if not line:
            raise self._gone()
        return dict(json.loads(line))

    def _gone(self) -> LabError:
        words = os.pread(self._errors, 4096, 0).decode(errors="replace").split("\n")[0]
        return LabError(f"the witness at {self.name} ended: {words or 'its host is gone'}")


def _path_truth(path: Path, said: dict[str, Any]) -> PathTruth:
    outages = tuple(
        OutageTruth(
            (item["start_ns"][0], item["start_ns"][1]),
            None if item["end_ns"] is None else (item["end_ns"][0], item["end_ns"][1]),
            item["reason"],
        )
        for item in said["outages"]
    )
    return PathTruth(path, **{**said, "outages": outages})
