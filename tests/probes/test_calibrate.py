# SPDX-License-Identifier: Apache-2.0
"""The prober tries itself out: its samples contain an outage of known length, and it says when it was late."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .net import environment, make_bundle

MS = 1_000_000


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = make_bundle(tmp_path_factory.mktemp("bundle"))
    return folder


def plan(folder: Path, *lanes: tuple[str, int]) -> Path:
    path = folder / "plan.json"
    rows = [
        {"lane": number, "prober": prober, "target": "203.0.113.10", "interval_ns": ms * MS, "tmax_ns": 10**9,
         "offset_ns": number * MS, **({"flow": "new"} if prober == "icmp" else {"port": 22} if prober == "syn" else {})}
        for number, (prober, ms) in enumerate(lanes)
    ]  # fmt: skip
    path.write_text(json.dumps({"version": 1, "run": "5a" * 16, "duration_s": 60.0, "lanes": rows}))
    return path


def calibrate(bundle: Path, path: Path, ms: int, *before: str) -> tuple[int, dict[str, Any]]:
    words = [*before, sys.executable, "-S", "-m", "csw_probe", "calibrate", "--plan", str(path), "--ms", str(ms)]
    done = subprocess.run(words, env=environment(bundle), capture_output=True, text=True, timeout=20, check=False)
    assert not done.stderr
    return done.returncode, json.loads(done.stdout)


def check_truth(answer: dict[str, Any]) -> None:
    last_ok, first_fail, last_fail, first_ok = answer["edges"]
    (before, after), (back, up) = answer["silenced"], answer["woken"]
    assert before <= after < back <= up
    slack = answer["rtt_ns"]  # a probe under way
    assert last_ok <= after + slack and before - slack <= first_fail
    assert last_fail <= up + slack and back - slack <= first_ok
    assert last_fail - first_fail <= up - before + slack
    assert first_ok - last_ok + slack >= back - after


@pytest.mark.parametrize("lanes", [[("icmp", 20)], [("icmp", 50), ("arp", 50), ("syn", 20), ("banner", 1000)]])
def test_the_bounds_contain_the_truth(bundle: Path, tmp_path: Path, lanes: list[tuple[str, int]]) -> None:
    rows = [(prober if prober != "banner" else "syn", ms) for prober, ms in lanes]
    status, answer = calibrate(bundle, plan(tmp_path, *rows), 400)
    assert status == 0
    assert answer["interval_ns"] == 20 * MS
    assert answer["wanted"] == sum(-(-(400 - number) // ms) for number, (_, ms) in enumerate(lanes)) + 20
    assert answer["sent"] + answer["self_late"] >= answer["wanted"]
    assert answer["late_ns"] == sorted(answer["late_ns"])
    check_truth(answer)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plan.json"]  # it writes nothing


def test_slow_lanes_alone_are_judged_by_a_faster_one(bundle: Path, tmp_path: Path) -> None:
    status, answer = calibrate(bundle, plan(tmp_path, ("icmp", 5000)), 300)
    assert (status, answer["interval_ns"], answer["wanted"]) == (0, 30 * MS, 10)
    check_truth(answer)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to be somebody without it")
def test_an_ordinary_user_needs_no_privileges(tmp_path: Path) -> None:
    """Neither raw sockets nor, where the kernel's range leaves the group out, datagram ICMP: UDP then."""
    folder = Path("/var/tmp") / f"csw-calibrate-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        status, answer = calibrate(
            make_bundle(folder), plan(folder, ("icmp", 20)), 300, "setpriv", "--reuid=65534", "--regid=65534",
            "--clear-groups", "--bounding-set=-all",
        )  # fmt: skip
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    assert status == 0
    check_truth(answer)


def start(bundle: Path, path: Path, ms: int) -> subprocess.Popen[bytes]:
    """Until its other process is there: the first sample is due."""
    words = [sys.executable, "-S", "-m", "csw_probe", "calibrate", "--plan", str(path), "--ms", str(ms)]
    process = subprocess.Popen(words, env=environment(bundle), stdout=subprocess.PIPE)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not children.read_text().split():
        assert process.poll() is None
    return process


def test_one_that_is_stopped_says_that_it_was_late(bundle: Path, tmp_path: Path) -> None:
    process = start(bundle, plan(tmp_path, ("icmp", 20)), 1000)
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.2)  # it is what is measured
    process.send_signal(signal.SIGCONT)
    answer = json.loads(process.communicate(timeout=10)[0])
    assert answer["self_late"] >= 5
    if answer["edges"]:
        check_truth(answer)


@pytest.mark.parametrize("ms", [199, 5001])
def test_lengths_it_does_not_take(bundle: Path, tmp_path: Path, ms: int) -> None:
    assert calibrate(bundle, plan(tmp_path, ("icmp", 20)), ms) == (
        1, {"error": "calibrating takes from 200 to 5000 ms", "code": "plan"}
    )  # fmt: skip


def test_nothing_is_left_when_it_is_killed(bundle: Path, tmp_path: Path) -> None:
    """The process that answers holds the pipe as long as it lives."""
    process = start(bundle, plan(tmp_path, ("icmp", 20)), 5000)
    process.kill()
    process.wait()
    assert process.stdout is not None
    assert process.stdout.read() == b""  # the end of it: nobody holds the other side
