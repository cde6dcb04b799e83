# SPDX-License-Identifier: Apache-2.0
"""Downtime by strategy and service: each way to restart, patch or swap a router on the test cloud, by its own witness.

Run: `python -m tests.bench.table_strategies [--runs 5] [--only NAME ...] [--to DIR]`. A fresh cloud for each run;
the witness (`lab truth`) has no part of the workbench in it. Prints Markdown, and writes it and all figures to DIR.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.support import RunningCloud, running_cloud

SCALE, VMS = 0.1, 10
QUIET_S = 2.0
"""All paths up for so long: it is over."""
LIMIT_S = 150.0
HANDOVER = "network.restart.handover"
PATHS = ("egress", "egress_same", "gateway", "dns", "metadata", "password", "ingress", "static_nat", "balancer")
SESSIONS = ("T", "P", "S", "O")
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Strategy:
    """One row: how the cloud is started, what is prepared, and the operation (it returns when its job has ended)."""

    name: str
    operate: Callable[[RunningCloud], None]
    up: tuple[str, ...] = ()
    prepare: Callable[[RunningCloud], None] = lambda _cloud: None


def restart(**flags: str) -> Callable[[RunningCloud], None]:
    """restartNetwork with these flags."""

    def operate(cloud: RunningCloud) -> None:
        done(cloud, "restartNetwork", id=cloud.network()["id"], **flags)

    return operate


def on_router(command: str, **more: str) -> Callable[[RunningCloud], None]:
    """A command on the router that serves: the only one, or the PRIMARY."""

    def operate(cloud: RunningCloud) -> None:
        serving = [router for router in cloud.routers() if router["redundantstate"] in ("PRIMARY", "UNKNOWN")]
        done(cloud, command, id=serving[0]["id"], **more)

    return operate


def setting(name: str, value: str) -> Callable[[RunningCloud], None]:
    """A global setting."""

    def prepare(cloud: RunningCloud) -> None:
        status, reply = cloud.api("updateConfiguration", name=name, value=value)
        assert status == 200, reply

    return prepare


def fault(name: str) -> Callable[[RunningCloud], None]:
    """A fault of the catalogue."""

    def prepare(cloud: RunningCloud) -> None:
        assert cloud.lab("fault", name).returncode == 0

    return prepare


def new_code(cloud: RunningCloud) -> None:
    """The management server's code is upgraded, the template is not: a live patch is what that asks for."""
    assert cloud.lab("manage", "upgrade", "4.22", "--code-only").returncode == 0


REDUNDANT = ("--topology", "redundant")
STRATEGIES = (
    Strategy("destroy-first", restart(cleanup="true"), prepare=setting("network.rolling.restart", "false")),
    Strategy("parallel", restart(cleanup="true")),
    Strategy("parallel without gratuitous ARP", restart(cleanup="true"), prepare=fault("no-garp")),
    Strategy("redundant graceful", on_router("stopRouter", forced="false"), REDUNDANT),
    Strategy("redundant kill", on_router("stopRouter", forced="true"), REDUNDANT),
    Strategy("redundant restart of both", restart(cleanup="true"), REDUNDANT),
    Strategy("reboot", on_router("rebootRouter")),
    Strategy("cleanup=false", restart(cleanup="false")),
    Strategy("live patch", restart(cleanup="false", livepatch="true"), ("--profile", "4.17"), new_code),
    Strategy("external handover", restart(cleanup="true"), prepare=setting(HANDOVER, "external")),
    Strategy("negotiated handover", restart(cleanup="true"), prepare=setting(HANDOVER, "negotiated")),
)


def done(cloud: RunningCloud, command: str, **parameters: str) -> None:
    """Call it and follow its job; AssertionError unless it succeeds."""
    status, reply = cloud.api(command, **parameters)
    assert status == 200, reply
    job = cloud.wait_for_job(reply)
    assert job["jobstatus"] == 1, job


def truth(cloud: RunningCloud, *words: str) -> list[Figures]:
    """`lab truth`: its lines."""
    asked = cloud.lab("truth", *words)
    assert asked.returncode == 0, asked.stderr
    return [json.loads(line) for line in asked.stdout.splitlines()]


def settled(cloud: RunningCloud) -> bool:
    """Wait until no path has been down for a while; False at the limit."""
    limit = time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        ends = [path["outages"][-1]["end_ns"] for path in truth(cloud) if path.get("outages")]
        quiet_since = time.monotonic_ns() - QUIET_S * 1e9
        if all(end is not None and end[1] < quiet_since for end in ends):
            return True
        time.sleep(0.25)
    return False


def once(strategy: Strategy) -> Figures:
    """One run on a fresh cloud: milliseconds down per path (the worst of its targets), and which sessions lived."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_cloud(Path(directory) / "lab", "--vms", str(VMS), "--scale", str(SCALE), *strategy.up) as cloud,
    ):
        strategy.prepare(cloud)
        truth(cloud, "--watch")
        started = time.monotonic()
        strategy.operate(cloud)
        job_s = time.monotonic() - started
        time.sleep(QUIET_S)
        ended = settled(cloud)
        lines = truth(cloud, "--stop")
    down = {name: max(line["down_ms"] for line in lines if line.get("path") == name) for name in PATHS}
    alive = {line["session"]: line["alive"] for line in lines if "session" in line}
    return {"job_s": round(job_s, 2), "settled": ended, "down_ms": down, "alive": alive}


def row(runs: Sequence[Figures]) -> list[str]:
    """Median (lowest to highest) per path in ms; sessions that lived, of all; the job's seconds."""
    cells = []
    for name in PATHS:
        values = [run["down_ms"][name] for run in runs]
        cells.append(f"{statistics.median(values):.0f} ({min(values):.0f}-{max(values):.0f})")
    for name in SESSIONS:
        cells.append(f"{sum(run['alive'][name] for run in runs)}/{len(runs)}")
    cells.append(f"{statistics.median(run['job_s'] for run in runs):.1f}")
    return cells


def table(figures: dict[str, list[Figures]]) -> str:
    """Markdown."""
    head = ["strategy", *PATHS, *SESSIONS, "job s"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join([name, *row(runs)])} |" for name, runs in figures.items()]
    return "\n".join(lines)


def page(figures: dict[str, list[Figures]], count: int) -> str:
    """The whole result file."""
    open_ends = [name for name, runs in figures.items() if not all(run["settled"] for run in runs)]
    notes = f"\nNot over after {LIMIT_S:.0f} s in some run: {', '.join(open_ends)}.\n" if open_ends else ""
    return f"""# Downtime by strategy and service

Milliseconds down in the sum of all outages of a run, by `lab truth`: median (lowest-highest) of {count} runs.
Sessions: those that were alive at the end, of {count}. A fresh test cloud for each run: {VMS} VMs, scale {SCALE}
(a router boots in 3 s, pauses between configuration files are a tenth of CloudStack's), {platform.release()},
{os.cpu_count()} cores. T: ssh to a forwarded port, the client types. P: the same, the server pushes. S: as T over
static NAT. O: from the VM out.
Made by `make strategies`.

{table(figures)}
{notes}"""


def main() -> None:
    """Print the table; with --to also keep it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[strategy.name for strategy in STRATEGIES])
    parser.add_argument("--to", type=Path)
    words = parser.parse_args()
    figures: dict[str, list[Figures]] = {}
    for strategy in (strategy for strategy in STRATEGIES if strategy.name in words.only):
        figures[strategy.name] = []
        for number in range(words.runs):
            run = once(strategy)
            figures[strategy.name].append(run)
            shown = " ".join(f"{name} {value:.0f}" for name, value in run["down_ms"].items())
            print(f"{strategy.name} {number + 1}: {shown} {run['alive']}", file=sys.stderr, flush=True)
    text = page(figures, words.runs)
    print(text)
    if words.to is not None:
        words.to.mkdir(parents=True, exist_ok=True)
        (words.to / "strategies.md").write_text(text)
        (words.to / "strategies.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
