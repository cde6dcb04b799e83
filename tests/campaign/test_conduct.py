# SPDX-License-Identifier: Apache-2.0
"""Conducting with real processes that stand in for engines: nothing twice, nothing forgotten, whoever dies when."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from csworkbench.campaign.child import Child, Launcher, is_alive
from csworkbench.campaign.conduct import Conductor, scenario_of
from csworkbench.campaign.control import NotConducted, ask
from csworkbench.campaign.follow import read_result
from csworkbench.cli.engine import as_written
from csworkbench.model.event import Phase, PhaseEntered, RunClosed, Verdict, VerdictReached
from csworkbench.model.operation import Operation
from csworkbench.model.scenario import Scenario
from csworkbench.recording.library import RunFolder
from csworkbench.upgrade.campaign import CampaignPlan, CampaignState, Caps, Status, StopRule, Target
from csworkbench.upgrade.campaign import record as rec
from csworkbench.upgrade.campaign.folder import CampaignFolder, numbered
from csworkbench.upgrade.campaign.outcome import exit_code
from csworkbench.upgrade.campaign.state import replay
from tests.upgrade.campaign.support import PATCH, RESTART, START, plan

LIMIT_S = 60.0
ROOT = Path(__file__).resolve().parents[2]


class Campaign:
    """A campaign in a folder, conducted in this process or in one that can be killed."""

    def __init__(self, path: Path, of: CampaignPlan, names: tuple[str, ...], operation: Operation = RESTART) -> None:
        self.path, self.plan = path, of
        self.folder, self.runs = CampaignFolder(path / "campaign"), path / "runs"
        for made in (self.folder.path, self.runs):
            made.mkdir()
        targets = tuple(Target(f"id-{n}", "network", n, 1, operation, vantages=("vm01",)) for n in names)
        self.folder.append(numbered([rec.Opened("me", of.name, "lab", targets)], 0, START))

    def state(self) -> CampaignState:
        return replay(self.folder.entries())

    def status(self) -> dict[str, Status]:
        return {t.target.name: t.status for t in self.state().targets.values()}

    def starts(self) -> list[str]:
        """What the engines said when they began, in any order."""
        file = self.runs / "starts"
        return sorted(file.read_text().splitlines()) if file.exists() else []

    def conductor(self, say: Callable[[rec.Entry], None] = lambda _: None) -> Conductor:
        self.folder.mend()
        return Conductor(self.plan, self.folder, self.state(), launcher(self.runs), scenario_of, "me", say)

    def conduct(self) -> int:
        """Here, to its end."""
        return asyncio.run(self.conductor().run())

    def elsewhere(self) -> "subprocess.Popen[bytes]":
        """In a process that can be killed."""
        words = [sys.executable, "-m", "tests.campaign.test_conduct", str(self.path), str(self.plan.caps.total)]
        return subprocess.Popen(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def wait(self, until: Callable[[], bool]) -> None:
        end = time.monotonic() + LIMIT_S
        while not until():
            assert time.monotonic() < end, self.status()
            time.sleep(0.02)

    def go(self) -> None:
        """Those that wait may end."""
        (self.runs / "go").touch()

    def alive(self) -> list[str]:
        return [p.name for p in self.runs.iterdir() if p.is_dir() and is_alive(RunFolder(p))]


def launcher(runs: Path) -> Launcher:
    def words(folder: RunFolder) -> list[str]:
        return [sys.executable, "-m", "tests.campaign.fake_engine", str(folder.path)]

    return Launcher(runs, words, lay, {"PYTHONPATH": str(ROOT)})


def lay(scenario: Scenario, folder: RunFolder) -> None:
    (folder.path / "scenario.json").write_text(json.dumps(as_written(asdict(scenario))))


def test_everything_is_done_once(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, plan(caps=Caps(3)), ("a", "b", "c", "d", "e"))
    assert campaign.conduct() == 0
    assert set(campaign.status().values()) == {Status.DONE}
    assert campaign.starts() == [f"id-{n} restart" for n in "abcde"]
    assert isinstance(campaign.folder.entries()[-1].body, rec.Closed)
    assert campaign.conduct() == 0  # once more: nothing happens
    assert len(campaign.starts()) == 5


@pytest.mark.slow
def test_kill_minus_nine_and_resume(tmp_path: Path) -> None:
    """Runs outlive their conductor; the next one follows those that live and starts only what nobody has started."""
    campaign = Campaign(tmp_path, plan(caps=Caps(3)), ("wait-1", "wait-2", "wait-3", "d", "e"))
    first = campaign.elsewhere()
    try:
        campaign.wait(lambda: len(campaign.starts()) == 3 and len(campaign.alive()) == 3)
        campaign.wait(lambda: list(campaign.status().values()).count(Status.RUNNING) == 3)
    finally:
        first.kill()
        first.wait()
    assert len(campaign.alive()) == 3
    second = campaign.elsewhere()
    try:
        campaign.wait(lambda: "pid" in _asked(campaign, "status"))
        campaign.go()
        assert second.wait(LIMIT_S) == 0
    finally:
        second.kill()
        second.wait()
    assert set(campaign.status().values()) == {Status.DONE}
    assert campaign.starts() == sorted(f"id-{n} restart" for n in ("wait-1", "wait-2", "wait-3", "d", "e"))


def _asked(campaign: Campaign, do: str, **args: str) -> dict[str, object]:
    try:
        return ask(campaign.folder.socket, do, **args)
    except NotConducted:
        return {}


def test_what_was_only_about_to_start_is_started_and_what_ended_meanwhile_is_taken(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, plan(), ("about", "ended"))
    scenario = scenario_of(campaign.plan, campaign.state().targets["id-ended"])
    child = launcher(campaign.runs).start(scenario, RunFolder(campaign.runs / "r2"))
    campaign.wait(lambda: not child.is_alive())
    state = campaign.state()
    campaign.folder.append(
        numbered([rec.Starting("id-about", "r1", RESTART), rec.Starting("id-ended", "r2", RESTART)], state.seq, START)
    )
    assert campaign.conduct() == 0
    assert campaign.starts() == ["id-about restart", "id-ended restart"]
    assert {a.run for _, a in campaign.state().runs()} == {"r1", "r2"}


def test_an_engine_that_dies_in_the_change_is_left_to_a_person(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, plan(caps=Caps(1)), ("late", "later"))
    assert campaign.conduct() == 1
    assert campaign.status() == {"late": Status.UNKNOWN, "later": Status.WAITING}
    assert campaign.starts() == ["id-late restart"]
    assert campaign.conduct() == 1
    assert campaign.starts() == ["id-late restart"]  # not by itself
    _resume_by_hand(campaign)
    campaign.folder.append(numbered([rec.WentOn("me")], campaign.state().seq, START))
    assert campaign.conduct() == 1  # the other one dies as well
    assert campaign.status() == {"late": Status.DONE, "later": Status.UNKNOWN}


def _resume_by_hand(campaign: Campaign) -> None:
    """What another command may do: take the run to its verdict."""
    import sqlite3

    from csworkbench.model.codec import body_to_json, kind_of

    db = sqlite3.connect(RunFolder(campaign.runs / campaign.state().targets["id-late"].attempts[-1].run).file)
    ((seq, at_ns),) = db.execute("SELECT max(seq), max(at_ns) FROM journal").fetchall()
    for body in (VerdictReached(Verdict.UPGRADED, False), PhaseEntered(Phase.DONE), RunClosed(0)):
        seq += 1
        db.execute(
            "INSERT INTO journal VALUES (?,?,0,?,?)", (seq, at_ns, kind_of(body), json.dumps(body_to_json(body)))
        )
    db.commit()
    db.close()


def test_an_engine_that_dies_before_the_change_is_begun_again(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, plan(), ("early",))
    assert campaign.conduct() == 1  # three times in vain
    assert campaign.starts() == ["id-early restart"] * 3
    assert campaign.state().targets["id-early"].retries == 0
    assert "before the change 3 times" in campaign.state().targets["id-early"].result.reasons[0]  # type: ignore[union-attr]


def test_a_run_that_cannot_begin_says_why(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, plan(), ("never",))
    assert campaign.conduct() == 1
    result = campaign.state().targets["id-never"].result
    assert result is not None
    assert "cannot begin" in result.reasons[0]


def test_a_live_patch_that_failed_becomes_a_restart(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, plan(fallback=RESTART), ("fail",), PATCH)
    assert campaign.conduct() == 0
    assert campaign.starts() == ["id-fail live_patch", "id-fail restart"]
    retried = [e.body for e in campaign.folder.entries() if isinstance(e.body, rec.Retried)]
    assert [(r.who, r.operation) for r in retried] == [("the plan", RESTART)]


def test_over_budget_stops_new_starts_and_a_person_goes_on(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, plan(caps=Caps(1)), ("a", "b-over", "c"))
    assert campaign.conduct() == 3
    assert campaign.status()["c"] is Status.WAITING
    stopped = [e.body for e in campaign.folder.entries() if isinstance(e.body, rec.Stopped)]
    assert [s.who for s in stopped] == ["the plan"]
    assert "its budget is 10 s" in stopped[0].why
    campaign.folder.append(numbered([rec.WentOn("me")], campaign.state().seq, campaign.state().last or START))
    assert campaign.conduct() == 3
    assert campaign.state().settled


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not holds():  # noqa: ASYNC110 - it happens in other processes
            await asyncio.sleep(0.02)


async def test_commands_from_another_terminal(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, plan(caps=Caps(1)), ("wait-a", "b", "c"))
    running = asyncio.create_task(campaign.conductor().run())

    async def say(do: str, **args: str) -> dict[str, object]:
        return await asyncio.to_thread(_asked, campaign, do, who="you", **args)

    await until(lambda: campaign.status()["wait-a"] is Status.RUNNING)
    assert campaign.folder.socket.stat().st_mode & 0o077 == 0
    assert (await say("pause", why="lunch"))["text"]
    assert "already" in str((await say("pause"))["error"])
    assert "cannot be recalled" in str((await say("skip", target="wait-a"))["error"])
    assert (await say("skip", target="b", why="its owner asked"))["text"]
    assert "no target" in str((await say("skip", target="x"))["error"])
    assert "cannot be done to a network" in str((await say("retry", target="b", operation="reboot_systemvm"))["error"])
    assert (await say("retry", target="c", operation="live_patch"))["text"]
    assert "unknown command" in str((await say("explode"))["error"])
    campaign.go()
    await until(lambda: campaign.status()["wait-a"] is Status.DONE)
    assert campaign.status() == {"wait-a": Status.DONE, "b": Status.SKIPPED, "c": Status.WAITING}
    await say("go-on")
    async with asyncio.timeout(LIMIT_S):
        assert await running == 0
    assert campaign.starts() == ["id-c live_patch", "id-wait-a restart"]
    said = [(type(e.body).__name__, e.body.who) for e in campaign.state().actions if hasattr(e.body, "who")]
    assert said == [("Paused", "you"), ("Skipped", "you"), ("Retried", "you"), ("WentOn", "you")]
    assert not campaign.folder.socket.exists()


async def test_an_interrupt_finishes_what_runs_and_a_second_one_leaves_it(tmp_path: Path) -> None:
    for twice in (False, True):
        path = tmp_path / str(twice)
        path.mkdir()
        campaign = Campaign(path, plan(caps=Caps(1)), ("wait-a", "b"))
        conductor = campaign.conductor()
        running = asyncio.create_task(conductor.run())
        await until(lambda campaign=campaign: campaign.status()["wait-a"] is Status.RUNNING)  # type: ignore[misc]
        conductor.interrupt()
        if twice:
            conductor.interrupt()
            async with asyncio.timeout(LIMIT_S):
                await running
            assert campaign.alive()
            assert conductor.detached
        campaign.go()
        async with asyncio.timeout(LIMIT_S):
            await running
        campaign.wait(lambda campaign=campaign: not campaign.alive())  # type: ignore[misc]
        assert campaign.status()["b"] is Status.WAITING
        assert campaign.status()["wait-a"] is (Status.RUNNING if twice else Status.DONE)
        assert await campaign.conductor().run() == 0
        assert campaign.starts() == ["id-b restart", "id-wait-a restart"]


def test_a_run_file_that_cannot_be_read_is_not_taken_for_a_run_that_never_was(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, plan(stop=StopRule(unknown=0)), ("a",))
    campaign.folder.append(numbered([rec.Starting("id-a", "r1", RESTART)], 1, START))
    (campaign.runs / "r1").mkdir()
    (campaign.runs / "r1" / "run.db").write_bytes(b"\0" * 100)
    assert campaign.conduct() == 1
    assert campaign.status() == {"a": Status.UNKNOWN}
    assert campaign.starts() == []
    assert read_result(RunFolder(campaign.runs / "r1")) is None
    assert not Child(RunFolder(campaign.runs / "r1")).is_alive()


@pytest.mark.parametrize("vantages", [("vm01",), ()])
def test_without_a_tenant_it_is_measured_from_outside(vantages: tuple[str, ...]) -> None:
    of = plan()
    target = Target("id-1", "vpc", "v", 1, RESTART, vantages=vantages)
    state = replay(numbered([rec.Opened("me", "small", "lab", (target,))], 0, START))
    found = scenario_of(of, state.targets["id-1"])
    assert (found.network, found.vpc, found.operation) == ("", "id-1", RESTART)
    assert (found.vantages.tenants is not None) is bool(vantages)
    assert found.budget == ({"egress": 10.0} if vantages else {})
    assert exit_code(state) == 1  # nothing has been done yet


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    where = Path(sys.argv[1])
    conducted = CampaignFolder(where / "campaign")
    conducted.lock()
    conducted.mend()
    told = replay(conducted.entries())
    of = plan(caps=Caps(int(sys.argv[2])))
    sys.exit(asyncio.run(Conductor(of, conducted, told, launcher(where / "runs"), scenario_of, "me").run()))
