# SPDX-License-Identifier: Apache-2.0
"""How long the test cloud takes: 10 tenants from nothing, from a known state directory, and to the end again.

Run: `python tests/bench/bench_lab_up.py [--runs 3] [--vms 10]`. The goal is 3 s for 10 tenants.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GOAL_S = 3.0
REPOSITORY = Path(__file__).resolve().parents[2]


def once(state: Path, vms: int) -> tuple[float, float]:
    """Seconds from the start of the command to readiness, and from the end of its input to its end."""
    started = time.monotonic()
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "from csworkbench.cli.lab import lab; lab()", "--state", str(state)),
            *("up", "--foreground", "--until-eof", "--json", "--vms", str(vms)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdin
    assert process.stdout
    json.loads(process.stdout.readline())
    up_s = time.monotonic() - started
    ending = time.monotonic()
    process.stdin.close()
    process.wait()
    return up_s, time.monotonic() - ending


def main() -> None:
    """Print one line per measure; exit 1 when the goal is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--vms", type=int, default=10)
    words = parser.parse_args()
    fresh: list[float] = []
    again: list[float] = []
    ends = []
    for _ in range(words.runs):
        with tempfile.TemporaryDirectory() as directory:
            for times in (fresh, again):
                up_s, end_s = once(Path(directory), words.vms)
                times.append(up_s)
                ends.append(end_s)
    for name, times in (("first up (makes keys)", fresh), ("up", again), ("down", ends)):
        print(f"lab {words.vms} tenants, {name}: median {statistics.median(times):.2f} s, worst {max(times):.2f} s")
    worst = max(fresh + again)
    print(f"lab up: goal {GOAL_S:.1f} s, worst is {worst / GOAL_S:.2f} of it")
    sys.exit(worst > GOAL_S)


if __name__ == "__main__":
    main()
