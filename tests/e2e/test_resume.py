# SPDX-License-Identifier: Apache-2.0
"""A run whose engine is killed, on the real test cloud: gone on with, nothing lost, nothing sent twice."""

import json
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.support import RunningCloud, running_cloud

from .support import COMMAND, ROOT, csworkbench

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
SCENARIO = """\
name: killed
cloud: lab
network: probe-net
operation: {restart: {cleanup: true}}
phases: {warmup: 500ms, baseline: 3s, confirm: 3s, settle_limit: 2m, calibrate: 0s}
"""
RESTARTS = {"type": "NETWORK.RESTART", "listall": "true", "pagesize": "500", "page": "1"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("r") / "lab", "--scale", "0.1", "--vms", "2") as running:
        yield running


@pytest.fixture(autouse=True)
def _this_cloud(cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSWORKBENCH_LAB_DIR", str(cloud.state))


def restarts(cloud: RunningCloud) -> int:
    """How many restarts the cloud's own event log knows."""
    _, reply = cloud.api("listEvents", **RESTARTS)
    return sum(event["state"] == "Scheduled" for event in reply.get("event", []))


def killed(tmp_path: Path, word: str, pause_s: float = 0.0) -> str:
    """Begin a run, kill its engine once it has said that word; the run's id."""
    path = tmp_path / "killed.yaml"
    path.write_text(SCENARIO)
    process = subprocess.Popen(
        [*COMMAND, "run", str(path), "--yes", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=ROOT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if word in line:
            break
    time.sleep(pause_s)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "".join(said)
    (listed,) = [json.loads(line) for line in csworkbench("runs", "--json", "--interrupted").stdout.splitlines()]
    assert "pushing" in word or probers(tmp_path, listed["run"]), "they go on without their engine"
    return str(listed["run"])


def probers(tmp_path: Path, run: str) -> list[str]:
    """Processes on the vantages whose words name the run's spools."""
    with sqlite3.connect(tmp_path / "data/runs" / run / "run.db") as db:
        (body,) = db.execute("SELECT body FROM journal WHERE kind = 'run_opened'").fetchone()
        tokens = [json.loads(body)["token"]]
        tokens += [
            json.loads(row[0])["token"] for row in db.execute("SELECT body FROM journal WHERE kind = 'prober_started'")
        ]
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        found += [words for token in set(tokens) if token in words]
    return found


def none_left(tmp_path: Path, run: str) -> bool:
    end = time.monotonic() + 15
    while probers(tmp_path, run):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def whole(summary: dict[str, Any], tmp_path: Path) -> None:
    assert summary["verdict"] == "restarted", summary["reasons"]
    assert summary["missing_records"] == 0
    egress = summary["services"]["egress"]
    assert 0 < egress["low_s"] <= egress["down_s"] <= egress["high_s"], "the outage is there, with bounds"
    assert egress["blind_s"] == 0, "the probers saw what no engine was there to hear of"
    assert [job["status"] for job in summary["jobs"]] == ["succeeded"]
    with sqlite3.connect(tmp_path / "data/runs" / summary["run"] / "run.db") as db:
        doubled = "SELECT count(*) FROM (SELECT 1 FROM samples s JOIN journal j ON j.seq = s.batch"
        doubled += " WHERE j.kind = 'samples_arrived' GROUP BY s.lane, s.seq HAVING count(*) > 1)"
        assert db.execute(doubled).fetchone() == (0,)
        posts = "SELECT count(*) FROM api_calls WHERE method = 'POST'"
        assert db.execute(posts).fetchone()[0] <= 1
    assert none_left(tmp_path, summary["run"])


@pytest.mark.parametrize(
    ("word", "pause_s"),
    [
        ("job restartNetwork: pending", 0.3),
        pytest.param("pushing probes 3/3", 1.0, marks=pytest.mark.slow),
        pytest.param("phase: baseline", 1.0, marks=pytest.mark.slow),
        pytest.param("phase: change", 0.0, marks=pytest.mark.slow),
        pytest.param("phase: settle", 0.2, marks=pytest.mark.slow),
        pytest.param("phase: collect", 0.0, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_is_gone_on_with(cloud: RunningCloud, tmp_path: Path, word: str, pause_s: float) -> None:
    before = restarts(cloud)
    run = killed(tmp_path, word, pause_s)
    shown = csworkbench("show", run)
    assert f"csworkbench resume {run}" in shown.stdout
    done = csworkbench("resume", run, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    whole(json.loads(done.stdout), tmp_path)
    assert restarts(cloud) == before + 1
    again = csworkbench("resume", run)
    assert (again.returncode, "has ended" in again.stderr) == (2, True)


@pytest.mark.slow
def test_on_a_host_that_was_rebooted(cloud: RunningCloud, tmp_path: Path) -> None:
    """Its boot is another one by name alone here, so that the truth is known: the clocks went on as they were."""
    run = killed(tmp_path, "job restartNetwork: pending")
    with sqlite3.connect(tmp_path / "data/runs" / run / "run.db") as db:
        db.execute("UPDATE journal SET body = json_set(body, '$.boot', 'another') WHERE kind = 'run_opened'")
    done = csworkbench("resume", run, "--json")
    assert done.returncode == 0, done.stderr
    assert "this host was rebooted" in done.stderr
    summary = json.loads(done.stdout)
    whole(summary, tmp_path)
    (told,) = [line for line in summary["warnings"] if "this host was rebooted" in line]
    low, high = (float(word) for word in re.findall(r"[+-]\d+\.\d+", told))
    assert low <= 0.001 and high >= -0.001 and high - low < 0.5, told


@pytest.mark.slow
def test_a_killed_run_is_closed_when_nobody_wants_it(cloud: RunningCloud, tmp_path: Path) -> None:
    before = restarts(cloud)
    run = killed(tmp_path, "job restartNetwork: pending")
    done = csworkbench("resume", run, "--stop", "--json")
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    assert summary["verdict"] == "failed"
    assert any("how the operation ends is unknown" in reason for reason in summary["reasons"])
    assert summary["missing_records"] == 0
    assert none_left(tmp_path, run)
    assert restarts(cloud) == before + 1


@pytest.mark.slow
def test_a_job_that_never_ends_is_not_followed_for_ever(cloud: RunningCloud, tmp_path: Path) -> None:
    path = tmp_path / "stuck.yaml"
    path.write_text(SCENARIO.replace("calibrate: 0s", "calibrate: 0s, job_limit: 8s"))
    cloud.lab("fault", "job-stuck")
    try:
        done = csworkbench("run", str(path), "--yes", "--json")
    finally:
        cloud.lab("fault", "job-stuck", "--off")
    assert done.returncode == 1, done.stderr
    summary = json.loads(done.stdout)
    assert summary["verdict"] == "failed"
    assert "has not ended after 8 s" in summary["reasons"][0]
    assert "cmk query asyncjobresult jobid=" in summary["reasons"][0]
    assert [job["status"] for job in summary["jobs"]] == ["lost"]
    assert summary["missing_records"] == 0


@pytest.mark.slow
def test_one_whose_engine_lives_is_left_alone(cloud: RunningCloud, tmp_path: Path) -> None:
    path = tmp_path / "watched.yaml"
    path.write_text(SCENARIO)
    process = subprocess.Popen(
        [*COMMAND, "watch", str(path), "--for", "10m"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        cwd=ROOT,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "phase: measure" in line:
            break
    done = csworkbench("resume", "last")
    assert (done.returncode, "csworkbench attach" in done.stderr) == (2, True), done.stderr
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 0
