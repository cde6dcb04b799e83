# SPDX-License-Identifier: Apache-2.0
"""What an export costs: `python -m tests.bench.bench_export [--full]`.

A run of 1,000,000 samples (`--full`: 10,000,000) is exported as it is from the command line, in a process of its own
whose memory is measured. Beside it, in the same run, Python's csv writer on the very same rows.
"""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from csworkbench.model import event as ev
from csworkbench.model.event import Phase
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.sample import Outcome, Reason, Sample
from csworkbench.model.spilled_rows import Spill
from csworkbench.recording.writer import RunFileWriter
from csworkbench.results import sample_table, tables
from csworkbench.results.export import spilled_state
from csworkbench.results.run_result import analyse
from csworkbench.results.summary import summarise

from .output import Output, words

MS = 1_000_000
S = 1000 * MS
SAMPLES, FULL = 1_000_000, 10_000_000
LANES, BATCH = 80, 500
INTERVAL_NS = 100 * MS
RATE, RATIO, MEMORY_MIB, LIMIT_S, SUMMARY_S = 500_000, 0.8, 300, 60, 5
BEGIN = 90_000 * S
WALL = 1_795_183_391 * S
ROWS = 200_000  # for the csv writer: they lie in memory


class Clock:
    now_ns = BEGIN


def record(path: Path, count: int) -> None:
    """A run of 10 vantages with 8 lanes each; one sample in 500 is lost, and an echo comes each second."""
    clock = Clock()
    writer = RunFileWriter(path, {}, clock_ns=lambda: clock.now_ns, wall_ns=lambda: WALL + clock.now_ns - BEGIN)
    names = [f"vm{n:02d}" for n in range(10)]
    per = count // LANES
    ready = min(per // 2, 300)
    writer.write(
        ev.RunOpened("20261120-140311-bench", "bench", "0", "lab", "measure only", "{}"),
        *(ev.VantageAdded(Vantage(name, VantageKind.TENANT)) for name in names),
        *(
            ev.LaneAdded(
                Lane(n, Service.EGRESS, Prober.ICMP, names[n // 8], "203.0.113.9", INTERVAL_NS, S, subject="x")
            )
            for n in range(LANES)
        ),
        *(ev.ProberStarted(name, 1, BEGIN, WALL, "root", "x") for name in names),
        ev.PhaseEntered(Phase.BASELINE),
    )
    entered = False
    for first in range(0, per, BATCH):
        if first >= ready and not entered:
            writer.write(ev.PhaseEntered(Phase.MEASURE))
            entered = True
        for name in names:
            writer.write(ev.ClockEcho(name, clock.now_ns, clock.now_ns + MS, clock.now_ns + MS // 2, WALL))
        for lane in range(LANES):
            samples = []
            for seq in range(first, min(first + BATCH, per)):
                due = BEGIN + seq * INTERVAL_NS + lane * MS
                lost = seq % 500 == 250
                samples.append(
                    Sample(
                        seq,
                        due,
                        due + 12_345,
                        0 if lost else due + 345_678 + seq % 1000,
                        Outcome.FAIL if lost else Outcome.OK,
                        Reason.TIMEOUT if lost else Reason.NONE,
                        0,
                        0,
                    )
                )
            writer.write(ev.SamplesArrived(lane, tuple(samples)))
        clock.now_ns += BATCH * INTERVAL_NS
    writer.write(*(ev.SpoolCollected(name, per * 8, 0, "asked to stop") for name in names))
    writer.write(ev.VerdictReached(ev.Verdict.MEASURED, False), ev.RunClosed(0))
    writer.close()


def rates(run_file: Path, folder: Path) -> tuple[float, float]:
    """Rows/s of samples.csv and of csv.writer on the same rows, both of CPU time."""
    with tempfile.TemporaryFile(dir=folder) as file:
        result = analyse(spilled_state(run_file, Spill(file)))
        began = time.process_time()
        count = 0
        with (folder / "ours.csv").open("w", newline="") as out:
            for chunk in sample_table.chunks(result):
                out.write(sample_table.csv_text(chunk, tables.lane_cells(result.run, chunk.lane.lane)))
                count += len(chunk.phases)
        ours = count / (time.process_time() - began)
        rows: list[list[object]] = []
        for chunk in sample_table.chunks(result):
            head = tables.lane_cells(result.run, chunk.lane.lane)
            rows += [[*head, *sample_table.row(chunk, place)] for place in range(len(chunk.phases))]
            if len(rows) >= ROWS:
                break
    began = time.process_time()
    with (folder / "theirs.csv").open("w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows(rows)
    theirs = len(rows) / (time.process_time() - began)
    with (folder / "ours.csv").open() as mine, (folder / "theirs.csv").open() as other:
        assert all(a == b for a, b in zip(mine, other, strict=False)), "the same rows must give the same bytes"
    return ours, theirs


def figures(run_file: Path, folder: Path) -> tuple[float, float, float]:
    """Seconds of CPU to read the history, to fold it into outages, and to make summary.json of them."""
    with tempfile.TemporaryFile(dir=folder) as file:
        marks = [time.process_time()]
        state = spilled_state(run_file, Spill(file))
        marks.append(time.process_time())
        result = analyse(state)
        marks.append(time.process_time())
        json.dumps(summarise(result))
        marks.append(time.process_time())
    return marks[1] - marks[0], marks[2] - marks[1], marks[3] - marks[2]


def whole(run_file: Path, folder: Path) -> tuple[float, float]:
    """Seconds and MiB of `csworkbench export`, its start included."""
    began = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    command = [sys.executable, "-m", "csworkbench", "export", str(run_file), "--to", str(folder / "out")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert before < after, "another child was larger"
    return time.monotonic() - began, after / 1024


def main() -> int:
    given = words("bench_export")
    out = Output("bench_export", given.to)
    count = FULL if given.full else SAMPLES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        record(folder / "run.db", count)
        out.say(f"a run of {count:,d} samples, {(folder / 'run.db').stat().st_size / 2**20:.0f} MiB")
        took, mib = whole(folder / "run.db", folder)
        out.say(f"csworkbench export: {took:.1f} s ({count / took:,.0f} samples/s with all figures), {mib:.0f} MiB")
        if mib > MEMORY_MIB:
            out.violated(f"more than {MEMORY_MIB} MiB")
        read_s, fold_s, summary_s = figures(folder / "run.db", folder)
        out.say(f"of that, CPU: reading {read_s:.1f} s, folding into outages {fold_s:.1f} s, summary {summary_s:.2f} s")
        if summary_s > SUMMARY_S:
            out.violated(f"more than {SUMMARY_S} s for the summary")
        small = folder / "small.db"
        record(small, ROWS)
        ours, theirs = rates(small, folder)
        out.say(
            f"samples.csv: {ours:,.0f} rows/s; csv.writer on the same rows {theirs:,.0f}: ratio {ours / theirs:.2f}"
        )
        if ours < RATE and ours < RATIO * theirs:
            out.violated(f"fewer than {RATE:,d} rows/s and less than {RATIO} of csv.writer")
        all_s = time.monotonic() - began
        out.say(f"all of it {all_s:.0f} s")
        if not given.full and all_s > LIMIT_S:
            out.say(f"longer than {LIMIT_S} s: this machine is busy")
    return out.end()


if __name__ == "__main__":
    sys.exit(main())
