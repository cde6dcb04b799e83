# SPDX-License-Identifier: Apache-2.0
"""Campaigns in the test cloud: a breach stops them while it goes on, kill -9 loses nothing, no router twice."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

import pytest

from csworkbench.model.event import Phase, PhaseEntered
from csworkbench.recording.library import RunFolder
from csworkbench.recording.reader import RunFileError, RunFileReader
from csworkbench.upgrade.campaign import CampaignState, Status
from csworkbench.upgrade.campaign import record as rec
from csworkbench.upgrade.campaign.folder import CampaignFolder
from csworkbench.upgrade.campaign.state import replay
from tests.lab.support import RunningCloud, running_cloud

from .support import COMMAND, ROOT, csworkbench

pytestmark = pytest.mark.lab

STOP_S = 2.0  # within this of the moment at which the budget is exceeded nothing more may be started
TOLD_S = 6.0  # a verdict on the samples takes their Tmax, and then this machine's other work
CALLS = 40
SMALL = """
networks:
  - {name: net-a, count: 1, vms: 1}
  - {name: site, count: 1, vms: 1}
"""
SIXTY = """
networks:
  - {name: net-a, count: 21, vms: 1}
  - {name: site, count: 38, vms: 1}
"""
PLAN = """
name: %(name)s
cloud: lab
select: {needs: [template, scripts, current]}
operation: {restart: {cleanup: true}}
canary: {size: %(canary)s}
waves: %(waves)s
caps: {total: %(total)s}
vantages:
  tenants: {vms: all}
  outside: {at: local}
lanes: [egress, ingress]
phases: {calibrate: 0s, warmup: 500ms, baseline: %(baseline)s, confirm: %(confirm)s, settle_limit: 2m}
budget: {egress: %(budget)s, ingress: %(budget)s}
calls_per_second: %(calls)s
"""


class Campaign:
    """The newest campaign of this test's data folder, seen through its journal alone."""

    def __init__(self, cloud: RunningCloud, plan: Path) -> None:
        self.cloud, self.plan = cloud, plan
        self.data = Path(os.environ["CSWORKBENCH_DATA_DIR"])
        self.env = {**os.environ, "CSWORKBENCH_LAB_DIR": str(cloud.state)}
        self._process: subprocess.Popen[str] | None = None

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        with (self.data.parent / "said").open("a") as said:
            self._process = subprocess.Popen(
                [*COMMAND, "upgrade", *words], stdin=subprocess.DEVNULL, stdout=said, stderr=said, text=True,
                env=self.env, cwd=ROOT,
            )  # fmt: skip
        return self._process

    def said(self) -> str:
        return (self.data.parent / "said").read_text()

    def folder(self) -> CampaignFolder | None:
        found = sorted((self.data / "campaigns").glob("*/journal.jsonl"))
        return CampaignFolder(found[-1].parent) if found else None

    def entries(self) -> list[rec.Entry]:
        folder = self.folder()
        return folder.entries() if folder is not None else []

    def state(self) -> CampaignState:
        return replay(self.entries())

    def wait(self, until: Callable[[CampaignState], bool], limit_s: float = 150) -> CampaignState:
        end = time.monotonic() + limit_s
        while not until(state := self.state()):
            assert time.monotonic() < end, self.said()
            time.sleep(0.05)
        return state

    def end(self, limit_s: float = 150) -> int:
        assert self._process is not None
        return self._process.wait(limit_s)

    def kill(self) -> None:
        """As the kernel does it when memory runs out."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def give_up(self) -> None:
        """Whatever a failed test leaves: the campaign, and the runs that would go on without it."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for _, attempt in self.state().runs():
            if attempt.over is None and attempt.pid and Path(f"/proc/{attempt.pid}").exists():
                os.kill(attempt.pid, signal.SIGKILL)

    def changing(self, name: str) -> bool:
        """Whether the newest run of that network has begun its change."""
        found = self.named(name)
        file = RunFolder(self.data / "runs" / found.newest.run).file if found.newest is not None else None
        if file is None or not file.exists():
            return False
        try:
            reader = RunFileReader(file)
        except RunFileError:
            return False  # it is just being made
        try:
            bodies = [event.body for event in reader.without_samples()]
        finally:
            reader.close()
        return any(isinstance(body, PhaseEntered) and body.phase is Phase.CHANGE for body in bodies)

    def named(self, name: str) -> Any:
        return next(t for t in self.state().targets.values() if t.target.name == name)

    def restarts(self) -> Counter[str]:
        """How often the server restarted each network, by its own events."""
        names = {row["id"]: row["name"] for row in self.cloud.api("listNetworks", listall="true")[1]["network"]}
        found: Counter[str] = Counter()
        for page in range(1, 40):
            rows = self.cloud.api("listEvents", listall="true", type="NETWORK.RESTART", page=str(page), pagesize="200")
            events = rows[1].get("event", [])
            found.update(
                names.get(e.get("resourceid", ""), e["description"]) for e in events if e["state"] == "Completed"
            )
            if len(events) < 200:
                break
        return found

    def missing(self) -> dict[str, int | None]:
        """Records that the runs did not get, where there are any."""
        found = {t.target.name: t.result.missing_records for t in self.state().targets.values() if t.result}
        return {name: number for name, number in found.items() if number != 0}


def calls_in_a_second(runs: Path) -> int:
    """The most API calls that all runs together sent in any second."""
    sent: list[int] = []
    for file in runs.glob("*/run.db"):
        with contextlib.closing(sqlite3.connect(file)) as db:
            sent += [at for (at,) in db.execute("SELECT started_ns FROM api_calls")]
    sent.sort()
    first = most = 0
    for place, at in enumerate(sent):
        while at - sent[first] >= 1_000_000_000:
            first += 1
        most = max(most, place - first + 1)
    return most


def write_plan(path: Path, **values: object) -> Path:
    path.write_text(PLAN % {"name": "proof", "calls": CALLS, **values})
    return path


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    home = tmp_path_factory.mktemp("c")
    (home / "fleet.yaml").write_text(SMALL)
    with running_cloud(home / "lab", "--scale", "0", "--vms", "1", "--fleet", str(home / "fleet.yaml")) as up:
        yield up


def breach(cloud: RunningCloud, milliseconds: int) -> "subprocess.Popen[str]":
    """Cut the first network off, the only one with addresses of their own for what comes in; prints when it did."""
    return subprocess.Popen(
        [*COMMAND, "lab", "--state", str(cloud.state), "break", "ingress", "--ms", str(milliseconds)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT,
    )  # fmt: skip


def times(campaign: Campaign, cut: dict[str, Any], budget_s: float) -> dict[str, float]:
    """Seconds from the moment at which the outage exceeded the budget; that moment is on this host's own clock."""
    wall_s = time.time() - time.monotonic()
    exceeded_s = cut["start_ns"][0] / 1e9 + budget_s + wall_s
    entries = campaign.entries()
    starts = [e.at.timestamp() for e in entries if isinstance(e.body, rec.Starting)]
    (stopped,) = [e.at for e in entries if isinstance(e.body, rec.Stopped)]
    held = float("inf")  # since when starts were held at the stop; a hold that ended before it does not count
    for clock, on in re.findall(r"^([0-9:.]+)Z  (no new starts)?(?:starts are not held)?", campaign.said(), re.M):
        at = datetime.combine(stopped.date(), time_of_day.fromisoformat(clock), UTC)
        if "." in clock and at <= stopped:
            held = (at.timestamp() if held == float("inf") else held) if on else float("inf")
    return {
        "held": min(held, stopped.timestamp()) - exceeded_s,
        "stop": stopped.timestamp() - exceeded_s,
        "last start": max(starts) - exceeded_s,
    }


def test_kill_minus_nine_resume_and_a_breach_that_starts_nothing_more(cloud: RunningCloud, tmp_path: Path) -> None:
    """probe-net is cut off while it is restarted: site-01, whose wave would be the next, is not started any more."""
    budget_s = 1.5
    plan = write_plan(
        tmp_path / "plan.yaml",
        canary=0,
        waves="[2, rest]",
        total=2,
        baseline="1s",
        confirm="500ms",
        budget=f"{budget_s:g}s",
    )
    campaign = Campaign(cloud, plan)
    try:
        campaign.begin(str(plan), "--yes")
        campaign.wait(lambda state: len(state.of(Status.RUNNING)) == 2)
        campaign.kill()
        assert campaign.state().of(Status.DONE) == []
        campaign.begin("--resume", "last")
        campaign.wait(lambda _: campaign.changing("probe-net"))
        cut = breach(cloud, 4000)
        assert campaign.end() == 3, campaign.said()
        out, _ = cut.communicate(timeout=30)
    finally:
        campaign.give_up()
    found = times(campaign, json.loads(out), budget_s)
    print(found)
    assert found["held"] < STOP_S, found
    assert 0 < found["stop"] < TOLD_S, found
    assert found["last start"] < STOP_S, found
    state = campaign.state()
    assert {t.target.name: t.status for t in state.targets.values()} == {
        "net-a-01": Status.DONE, "probe-net": Status.DONE, "site-01": Status.WAITING,
    }  # fmt: skip
    breached = [e.body for e in campaign.entries() if isinstance(e.body, rec.Breached)]
    assert {b.target for b in breached} == {campaign.named("probe-net").target.id}
    assert campaign.named("probe-net").result.over_budget
    assert campaign.restarts() == {"net-a-01": 1, "probe-net": 1}
    assert campaign.missing() == {}
    folder = campaign.folder()
    assert folder is not None
    assert len((folder.path / "campaign.csv").read_text().splitlines()) == 4


@pytest.mark.slow
def test_who_cannot_ask_does_nothing(cloud: RunningCloud, tmp_path: Path) -> None:
    plan = write_plan(tmp_path / "p.yaml", canary=1, waves="[rest]", total=2, baseline="1s", confirm="1s", budget="9s")
    env = {"CSWORKBENCH_LAB_DIR": str(cloud.state)}
    looked = csworkbench("upgrade", str(plan), "--dry-run", env=env)
    assert looked.returncode == 0, looked.stderr
    assert "the canary: 1" in looked.stdout
    assert "cleanup=true makeredundant=false livepatch=false" in looked.stdout
    asked = csworkbench("upgrade", str(plan), env=env)
    assert asked.returncode == 2
    assert "--yes" in asked.stderr
    assert csworkbench("upgrade", "--resume", "last").returncode == 2
    assert csworkbench("upgrade", "status").returncode == 2
    plan.write_text(plan.read_text() + "wave: 3\n")
    wrong = csworkbench("upgrade", str(plan), env=env)
    assert wrong.returncode == 2
    assert "did you mean 'waves'?" in wrong.stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_sixty_networks(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(SIXTY)
    options = ("--scale", "0.05", "--vms", "1", "--fleet", str(tmp_path / "fleet.yaml"))
    with running_cloud(tmp_path / "lab", *options) as cloud:
        lines = sixty(cloud, tmp_path)
    print("\n".join(lines))


def sixty(cloud: RunningCloud, folder: Path) -> list[str]:
    """A campaign over 60 networks: killed in the second wave, breached in the third, and finished. What it showed."""
    budget_s, concurrency = 4.0, 6
    plan = write_plan(
        folder / "plan.yaml", canary=1, waves="[6, 12, 24, rest]", total=concurrency, baseline="3s", confirm="3s",
        budget=f"{budget_s:g}s",
    )  # fmt: skip
    campaign = Campaign(cloud, plan)
    began = time.monotonic()
    try:
        campaign.begin(str(plan), "--yes")
        campaign.wait(
            lambda state: (
                any(t.target.wave == 2 for t in state.of(Status.DONE)) and len(state.of(Status.RUNNING)) == concurrency
            ),
            600,
        )
        campaign.kill()
        lost = len(campaign.state().of(Status.RUNNING, Status.STARTING))
        campaign.begin("--resume", "last")
        campaign.wait(lambda _: campaign.changing("probe-net"), 600)
        cut = breach(cloud, 12_000)
        first_code = campaign.end(600)
        out, _ = cut.communicate(timeout=60)
        found = times(campaign, json.loads(out), budget_s)
        stopped = campaign.state()
        left = len(stopped.of(Status.WAITING))
        starts = [e for e in campaign.entries() if isinstance(e.body, rec.Starting)]
        campaign.begin("--resume", "last", "--go-on")
        code = campaign.end(900)
    finally:
        campaign.give_up()
    state = campaign.state()
    restarts, took = campaign.restarts(), time.monotonic() - began
    running, most = max_running(campaign.entries()), calls_in_a_second(campaign.data / "runs")
    breached = [e.body for e in campaign.entries() if isinstance(e.body, rec.Breached)]
    figures = [f for t in state.targets.values() if t.result for f in t.result.services]
    downs = sorted(f.down_s for f in figures if f.service == "egress")
    names = {t.target.name for t in state.targets.values()}
    shown = ", ".join(sorted({f"{b.service} at {b.down_s:.2f} s" for b in breached}))
    order = "before" if found["last start"] < 0 else "after"
    lines = [
        f"{len(state.targets)} networks, concurrency {concurrency}, canary, {len(state.waves) - 1} waves: {took:.0f} s",
        f"kill -9 of the campaign in wave 2 with {lost} runs going on, then resumed",
        f"probe-net (wave {campaign.named('probe-net').target.wave}) cut off for 12 s during its restart,"
        f" budget {budget_s:g} s, counted while it lasted: {shown}",
        f"starts held {found['held']:+.2f} s and stop {found['stop']:+.2f} s after the budget was exceeded,"
        f" last start {abs(found['last start']):.2f} s {order} that moment",
        f"stopped with {left} networks waiting after {len(starts)} starts, exit code {first_code};"
        f" went on, exit code {code}",
        f"most at work at the same time: {running}",
        f"done: {len(state.of(Status.DONE))}; forgotten: {len(names - set(restarts))};"
        f" handled twice: {sum(n > 1 for n in restarts.values())} (by the server's own events);"
        f" runs that miss records: {len(campaign.missing())}",
        f"most API calls of all runs in one second: {most}, allowed {CALLS}",
        f"egress downtime: median {downs[len(downs) // 2]:.2f} s, highest {downs[-1]:.2f} s",
    ]
    print("\n".join(lines), file=sys.stderr)
    assert found["held"] < STOP_S, found
    assert found["stop"] < TOLD_S, found
    assert found["last start"] < STOP_S, found
    assert (first_code, code) == (3, 3)
    assert len(state.of(Status.DONE)) == len(state.targets) == 60
    assert dict(restarts) == dict.fromkeys(names, 1)
    assert campaign.missing() == {}
    assert running <= concurrency
    assert most <= CALLS + concurrency  # a run is stamped a little after its turn
    return lines


def max_running(entries: list[rec.Entry]) -> int:
    """How many were at work at most, by the journal."""
    running: set[str] = set()
    most = 0
    for entry in entries:
        if isinstance(entry.body, rec.Starting):
            running.add(entry.body.run)
        elif isinstance(entry.body, rec.Ended | rec.Requeued | rec.Unclear):
            running.discard(entry.body.run)
        most = max(most, len(running))
    return most
