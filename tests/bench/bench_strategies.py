# SPDX-License-Identifier: Apache-2.0
"""The workbench's lanes held against `lab truth`, for each way to restart, patch or swap a router.

`python -m tests.bench.bench_strategies [--full] [--only NAME ...] [--runs N] [--to DIR]`. `csworkbench watch` measures
at its usual 10 Hz and the test cloud's own witness looks (each 1 to 5 ms) while the strategy is carried out by API
calls; they share no code. Exit code 1: a lane and the witness exclude each other.

Compared is what asks the same question from the same place: vm01's echoes to the outside, each a flow of its own;
outside's half-open SYNs to the same address and port. Shown and not judged: vm01's echoes of one flow, for after a
restart the fate of each such flow is its own (what was tracked wrongly stays so); and ARP for the gateway beside echoes
to it, for a router that comes up answers the one before the other. Other tenants and the banner have no counterpart.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from csworkbench.measurement.totals import merge
from csworkbench.model.event import Phase
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.results.run_result import RunResult, load_result
from tests.bench.agreement import FOREVER, Agreement, compare, seen_by
from tests.bench.output import Output, machine_allows
from tests.bench.table_strategies import QUIET_S, STRATEGIES, Strategy, settled, truth
from tests.lab.support import REPOSITORY, RunningCloud, running_cloud

VMS, SCALE = 4, 0.1
FEW = ("destroy-first", "parallel")
FULL_RUNS = 5
COLLECT_LIMIT_S = 120
SCENARIO = """name: agreement
cloud: lab
network: probe-net
operation: none
vantages: {tenants: {vms: all, refused: fail}, outside: {at: local}}
phases: {warmup: 1s, baseline: 3s}
"""


class Row(NamedTuple):
    """A lane, its counterpart, and whether they must agree."""

    lane: str
    path: str
    judged: bool
    agreement: Agreement


def counterpart(lane: Lane, lines: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], bool] | None:
    """The witness's line from the same place to the same target; False beside it: of another kind, or another flow."""
    for line in lines:
        if line.get("vantage") != lane.vantage:
            continue
        at = f"{lane.target}:{lane.port}" if lane.port else lane.target
        match line.get("path"):
            case "egress" if (lane.service, lane.flow, at) == (Service.EGRESS, "new", line["target"]):
                return line, True
            case "egress_same" if (lane.service, lane.flow, at) == (Service.EGRESS, "same", line["target"]):
                return line, False
            case "gateway" if (lane.prober, at) == (Prober.ARP, line["target"]):
                return line, False
            case "ingress" if (lane.service, lane.prober, at) == (Service.INGRESS, Prober.SYN, line["target"]):
                return line, True
    return None


def once(strategy: Strategy, folder: Path) -> list[Row]:
    """One run on a fresh cloud."""
    data = folder / "data"
    scenario = folder / "agreement.yaml"
    scenario.write_text(SCENARIO)
    with running_cloud(folder / "lab", "--vms", str(VMS), "--scale", str(SCALE), *strategy.up) as cloud:
        strategy.prepare(cloud)
        truth(cloud, "--watch")
        watching = start_watch(cloud, scenario, data)
        try:
            strategy.operate(cloud)
            time.sleep(QUIET_S)
            settled(cloud)
            lines = truth(cloud, "--stop")
        finally:
            watching.terminate()
            watching.communicate(timeout=COLLECT_LIMIT_S)
    if watching.returncode not in (0, 1):  # 1: a lane was not seen to come back, which both are asked about
        raise SystemExit(f"bench_strategies: watch ended with {watching.returncode}")
    [run_file] = (data / "runs").glob("*/run.db")
    return list(rows(load_result(run_file), lines))


def start_watch(cloud: RunningCloud, scenario: Path, data: Path) -> subprocess.Popen[str]:
    """`csworkbench watch`, once it measures."""
    command = [sys.executable, "-m", "csworkbench", "watch", str(scenario), "--json"]
    env = {**os.environ, "CSWORKBENCH_LAB_DIR": str(cloud.state), "CSWORKBENCH_DATA_DIR": str(data)}
    watching = subprocess.Popen(
        command, cwd=REPOSITORY, env=env, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert watching.stderr is not None
    if not any("phase: measure" in line for line in watching.stderr):
        watching.kill()
        raise SystemExit("bench_strategies: watch never began to measure")
    return watching


def rows(result: RunResult, lines: Sequence[dict[str, Any]]) -> list[Row]:
    """Each lane that has a counterpart."""
    since_ns = result.state.phase_ns(Phase.MEASURE) or 0
    two = two_routers(result)
    found = []
    for report in result.lanes():
        lane = report.lane
        other = counterpart(lane, lines)
        if other is not None:
            line, judged = other
            bound_ns = result.analysis.bound_ns(lane.vantage)
            agreement = compare(report, bound_ns, seen_by(line, since_ns), two)
            name = f"{lane.vantage} {lane.service} {lane.label}"
            found.append(Row(name, f"{line['path']} {line['target']}", judged, agreement))
    return found


def two_routers(result: RunResult) -> list[tuple[int, int]]:
    """When two MACs answered for the gateway at once, as the sentinel's ARP lane saw it."""
    found = []
    for state in result.state.lanes.values():
        if state.lane.prober is Prober.ARP:
            stamps = [result.analysis.align(state.lane.vantage, owner.remote_ns) for owner in state.second_owners]
            found += [(at - state.lane.interval_ns, at + state.lane.interval_ns) for at in stamps]
    return merge(found)


def tell(out: Output, strategy: str, number: int, found: Sequence[Row]) -> tuple[int, int]:
    """Rows for people; (judged, agreeing)."""
    table = [
        ["lane", "truth", "truth s [low, high]", "lane s [low, high]", "outages", "shorter than a sample", "agree"]
    ]
    out.say()
    out.say(f"{strategy}, run {number}")
    for row in found:
        figures = row.agreement
        word = "NO" if row.judged else "differs (not judged)"
        if not figures.differences:
            word = "two routers" if figures.shared else "yes"
        table.append([
            row.lane, row.path, _seconds(*figures.truth), f"{figures.down_ns / 1e9:.3f} {_seconds(*figures.lane)}",
            str(figures.outages), f"{figures.short} ({figures.short_ns / 1e6:.0f} ms)", word,
        ])  # fmt: skip
    out.table(table)
    for row in found:
        for difference in row.agreement.shared:
            out.say(f"  two routers: {row.lane}: {difference}")
        for difference in row.agreement.differences:
            if row.judged:
                out.violated(f"{strategy}: {row.lane}: {difference}")
            else:
                out.say(f"  {row.lane}: {difference}")
    judged = [row for row in found if row.judged and not row.agreement.shared]
    return len(judged), sum(not row.agreement.differences for row in judged)


def _seconds(low_ns: int, high_ns: int) -> str:
    high = "open" if high_ns >= FOREVER else f"{high_ns / 1e9:.3f}"
    return f"[{low_ns / 1e9:.3f}, {high}]"


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_strategies")
    parser.add_argument("--full", action="store_true", help=f"every strategy {FULL_RUNS} times")
    parser.add_argument("--only", nargs="+", help="names of strategies")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--to", type=Path, help="keep the output in this directory")
    given = parser.parse_args()
    machine_allows("bench_strategies")
    out = Output("bench_strategies", given.to)
    names = given.only or ([strategy.name for strategy in STRATEGIES] if given.full else FEW)
    judged = agreeing = 0
    out.say(f"{VMS} tenants, scale {SCALE}; lanes at 10 Hz, the witness each 1 ms (egress) and 5 ms (ingress)")
    for strategy in (strategy for strategy in STRATEGIES if strategy.name in names):
        for number in range(1, 1 + (given.runs or (FULL_RUNS if given.full else 1))):
            with tempfile.TemporaryDirectory() as folder:
                both = tell(out, strategy.name, number, once(strategy, Path(folder)))
            judged, agreeing = judged + both[0], agreeing + both[1]
    out.say()
    out.say(
        f"{agreeing} of {judged} lanes agree with the witness; not judged: two routers at once, other kinds of flow"
    )
    return out.end()


if __name__ == "__main__":
    sys.exit(main())
