# SPDX-License-Identifier: Apache-2.0
"""Whole runs on loopback with real probes: phases, verdicts, exit codes, interruptions."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from csworkbench.engine.engine import Engine
from csworkbench.engine.prepared import NotPrepared, Prepared, Proof
from csworkbench.model import event as ev
from csworkbench.model.event import Phase, Verdict
from csworkbench.model.protocols import Journal
from csworkbench.model.scenario import Phases
from csworkbench.probing.agent import VantageAgent
from csworkbench.recording.library import new_run
from csworkbench.recording.reader import load_state
from csworkbench.recording.writer import RunFileWriter
from csworkbench.results.run_result import load_result
from csworkbench.results.summary import summarise

from .loopback import Loopback, Outage, Sshd, loopback, scenario

pytestmark = pytest.mark.lab


async def until(run: Loopback, holds: Callable[[], bool]) -> None:
    """Wait for a state of the run, told by its own events."""
    grown = asyncio.Event()
    run.writer.subscribe(lambda _event: grown.set())
    async with asyncio.timeout(60):
        while not holds():
            assert run.engine.state.closed is None, run.engine.state.verdict
            grown.clear()
            await grown.wait()


async def test_a_restart_is_measured_and_proven(tmp_path: Path) -> None:
    run = await loopback(tmp_path)
    assert await run.engine.run() == 0
    run.writer.close()
    result = load_result(run.folder.file)
    summary = summarise(result)
    assert summary["verdict"] == "restarted"
    assert summary["missing_records"] == 0
    ingress = summary["services"]["ingress"]
    before, after = run.sshd.closed_ns[0]
    assert ingress["low_s"] <= (after - before) / 1e9 <= ingress["high_s"] + 0.05
    assert ingress["worst"] == "vm01"
    assert [p for p, _, _ in result.state.phases] == [
        Phase.PREPARE, Phase.WARMUP, Phase.BASELINE, Phase.CHANGE, Phase.SETTLE, Phase.COLLECT, Phase.DONE,
    ]  # fmt: skip
    # The listener sends its banner and closes, so the held lane tells of that alone.
    asking = [lane for lane in summary["lanes"] if lane["prober"] != "held"]
    assert {o["reason"] for lane in asking for o in lane["outages"]} == {"refused"}
    assert run.closed == [True]


async def test_a_failed_operation_is_still_measured(tmp_path: Path) -> None:
    run = await loopback(tmp_path, operation=lambda sshd: Outage(sshd, fails="job failed: 530"))
    assert await run.engine.run() == 1
    verdict = run.engine.state.verdict
    assert verdict is not None
    assert verdict.verdict is Verdict.FAILED_AND_RECOVERED
    assert verdict.reasons[0] == "job failed: 530"


async def test_nothing_changed_and_over_budget(tmp_path: Path) -> None:
    nothing = Proof(False, True, ("no router differs from before",))
    run = await loopback(tmp_path, given=scenario(budget={"ingress": 0.1}), proof=nothing)
    assert await run.engine.run() == 5
    run = await loopback(tmp_path, given=scenario(budget={"ingress": 0.1}))
    assert await run.engine.run() == 3
    assert run.engine.state.verdict is not None
    assert run.engine.state.verdict.over_budget


async def test_an_outage_that_does_not_end_is_open(tmp_path: Path) -> None:
    class Gone(Outage):
        async def run(self, journal: Journal) -> None:
            await self.sshd.close()

    short = Phases(warmup=0.1, baseline=1.0, confirm=0.5, settle_limit=2.0, calibrate=0.0)
    run = await loopback(tmp_path, given=scenario(phases=short), operation=Gone)
    assert await run.engine.run() == 1
    assert run.engine.state.verdict is not None
    assert run.engine.state.verdict.verdict is Verdict.OPEN


async def test_a_bad_baseline_blocks_the_start(tmp_path: Path) -> None:
    run = await loopback(tmp_path)
    await run.sshd.close()
    assert await run.engine.run() == 4
    state = load_state(run.folder.file)
    assert state.phase_ns(Phase.CHANGE) is None
    assert state.verdict is not None
    assert "bad baseline" in state.verdict.reasons[0]
    assert run.closed == [True]


async def test_interactive_waits_for_the_operator(tmp_path: Path) -> None:
    run = await loopback(tmp_path, interactive=True, viewers=lambda: int(run.engine.state.closed is None))
    task = asyncio.create_task(run.engine.run())
    await until(run, lambda: run.engine.state.phase is Phase.BASELINE)
    run.engine.start_operation()  # too early: refused, and said so
    await until(run, lambda: run.engine.state.phase is Phase.READY)
    assert any("cannot start now" in n.text for _, n in run.engine.state.notices)
    about_ns = run.engine.state.last_ns - 1000
    run.engine.note("calling the customer", about_ns)
    run.engine.start_operation()
    assert await task == 0
    assert [(a.action, a.at_ns) for _, a in run.engine.state.actions] == [("note", about_ns), ("start", 0)]


async def test_a_stop_before_the_change_ends_it_and_changes_nothing(tmp_path: Path) -> None:
    run = await loopback(tmp_path)
    task = asyncio.create_task(run.engine.run())
    await until(run, lambda: run.engine.state.phase is Phase.BASELINE)
    run.engine.interrupt("SIGINT")
    assert await task == 1
    assert run.sshd.closed_ns == []
    assert run.closed == [True]
    assert run.engine.state.verdict is not None
    assert "nothing was operated" in run.engine.state.verdict.reasons[0]
    assert run.engine.state.missing_records == 0


async def test_a_stop_during_the_change_measures_to_its_end(tmp_path: Path) -> None:
    run = await loopback(tmp_path, operation=lambda sshd: Outage(sshd, seconds=1.5))
    task = asyncio.create_task(run.engine.run())
    await until(run, lambda: run.engine.state.phase is Phase.CHANGE)
    run.engine.interrupt("SIGTERM")
    assert await task == 0
    assert any("cannot be recalled" in n.text for _, n in run.engine.state.notices)
    assert run.engine.state.verdict is not None
    assert run.engine.state.verdict.verdict is Verdict.RESTARTED


async def test_a_second_stop_ends_it_and_says_what_is_unknown(tmp_path: Path) -> None:
    run = await loopback(tmp_path, operation=lambda sshd: Outage(sshd, seconds=30))
    task = asyncio.create_task(run.engine.run())
    await until(run, lambda: run.engine.state.phase is Phase.CHANGE)
    run.engine.interrupt("SIGTERM")
    run.engine.interrupt("SIGTERM")
    assert await task == 1
    assert run.engine.state.verdict is not None
    assert any("unknown" in reason for reason in run.engine.state.verdict.reasons)
    assert run.engine.state.verdict.verdict is Verdict.FAILED  # nobody can say that it recovered


async def test_measuring_only(tmp_path: Path) -> None:
    run = await loopback(tmp_path, given=scenario(operate=False), measure_s=2.0)
    task = asyncio.create_task(run.engine.run())
    await until(run, lambda: run.engine.state.phase is Phase.MEASURE)
    await run.sshd.down(0.5)
    assert await task == 0
    assert run.engine.state.verdict is not None
    assert run.engine.state.verdict.verdict is Verdict.MEASURED
    assert summarise(load_result(run.folder.file))["services"]["ingress"]["outages"] == 1


@pytest.mark.parametrize("code", [1, 2, 4])
async def test_what_cannot_be_prepared_ends_with_its_code(tmp_path: Path, code: int) -> None:
    async def prepare(_journal: Journal) -> Prepared:
        raise NotPrepared("one clear line", code)

    folder = new_run("x", tmp_path)
    engine = Engine(RunFileWriter(folder.file, {}), scenario(), prepare, run_token="00" * 16)
    assert await engine.run() == code
    closed = engine.state.closed
    assert isinstance(closed, ev.RunClosed)
    assert closed.exit_code == code


async def test_a_stop_while_settling_ends_it_and_says_so(tmp_path: Path) -> None:
    """Nothing runs in CloudStack any more, so the first stop is enough."""
    slow = Phases(warmup=0.1, baseline=1.0, confirm=60.0, settle_limit=120.0, calibrate=0.0)
    run = await loopback(tmp_path, given=scenario(phases=slow), operation=lambda sshd: Outage(sshd, seconds=0.1))
    task = asyncio.create_task(run.engine.run())
    await until(run, lambda: run.engine.state.phase is Phase.SETTLE)
    await asyncio.sleep(1.5)  # the listener is back: nothing is open
    run.engine.interrupt("SIGINT")
    async with asyncio.timeout(15):
        assert await task == 0
    state = run.engine.state
    assert state.verdict is not None
    assert state.verdict.verdict is Verdict.RESTARTED
    assert "stopped by the operator before the confirm window was over" in state.verdict.reasons
    assert not any("cannot be recalled" in n.text for _, n in state.notices)
    assert state.missing_records == 0


async def test_an_operation_that_breaks_off_is_a_failure_and_no_crash(tmp_path: Path) -> None:
    class Defect(Outage):
        async def run(self, journal: Journal) -> None:
            raise KeyError("jobid")

    run = await loopback(tmp_path, operation=Defect)
    assert await run.engine.run() == 1
    state = run.engine.state
    assert state.verdict is not None
    assert state.verdict.verdict is Verdict.FAILED_AND_RECOVERED
    assert state.verdict.reasons[0] == "restartNetwork cleanup=true broke off: KeyError: 'jobid'"
    assert Phase.SETTLE in [p for p, _, _ in state.phases]
    assert run.closed == [True]


async def test_a_prober_that_dies_for_good_makes_the_run_not_measurable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for what will never come: the settling ends long before its limit."""
    monkeypatch.setattr(VantageAgent, "_why_next", lambda *_: "")
    patient = Phases(warmup=0.1, baseline=1.0, confirm=0.5, settle_limit=600.0, calibrate=0.0)
    run = await loopback(tmp_path, given=scenario(phases=patient), operation=lambda sshd: Outage(sshd, seconds=0.1))
    task = asyncio.create_task(run.engine.run())
    await until(run, lambda: run.engine.state.phase is Phase.CHANGE)
    kill_prober(run)
    async with asyncio.timeout(60):
        assert await task == 4
    state = run.engine.state
    assert state.missing_records == 1
    assert state.verdict is not None
    assert state.verdict.verdict is Verdict.NOT_MEASURABLE
    assert "outside was not measured to the end (the prober was gone)" in state.verdict.reasons


async def test_a_prober_that_dies_for_good_before_the_change_blocks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VantageAgent, "_why_next", lambda *_: "")
    run = await loopback(tmp_path)
    task = asyncio.create_task(run.engine.run())
    await until(run, lambda: run.engine.state.phase is Phase.BASELINE)
    kill_prober(run)
    assert await task == 4
    assert run.sshd.closed_ns == []


async def test_a_prober_that_dies_is_replaced_and_nobody_calls_the_gap_an_outage(tmp_path: Path) -> None:
    run = await loopback(tmp_path, operation=lambda sshd: Outage(sshd, seconds=0.1))
    task = asyncio.create_task(run.engine.run())
    await until(run, lambda: run.engine.state.phase is Phase.SETTLE)
    await until(run, lambda: run.engine.state.last_ns - (run.engine.state.phase_ns(Phase.SETTLE) or 0) > 3e8)
    kill_prober(run)
    assert await task == 0
    summary = summarise(load_result(run.folder.file))
    assert (summary["verdict"], summary["missing_records"]) == ("restarted", 1)
    lane = next(lane for lane in summary["lanes"] if lane["headline"])
    (gap,) = [blind for blind in lane["blind"] if blind["s"] > 0.5]
    assert gap["cause"] == "prober was gone"
    assert lane["down_s"] < 0.5 < gap["s"]
    assert any("prober was gone" in line for line in summary["warnings"])


def kill_prober(run: Loopback) -> None:
    started = run.engine.state.vantages["outside"].started
    assert started is not None
    os.kill(started.pid, 9)


async def test_a_run_that_cannot_be_recorded_ends_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full in the middle of the baseline: found by the tail, heard of by the engine."""
    run = await loopback(tmp_path)
    task = asyncio.create_task(run.engine.run())
    await until(run, lambda: run.engine.state.phase is Phase.BASELINE)
    started = run.engine.state.vantages["outside"].started
    assert started is not None

    def full(_body: ev.Body) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(run.writer, "write", full)
    async with asyncio.timeout(15):
        with pytest.raises(sqlite3.OperationalError):
            await task
    assert run.closed == [True]
    assert run.sshd.closed_ns == []
    async with asyncio.timeout(5):
        while Path(f"/proc/{started.pid}/exe").exists():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.02)


async def test_sshd_model_is_really_gone_while_down() -> None:
    sshd = Sshd()
    await sshd.up()
    down = asyncio.create_task(sshd.down(0.3))
    await asyncio.sleep(0)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", sshd.port)
    await down
    await asyncio.open_connection("127.0.0.1", sshd.port)
    await sshd.close()
