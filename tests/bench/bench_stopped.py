# SPDX-License-Identifier: Apache-2.0
"""A prober that stood still saw no outage; a quiet cloud has none.

`python -m tests.bench.bench_stopped [--full] [--to DIR]`. Exit code 1: a stop of the prober (SIGSTOP) was not shown as
blind, or was taken for an outage; or a run of the workbench on a test cloud in which nothing happens reports one.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from csworkbench.measurement.totals import LaneReport, intersect, length, merge
from tests.bench import known
from tests.bench.known import MS
from tests.bench.output import Output, words
from tests.lab.support import REPOSITORY, running_cloud
from tests.probes.net import Net

INTERVALS_MS = (10, 100)
LEAST_MS, MOST_MS = 100, 10_000
AT_ONCE = 25
VMS = 17  # 2 echo lanes each, an ingress lane each and one of ARP: 52 lanes at 10 Hz
UNKNOWN_GOAL = 0.001


class Stop(NamedTuple):
    """A prober's standstill, and what its lanes came to."""

    start_ns: int
    end_ns: int
    lanes: list[LaneReport]


def state_of(pid: int) -> str:
    """As the kernel names it: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def hold(pid: int, ms: float) -> tuple[int, int]:
    """Stop a process for so long; from when it stood to when it was let go."""
    os.kill(pid, signal.SIGSTOP)
    while state_of(pid) != "T":
        time.sleep(0.001)
    start_ns = time.monotonic_ns()
    time.sleep(ms / 1000)
    end_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGCONT)
    return start_ns, end_ns


def stops(lengths: Sequence[float], chance: random.Random) -> list[Stop]:
    """One prober per length, all at once on one path; each is stopped at a moment of its own."""
    with tempfile.TemporaryDirectory() as folder, Net(Path(folder)) as net:
        address = known.add_addresses(net, 1)[0]
        lanes = [known.echoes(number, address, every) for number, every in enumerate(INTERVALS_MS)]
        held: dict[int, tuple[int, int]] = {}
        with ExitStack() as stack:
            running = [stack.enter_context(known.prober(net, lanes, 600)) for _ in lengths]
            time.sleep(known.BASELINE_S + 0.5)
            threads = []
            for place, ms in enumerate(lengths):

                def one(place: int = place, ms: float = ms, wait_s: float = chance.random()) -> None:
                    time.sleep(wait_s)
                    held[place] = hold(running[place][0]["pid"], ms)

                threads.append(threading.Thread(target=one))
                threads[-1].start()
            for thread in threads:
                thread.join()
            time.sleep(1.5)
        return [
            Stop(*held[place], list(known.reports(lanes, spool.read_bytes(), started["start_mono"]).values()))
            for place, (started, spool) in enumerate(running)
        ]


def judge(out: Output, found: Sequence[Stop]) -> None:
    """Each stop is blind all along but for the samples at its ends, and no outage."""
    shares, outages = [], 0
    for stop in found:
        stood_ns = stop.end_ns - stop.start_ns
        for lane in stop.lanes:
            outages += len(lane.outages)
            if lane.outages:
                out.violated(f"a stop of {stood_ns / MS:.0f} ms was taken for {lane.outages}")
        fine = stop.lanes[0]
        covered_ns = length(intersect(merge([blind.span for blind in fine.blind]), [(stop.start_ns, stop.end_ns)]))
        shares.append(covered_ns / stood_ns)
        if stood_ns - covered_ns > 2 * fine.lane.interval_ns:
            out.violated(f"of a stop of {stood_ns / MS:.0f} ms only {covered_ns / MS:.0f} ms are blind")
    lengths = [(stop.end_ns - stop.start_ns) / MS for stop in found]
    out.say(
        f"{len(found)} probers stopped for {min(lengths) / 1000:.2f}-{max(lengths) / 1000:.2f} s (lanes at"
        f" {' and '.join(map(str, INTERVALS_MS))} ms): {outages} outages; blind for {min(shares):.3f} of the stop at"
        f" least, {sum(shares) / len(shares):.3f} on average"
    )


def quiet(out: Output, seconds: int) -> None:
    """A run of `watch` on a cloud in which nothing happens."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "lab"
        scenario = Path(folder) / "quiet.yaml"
        scenario.write_text(
            "name: a quiet network\ncloud: lab\nnetwork: probe-net\noperation: none\n"
            "vantages: {tenants: {vms: all, refused: fail}, outside: {at: local}}\n"
            "phases: {warmup: 1s, baseline: 3s}\n"
        )
        with running_cloud(state, "--vms", str(VMS), "--scale", "0.1"):
            summary = watch(scenario, state, folder, seconds)
    lanes: list[dict[str, Any]] = [lane for lane in summary["lanes"] if lane["interval_s"] <= 0.1]
    outages = [
        {"service": lane["service"], "prober": lane["prober"], "vantage": lane["vantage"]} | outage
        for lane in summary["lanes"]
        for outage in lane["outages"]
    ]
    blips = sum(outage["blip"] for outage in outages)
    sent, unknown = (sum(lane[key] for lane in lanes) for key in ("sent", "unknown"))
    out.say(
        f"quiet cloud: {len(lanes)} lanes at 10 Hz ({len(summary['lanes'])} in all) for {seconds} s, {sent} samples:"
        f" {len(outages) - blips} outages, {blips} blips, {100 * unknown / sent:.4f} % unknown"
        f" ({unknown / sent / UNKNOWN_GOAL:.2f} of the goal), missing records {summary['missing_records']}"
    )
    for outage in outages:
        out.violated(f"nothing happened, and yet: {outage}")


def watch(scenario: Path, state: Path, folder: str, seconds: float) -> dict[str, Any]:
    """The summary of `csworkbench watch`."""
    command = [sys.executable, "-m", "csworkbench", "watch", str(scenario), "--for", f"{seconds}s", "--json"]
    env = {**os.environ, "CSWORKBENCH_LAB_DIR": str(state), "CSWORKBENCH_DATA_DIR": f"{folder}/data"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, env=env, check=False)
    if done.returncode:
        raise SystemExit(f"bench_stopped: {done.stderr}")
    return dict(json.loads(done.stdout))


def main() -> int:
    """The exit code."""
    given = words("bench_stopped")
    out = Output("bench_stopped", given.to)
    chance = random.Random(2)
    lengths = known.lengths_ms(100 if given.full else 10, LEAST_MS, MOST_MS, chance)
    found = [
        stop for first in range(0, len(lengths), AT_ONCE) for stop in stops(lengths[first : first + AT_ONCE], chance)
    ]
    judge(out, found)
    quiet(out, 600 if given.full else 10)
    return out.end()


if __name__ == "__main__":
    sys.exit(main())
