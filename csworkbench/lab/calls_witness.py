# SPDX-License-Identifier: Apache-2.0
"""The witness inside a host: one process that probes all paths of that host until its standard input ends."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from csworkbench.lab.witness_asking import Dns, Http
from csworkbench.lab.witness_loop import Loop
from csworkbench.lab.witness_outages import report
from csworkbench.lab.witness_probes import Prober
from csworkbench.lab.witness_raw import Echo, Echoes, HalfOpen, Syn
from csworkbench.lab.witness_sessions import EchoServer, EchoSession, Session, SshSession

_GRACE_NS = 2_000_000_000
_LONGEST_SILENCE_NS = 120_000_000_000
"""Until a silent session counts as lost: TCP comes back up to twice as late as its path, and a little more."""
_F_SETPIPE_SZ, _PIPE_BYTES = 1031, 1 << 20


def witness(paths: list[dict[str, Any]], sessions: list[dict[str, Any]], echo_port: int | None, key: str) -> str:
    """Probe until standard input ends; returns the report. A line on it asks for a report so far.

    `paths` and `sessions`: the fields of `witness_paths.Path` and `.Session`. Writes JSON lines to standard output:
    `{"ready": true}` when it listens, `{"answered": index}` when a path (sessions after the paths) has answered for the
    first time, and the reports that it is asked for. Stamps are on the host's CLOCK_MONOTONIC. Raises OSError.
    """
    Path("/proc/self/comm").write_text("lab-witness")  # what `ps` shows
    with suppress(OSError):
        fcntl.fcntl(1, _F_SETPIPE_SZ, _PIPE_BYTES)  # a reader that is busy must not hold up the probing
    observer = _Observer(echo_port)
    key_file = Path(f"/run/witness-{os.getpid()}.key")
    descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # ssh refuses what others may read
    with os.fdopen(descriptor, "w") as stream:
        stream.write(key)
    try:
        observer.begin(paths, sessions, key_file)
        observer.run()
        return json.dumps(observer.report())
    finally:
        key_file.unlink()
        observer.close()


def clock_shift_ns() -> int:
    """By how much CLOCK_MONOTONIC is ahead here of where no time namespace shifts it."""
    for line in Path("/proc/self/timens_offsets").read_text().splitlines():
        clock, seconds, nanoseconds = line.split()
        if clock in ("monotonic", "1"):
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return 0


class _Observer:
    """All probers and sessions of this host."""

    def __init__(self, echo_port: int | None) -> None:
        self._loop = Loop()
        self._shift_ns = clock_shift_ns()
        self._probers: list[Prober] = []
        self._sessions: list[Session] = []
        self._waiting: set[int] = set()
        self._begun_ns = time.monotonic_ns()
        self._stopping = False
        if echo_port is not None:
            EchoServer(self._loop, echo_port)
        _tell({"ready": True})

    def begin(self, paths: list[dict[str, Any]], sessions: list[dict[str, Any]], key_file: Path) -> None:
        """Schedule everything."""
        kinds = {path["kind"] for path in paths}
        echoes = Echoes(self._loop) if kinds & {"echo", "echo_same"} else None
        half_open = HalfOpen(self._loop) if "syn" in kinds else None
        for path in paths:
            prober = self._prober(path, echoes, half_open)
            self._probers.append(prober)
            self._loop.sweeps.append(prober.sweep)
            self._loop.every(int(path["period_ms"] * 1e6), prober.fire)
        for session in sessions:
            self._sessions.append(self._session(session, key_file))
        self._waiting = set(range(len(paths) + len(sessions)))
        self._loop.sweeps.append(self._tell_answered)
        self._loop.every(10_000_000, lambda: None)  # the loop turns though there may be nothing to send
        os.set_blocking(0, False)
        self._loop.watch(0, self._asked)

    def run(self) -> None:
        """Until told to stop; then until all that is under way is settled and each session has shown how it is."""
        while not self._stopping:
            self._loop.turn()
        stop_ns = time.monotonic_ns()
        for session in self._sessions:
            session.stop_ns = stop_ns
        for prober in self._probers:
            prober.stop()
        longest_ns = max((prober.fold.totals().longest_ns for prober in self._probers), default=0)
        silence_ns = min(_LONGEST_SILENCE_NS, 2 * longest_ns + _GRACE_NS)
        while not (
            all(prober.idle for prober in self._probers)
            and all(session.is_over(silence_ns) for session in self._sessions)
        ):
            self._loop.turn()

    def report(self) -> dict[str, Any]:
        """What is known so far."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = used.ru_utime + used.ru_stime
        return {
            "paths": [report(prober.fold, self._shift_ns) for prober in self._probers],
            "sessions": [session.report() for session in self._sessions],
            "cpu_percent": round(100e9 * cpu_s / (time.monotonic_ns() - self._begun_ns), 1),
            "stalled_ms": round(self._loop.stalled_ns / 1e6, 3),
        }

    def close(self) -> None:
        """End the sessions."""
        for session in self._sessions:
            session.close()

    def _prober(self, path: dict[str, Any], echoes: Echoes | None, half_open: HalfOpen | None) -> Prober:
        address, port, expected = path["address"], path["port"], path["expect"]
        period_ns = int(path["period_ms"] * 1e6)
        match path["kind"]:
            case "echo" | "echo_same" if echoes is not None:
                return Echo(echoes, address, period_ns, fresh=path["kind"] == "echo")
            case "syn" if half_open is not None:
                return Syn(half_open, address, port, period_ns)
            case "dns":
                return Dns(self._loop, address, port, path["ask"], expected[0], period_ns)
            case "http":
                return Http(self._loop, address, port, path["ask"], expected, period_ns)
        raise ValueError(f"unknown kind of path: {path['kind']}")

    def _session(self, session: dict[str, Any], key_file: Path) -> Session:
        address, port = session["address"], session["port"]
        if session["kind"] == "echoes":
            return EchoSession(self._loop, address, port)
        return SshSession(self._loop, address, port, session["kind"], key_file)

    def _tell_answered(self, _read_until_ns: int) -> None:
        if self._waiting:
            seen = [prober.fold.answered for prober in self._probers] + [it.answered for it in self._sessions]
            for index in [index for index in self._waiting if seen[index]]:
                self._waiting.discard(index)
                _tell({"answered": index})

    def _asked(self) -> None:
        data = os.read(0, 4096)
        if not data:
            self._loop.forget(0)
            self._stopping = True
        for _ in data.splitlines():
            _tell(self.report())


def _tell(message: dict[str, Any]) -> None:
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]
