# SPDX-License-Identifier: Apache-2.0
"""What one engine can take: tail bytes -> spool reader -> run file -> run state -> figures.

`python -m tests.bench.bench_ingest [--full]`.

Beside it, in the same run, the least that reading and storing the same records costs: struct.iter_unpack and SQLite's
executemany. Then 200 vantages of eight lanes at 10 Hz over local sockets (16,000 records/s), the time of one update of
the figures as a run grows, and the memory that its samples take.
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from csworkbench.measurement.analysis import Analysis
from csworkbench.model import event as ev
from csworkbench.model.event import Event, Phase
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.state import RunState, apply
from csworkbench.probing.spool import HEADER, RECORD, SpoolReader
from csworkbench.probing.tail import SpoolWatch, TailSession
from csworkbench.recording.writer import RunFileWriter

from .tail_source import MS, RUN, S, SocketPipe, end_record, frame, header, records

RECORDS = 200_000
LANES = 8
VANTAGES = 200
INTERVAL_NS = 100 * MS
LIVE_S = 8.0
LIVE_SKIP_S = 3.0
SCREEN_S = 0.1  # how often a viewer's figures are made anew


class Run:
    """A run file, the state behind it and its figures: what the engine has."""

    def __init__(self, path: Path, vantages: int, lanes: int = LANES) -> None:
        self.writer = RunFileWriter(path, {})
        self.state = RunState()
        self.analysis = Analysis(self.state)
        self.writer.subscribe(self._apply)
        self.taken = 0
        now = time.monotonic_ns()
        for number in range(vantages):
            name = f"vm{number:03d}"
            self.writer.write(ev.VantageAdded(Vantage(name, VantageKind.TENANT)))
            for at in range(lanes):
                lane = number * lanes + at
                self.writer.write(
                    ev.LaneAdded(
                        Lane(
                            lane,
                            Service.EGRESS,
                            Prober.ICMP,
                            name,
                            "203.0.113.9",
                            INTERVAL_NS,
                            S,
                            0,
                            "new",
                            subject=name,
                        )
                    )
                )
            self.writer.write(ev.ClockEcho(name, now, now + MS, now, now, 0))
        self.writer.write(ev.PhaseEntered(Phase.BASELINE))

    def ready(self) -> None:
        """The baseline is over."""
        self.writer.write(ev.PhaseEntered(Phase.READY))

    def _apply(self, event: Event) -> None:
        apply(self.state, event)

    def session(self, number: int, pipe: object, lanes: int = LANES) -> tuple[SpoolWatch, TailSession]:
        mine = frozenset(range(number * lanes, (number + 1) * lanes))
        reader = SpoolReader(f"vm{number:03d}", mine, RUN)
        watch = SpoolWatch(reader.vantage, reader, 1e9, time.monotonic_ns())
        return watch, TailSession(watch, pipe, self.writer, time.monotonic_ns)  # type: ignore[arg-type]

    def figures(self) -> None:
        self.analysis.update()
        self.analysis.services()

    def samples(self) -> int:
        return sum(len(lane.samples) for lane in self.state.lanes.values())


class Preloaded:
    """A pipe that has it all already."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks

    async def read(self) -> bytes:
        return next(self._blocks, b"")

    async def write(self, data: bytes) -> None:
        pass

    def abort(self) -> None:
        pass


def spool(count: int, start_ns: int) -> bytes:
    """A whole spool of `count` samples, one in 500 of them lost."""
    body = records(0, LANES, range(count // LANES), start_ns)
    return header(start_ns) + body + end_record(count)


def framed(data: bytes) -> Iterator[bytes]:
    step = 65_000
    for at in range(0, len(data), step):
        yield frame(at, data[at : at + step])


def ingest(folder: Path, data: bytes, start_ns: int) -> float:
    """CPU seconds from the tail's bytes to the figures."""
    run = Run(folder / "run.db", 1)
    _watch, session = run.session(0, Preloaded(framed(data)))
    began = time.process_time()

    async def whole() -> None:
        screen = asyncio.create_task(refresh(run))
        await session.run(lambda: None)
        screen.cancel()

    asyncio.run(whole())
    run.figures()
    took = time.process_time() - began
    assert run.samples() == RECORDS
    run.writer.close()
    return took


async def refresh(run: Run) -> None:
    while True:
        await asyncio.sleep(SCREEN_S)
        run.figures()


def least(folder: Path, data: bytes) -> float:
    """CPU seconds of iter_unpack and executemany, in blocks as large as the tail's."""
    db = sqlite3.connect(folder / "least.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("CREATE TABLE samples (" + ", ".join(f"c{n} INTEGER NOT NULL" for n in range(10)) + ")")
    body = data[HEADER.size : -RECORD.size]
    step = 65_000 // RECORD.size * RECORD.size
    began = time.process_time()
    for at in range(0, len(body), step):
        rows = [
            (at, r[1], r[7], r[8], r[9], r[10], r[3], r[4], r[6], r[11])
            for r in RECORD.iter_unpack(body[at : at + step])
        ]
        db.execute("BEGIN")
        db.executemany("INSERT INTO samples VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
        db.execute("COMMIT")
    took = time.process_time() - began
    db.close()
    return took


async def live(folder: Path, vantages: int, screen: bool) -> tuple[float, float]:
    """(records/s, CPU share of a core) with that many vantages; `screen`: figures are made anew at 10 Hz."""
    run = Run(folder / f"live{screen}.db", vantages)
    command = [sys.executable, "-m", "tests.bench.tail_source", str(folder / f"socket{screen}")]
    source = await asyncio.create_subprocess_exec(
        *command, str(LANES), str(INTERVAL_NS), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert source.stdout is not None
    await source.stdout.readline()
    tasks: list[asyncio.Task[None]] = []
    try:
        # All of them first: beside running sessions each would wait for its turn, which on a busy machine is long.
        pipes = [await SocketPipe.open(folder / f"socket{screen}", number) for number in range(vantages)]
        for number, pipe in enumerate(pipes):
            _watch, session = run.session(number, pipe)
            tasks.append(asyncio.create_task(session.run(lambda: None)))
        if screen:
            tasks.append(asyncio.create_task(refresh(run)))
        await asyncio.sleep(LIVE_SKIP_S)
        run.ready()
        cpu, began, count = time.process_time(), time.monotonic(), run.samples()
        await asyncio.sleep(LIVE_S - LIVE_SKIP_S)
        cpu, took, count = time.process_time() - cpu, time.monotonic() - began, run.samples() - count
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        source.kill()
        await source.wait()
        run.writer.close()
    return count / took, cpu / took


def resident_mib() -> float:
    text = Path("/proc/self/statm").read_text()
    return int(text.split()[1]) * 4096 / 2**20


def grown(folder: Path, sizes: list[int]) -> None:
    """The time of one update with 1,600 new samples in a run of so many, and the memory that they take."""
    vantages, lanes = 20, LANES
    run = Run(folder / f"grown{sizes[-1]}.db", vantages)
    start_ns = time.monotonic_ns()
    readers = [run.session(number, None)[0].reader for number in range(vantages)]
    offsets = [0] * vantages
    for number, reader in enumerate(readers):
        reader.feed(0, header(start_ns))
        offsets[number] = HEADER.size
    before_mib, seq, ready_at = resident_mib(), 0, sizes[0] // 2

    def grow(steps: int) -> None:
        nonlocal seq
        for number, reader in enumerate(readers):
            data = records(number * lanes, lanes, range(seq, seq + steps), start_ns)
            for body in reader.feed(offsets[number], data):
                apply(run.state, Event(run.state.seq + 1, start_ns, start_ns, body))
            offsets[number] += len(data)
        seq += steps

    for size in sizes:
        while run.samples() < size:
            grow(min(300, (size - run.samples()) // (vantages * lanes) + 1))
            if run.state.phase is Phase.BASELINE and run.samples() >= ready_at:
                seen_ns = start_ns + seq * INTERVAL_NS
                ready = ev.PhaseEntered(Phase.READY)
                apply(run.state, Event(run.state.seq + 1, seen_ns, seen_ns, ready))
        gc.collect()
        whole = timed(run.figures)
        times = []
        for _ in range(5):
            grow(10)
            times.append(timed(run.figures))
        mib = resident_mib() - before_mib
        print(
            f"run of {size:10,d} samples: first figures {whole:.2f} s, one update {sorted(times)[2] * 1e3:.1f} ms,"
            f" {mib * 2**20 / run.samples():.0f} bytes a sample",
            flush=True,
        )
    run.writer.close()


def timed(call: Callable[[], None]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def main() -> int:
    full = "--full" in sys.argv
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # First: memory that another part gave back would be taken again, and not show.
        grown(folder, [100_000, 300_000] + ([1_000_000, 10_000_000] if full else []))
        start_ns = time.monotonic_ns()
        data = spool(RECORDS, start_ns)
        peer, ours = least(folder, data), ingest(folder, data, start_ns)
        print(
            f"bytes to figures: {RECORDS / ours:,.0f} records/s on one core (goal 100,000);"
            f" iter_unpack and executemany {RECORDS / peer:,.0f}: ratio {ours / peer:.2f}",
            flush=True,
        )
        for screen, what in ((False, "without"), (True, "with")):
            rate, share = asyncio.run(live(folder, VANTAGES, screen))
            ratio = share / (peer / RECORDS * rate)
            print(
                f"{VANTAGES} vantages, {rate:,.0f} records/s, {what} figures at 10 Hz:"
                f" {100 * share:.0f} % of a core (goal 50 %), {ratio:.1f} x storing them alone",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
