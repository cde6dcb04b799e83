# SPDX-License-Identifier: Apache-2.0
"""Two network namespaces of the tests' own, joined by a veth pair; they die with the processes that hold them."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

NEAR, FAR, FAR_MAC = "10.9.0.1", "10.9.0.2", "02:56:00:00:00:0f"
MS = 1_000_000
RUN = "000102030405060708090a0b0c0d0e0f"
ROOT = Path(__file__).resolve().parents[2]


def load(module: str) -> Any:
    """A module of the probe program, under the name that it has in a tenant. Never one that loads Scapy."""
    if "csw_probe" not in sys.modules:
        start = ROOT / "probes" / "__init__.py"
        spec = importlib.util.spec_from_file_location(
            "csw_probe", start, submodule_search_locations=[str(start.parent)]
        )
        assert spec is not None
        sys.modules["csw_probe"] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"csw_probe.{module}")


class Record(NamedTuple):
    number: int
    lane: int
    kind: int
    outcome: int
    reason: int
    flags: int
    detail: int
    seq: int
    intended: int
    sent: int
    received: int
    value: int
    aux: int


class Spool(NamedTuple):
    pid: int
    start_mono: int
    start_real: int
    run: str
    records: list[Record]

    def lane(self, number: int, kind: int = 1) -> list[Record]:
        """That lane's records of a kind, by sample number."""
        return sorted(
            (record for record in self.records if record.lane == number and record.kind == kind),
            key=lambda record: record.seq,
        )


def read_spool(path: Path) -> Spool:
    """The tests' own reader: every rule of the file that holds always is checked here, in each test."""
    data = path.read_bytes()
    magic, version, size, pid, mono, real, run, rest = struct.unpack_from("<8sHHIQQ16s16s", data)
    assert (magic, version, size, rest) == (b"CSWSPOOL", 1, 56, bytes(16))
    assert (len(data) - 64) % 56 == 0
    records = [Record(*row) for row in struct.iter_unpack("<IHBBBBHIQQQQQ", data[64:])]
    assert [record.number for record in records] == list(range(len(records)))
    verdicts = [(record.lane, record.seq) for record in records if record.kind == 1]
    assert len(set(verdicts)) == len(verdicts)
    failed = records[-1].kind == 3 and records[-1].reason == 2  # then verdicts may have been given up
    for lane in set() if failed else {lane for lane, _seq in verdicts}:
        seqs = sorted(seq for number, seq in verdicts if number == lane)
        assert seqs == list(range(len(seqs)))
    for record in records:
        assert record.received == 0 or record.received >= record.sent
        assert record.value == 0 or record.flags & 2
    return Spool(pid, mono, real, run.hex(), records)


def ended(spool: Spool) -> Record:
    last = spool.records[-1]
    assert last.kind == 3
    assert last.aux == last.number
    assert [record.kind for record in spool.records].count(3) == 1
    return last


def lane(
    number: int, prober: str, target: str = FAR, *, every_ms: float = 50, tmax_ms: float = 300, **more: Any
) -> dict[str, Any]:
    row = {"lane": number, "prober": prober, "target": target, "offset_ns": number * MS}
    row |= {"interval_ns": int(every_ms * MS), "tmax_ns": int(tmax_ms * MS)}
    if prober == "icmp":
        row["flow"] = "new"
    if prober in {"syn", "banner", "connect"}:
        row["port"] = 22
    return {**row, **more}


def make_bundle(folder: Path) -> Path:
    """As it is pushed to a tenant: csw_probe/ with scapy/ beside it."""
    spec = importlib.util.find_spec("scapy")
    assert spec is not None
    assert spec.origin is not None
    (folder / "csw_probe").symlink_to(ROOT / "probes")
    (folder / "scapy").symlink_to(Path(spec.origin).parent)
    return folder


def environment(bundle: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(bundle)}


class Net:
    """near probes, far is probed. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._env = environment(make_bundle(folder))
        self._processes: list[subprocess.Popen[str]] = []
        self._plans = 0

    def __enter__(self) -> Net:
        try:
            as_root = os.getuid() == 0
            first = self._hold(["unshare", "-n"] if as_root else ["unshare", "-Urn"])
            self._near = ["nsenter", "-t", str(first), *([] if as_root else ["-U", "--preserve-credentials"]), "-n"]
            second = self._hold([*self._near, "unshare", "-n"])
            self._far = [*self._near[:-1], "-t", str(second), "-n"]
            self.ip("near", "link set lo up")
            self.ip("near", f"link add name v0 type veth peer name v1 address {FAR_MAC} netns {second}")
            self.ip("near", f"addr add {NEAR}/24 dev v0", "link set v0 up")
            self.ip("far", "link set lo up", f"addr add {FAR}/24 dev v1", "link set v1 up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def _hold(self, enter: list[str]) -> int:
        """A process that keeps a namespace until it dies, at the latest with us."""
        command = [*enter, "setpriv", "--pdeathsig", "KILL", "sh", "-c", "echo up; exec sleep 600"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process.pid

    def words(self, side: str) -> list[str]:
        return self._near if side == "near" else self._far

    def ip(self, side: str, *lines: str) -> None:
        text = "".join(line + "\n" for line in lines)
        subprocess.run([*self.words(side), "ip", "-batch", "-"], input=text, text=True, check=True)

    def call(self, side: str, *words: str) -> None:
        subprocess.run([*self.words(side), *words], check=True, stdout=subprocess.DEVNULL)

    def nft(self, side: str, text: str) -> tuple[int, int]:
        """Load rules; CLOCK_MONOTONIC (the same in all namespaces here) before and after."""
        before = time.monotonic_ns()
        subprocess.run([*self.words(side), "nft", "-f", "-"], input=text, text=True, check=True)
        return before, time.monotonic_ns()

    def start(self, side: str, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*self.words(side), *words],
            env=self._env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._processes.append(process)
        return process

    def script(self, side: str, name: str, *words: str) -> subprocess.Popen[str]:
        """One of the helpers in far_side.py; returns when it says that it is ready."""
        process = self.start(side, sys.executable, str(Path(__file__).with_name("far_side.py")), name, *words)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def plan(self, lanes: Iterable[dict[str, Any]], duration_s: float) -> tuple[Path, Path]:
        self._plans += 1
        path = self.folder / f"plan-{self._plans}.json"
        path.write_text(json.dumps({"version": 1, "run": RUN, "duration_s": duration_s, "lanes": list(lanes)}))
        return path, self.folder / f"spool-{self._plans}"

    def probe(self, lanes: Iterable[dict[str, Any]], duration_s: float, *more: str, side: str = "near") -> Probe:
        plan, spool = self.plan(lanes, duration_s)
        command = [sys.executable, "-m", "csw_probe", "run", "--plan", str(plan), "--spool", str(spool), *more]
        return Probe(self.start(side, *command), spool)


class Probe:
    """A prober in the foreground; its first line has been read."""

    def __init__(self, process: subprocess.Popen[str], spool: Path) -> None:
        self.process = process
        self.path = spool
        assert process.stdout is not None
        self.report: dict[str, Any] = json.loads(process.stdout.readline())

    def result(self) -> Spool:
        assert self.process.wait(timeout=20) == 0
        return read_spool(self.path)
