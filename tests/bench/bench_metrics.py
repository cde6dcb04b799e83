# SPDX-License-Identifier: Apache-2.0
"""What metrics cost at 500 lanes of 10 Hz: the scrape, the process that serves it, and the engine beside it.

`python -m tests.bench.bench_metrics [--full]`. The engine is a writer that commits each lane's samples as they come;
it is timed alone, and with the exporter of `--metrics` scraped five times a second.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from csworkbench.model import event as ev
from csworkbench.model.event import Phase
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.sample import Outcome, Reason, Sample
from csworkbench.recording.library import RUN_FILE
from csworkbench.recording.reader import RunFileReader
from csworkbench.recording.writer import RunFileWriter
from csworkbench.results.exporter import RunCollector

LANES, VANTAGES = 500, 50
HZ = 10
MS = 1_000_000
HOST = "127.0.0.1"
SCRAPE_LIMIT_S = 1.0
ENGINE_LIMIT_MS = 5.0  # that the engine's median commit may become slower


class Engine:
    """A run of 500 lanes that goes on, one lost sample in 500."""

    def __init__(self, folder: Path) -> None:
        self.writer, self._second = RunFileWriter(folder / RUN_FILE, {}), 0
        self._origin_ns = time.monotonic_ns()
        names = [f"vm{n:03d}" for n in range(VANTAGES)]
        self.writer.write(ev.RunOpened("20261120-140311-bench", "bench", "1", "lab", "", "{}"))
        for name in names:
            now = time.monotonic_ns()
            self.writer.write(ev.VantageAdded(Vantage(name, VantageKind.TENANT)))
            self.writer.write(ev.ClockEcho(name, now, now + MS, now, now))
        lanes = (
            Lane(n, Service.EGRESS, Prober.ICMP, name, "203.0.113.9", 100 * MS, 900 * MS, subject=name)
            for n, name in ((n, names[n % VANTAGES]) for n in range(LANES))
        )
        self.writer.write(*map(ev.LaneAdded, lanes), ev.PhaseEntered(Phase.BASELINE))

    def second(self) -> list[float]:
        """What every lane measured in one second, a commit for each; how long each took, ms."""
        took = []
        first = self._second * HZ
        for lane in range(LANES):
            samples = tuple(self._sample(lane, first + n) for n in range(HZ))
            began = time.perf_counter()
            self.writer.write(ev.SamplesArrived(lane, samples))
            took.append((time.perf_counter() - began) * 1e3)
        self._second += 1
        return took

    def _sample(self, lane: int, number: int) -> Sample:
        sent = self._origin_ns + number * 100 * MS
        if (number * 7 + lane) % 500 == 0:
            return Sample(number, sent, sent, 0, Outcome.FAIL, Reason.TIMEOUT, 0, 0)
        return Sample(number, sent, sent, sent + 2 * MS, Outcome.OK, Reason.NONE, 0, 0)


@contextmanager
def exporter(folder: Path) -> Iterator[tuple[int, int]]:
    """The process of `--metrics` on that run: (its port, its pid)."""
    listening = socket.create_server((HOST, 0))
    port = listening.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "csworkbench", "exporter", str(listening.fileno())],
        stdin=subprocess.PIPE, pass_fds=(listening.fileno(),),
    )  # fmt: skip
    listening.close()
    assert process.stdin is not None
    process.stdin.write(os.fsencode(folder) + b"\n")
    process.stdin.flush()
    try:
        yield port, process.pid
    finally:
        process.stdin.close()
        process.wait(90)


@contextmanager
def scraping(port: int, every_s: float) -> Iterator[list[tuple[float, int]]]:
    """Scrape it again and again: (seconds, bytes) of each."""
    got: list[tuple[float, int]] = []
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(every_s):
            began = time.perf_counter()
            with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=30) as answer:
                got.append((0.0, len(answer.read())))
            got[-1] = time.perf_counter() - began, got[-1][1]

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield got
    finally:
        over.set()
        thread.join(60)


def cpu_s(pid: int) -> float:
    """The CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_for(engine: Engine, seconds: int) -> list[float]:
    """At the pace of a run."""
    took: list[float] = []
    for _ in range(seconds):
        began = time.monotonic()
        took += engine.second()
        time.sleep(max(began + 1 - time.monotonic(), 0))
    return took


def shown(took: list[float]) -> str:
    cuts = statistics.quantiles(took, n=100)
    return f"median {statistics.median(took):.2f} ms, p99 {cuts[98]:.2f} ms, longest {max(took):.1f} ms"


def one_scrape(folder: Path) -> tuple[float, float, int]:
    """In this process, with nothing kept: (s to read the run, s of a scrape, its bytes)."""
    collector, registry = RunCollector(), CollectorRegistry(auto_describe=False)
    registry.register(collector)
    reader, after, began = RunFileReader(folder / RUN_FILE), 0, time.perf_counter()
    while events := reader.read(after):
        collector.feed(events)
        after = events[-1].seq
    read_s = time.perf_counter() - began
    collector.feed([])
    began = time.perf_counter()
    size = len(generate_latest(registry))
    scrape_s = time.perf_counter() - began
    reader.close()
    return read_s, scrape_s, size


def main() -> int:
    """Print the figures; 1 when a claim does not hold."""
    seconds = 30 if "--full" in sys.argv else 8
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = Engine(folder)
        engine.second()
        alone = run_for(engine, seconds)
        with exporter(folder) as (port, pid):
            with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=60) as answer:
                answer.read()
            used = cpu_s(pid)
            with scraping(port, 0.2) as got:
                beside = run_for(engine, seconds)
            used = cpu_s(pid) - used
        engine.writer.close()
        read_s, scrape_s, size = one_scrape(folder)
    print(f"{LANES} lanes, {VANTAGES} vantages, {HZ} Hz, {seconds} s each")
    print(f"engine's commit, alone:               {shown(alone)}")
    print(f"engine's commit, beside the exporter: {shown(beside)}")
    times = sorted(s for s, _ in got)
    print(
        f"{len(got)} scrapes of {got[-1][1] / 1024:.0f} KiB: median {statistics.median(times) * 1e3:.0f} ms,"
        f" longest {times[-1] * 1e3:.0f} ms; the exporter used {used / seconds * 100:.0f} % of a core"
    )
    speed = LANES * HZ * (2 * seconds + 1) / read_s
    print(f"in one process: {speed:,.0f} samples/s read, a scrape {scrape_s * 1e3:.0f} ms, {size / 1024:.0f} KiB")
    holds = scrape_s < SCRAPE_LIMIT_S and statistics.median(beside) - statistics.median(alone) < ENGINE_LIMIT_MS
    print("holds" if holds else "DOES NOT HOLD")
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
