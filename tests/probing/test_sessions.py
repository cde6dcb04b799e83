# SPDX-License-Identifier: Apache-2.0
"""A second prober in the place of one that is gone, with the real program: the same lanes, one clock, no outage."""

import asyncio
import os
import secrets
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.measurement.clock import Alignment
from csworkbench.model import event as ev
from csworkbench.model.event import ChannelState
from csworkbench.probing import agent as agent_module
from csworkbench.probing import boot as boot_module
from csworkbench.probing import prober as prober_module
from csworkbench.probing.agent import VantageAgent
from csworkbench.probing.bundle import build_bundle
from csworkbench.probing.plan import ProbePlan
from csworkbench.probing.program import PythonProgram
from csworkbench.probing.reconnect import Retry
from csworkbench.probing.session import Left, Restarts, shift_after_reboot, why_next
from csworkbench.probing.shell import ExecShell, Shell

from .test_agent import LANES, Memory, _runs, agent_for, shells

__all__ = ["shells"]
pytestmark = pytest.mark.lab
QUICK = Restarts((0.05, 0.1, 0.1))
NEW_CLOCK_NS = 3_600_000_000_000  # a rebooted machine's clock is behind; here, by an hour


def starts(journal: Memory) -> list[ev.ProberStarted]:
    return [body for body in journal.bodies if isinstance(body, ev.ProberStarted)]


@pytest.mark.parametrize(
    ("home", "ends"),
    [
        ("kept", signal.SIGKILL),
        pytest.param("lost", signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param("kept", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
async def test_a_rebooted_machine_gets_another_prober(
    shells: list[ExecShell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str, ends: signal.Signals
) -> None:
    """The mark of a boot is a file here, and its clock is read as an hour behind. SIGTERM: an orderly shutdown."""
    monkeypatch.setattr(prober_module, "MARK", f"cat {tmp_path}/boot")
    monkeypatch.setattr(boot_module, "MARK", f"cat {tmp_path}/boot")
    monkeypatch.setattr(agent_module, "RETRY", Retry(0.05, 0.1))
    (tmp_path / "boot").write_text("first 17\n")
    journal = Memory()
    agent = agent_for(shells, tmp_path, journal, QUICK)
    await agent.prepare()
    plan = ProbePlan(secrets.token_hex(16), 60.0, LANES)
    await agent.launch(plan)
    agent.follow()
    await journal.until(lambda: len(journal.samples(3)) >= 20)
    (first,) = starts(journal)
    (tmp_path / "boot").write_text("second 17\n")
    os.kill(first.pid, ends)
    if home == "lost":
        shutil.rmtree(tmp_path / ".cache")
    read_clock = PythonProgram.now_ns

    async def behind(self: PythonProgram, shell: Shell) -> int:
        return await read_clock(self, shell) - NEW_CLOCK_NS

    monkeypatch.setattr(PythonProgram, "now_ns", behind)
    shells[-1].abort()
    await journal.until(lambda: len(starts(journal)) == 2)
    seen = len(journal.samples(3))
    await journal.until(lambda: len(journal.samples(3)) >= seen + 20)
    assert agent.lost == ""
    collected = await agent.collect(20.0)
    second = starts(journal)[1]
    assert (second.session, second.why, second.epoch) == (1, "VM was rebooted", 1)
    assert second.token != first.token == plan.run
    # The clock goes on a little later than where it would be, never earlier; by so much as a login and a launch take.
    assert NEW_CLOCK_NS <= second.shift_ns < NEW_CLOCK_NS + 5_000_000_000
    (left,) = [body for body in journal.bodies if isinstance(body, ev.SpoolLeft)]
    assert left.session == 0
    if ends is signal.SIGTERM:
        assert (left.missing, left.why) == (0, "asked to stop")
    else:
        assert left.missing >= 1 and left.why.startswith("the machine was rebooted")
    assert collected.ended == "asked to stop"
    assert collected.missing == left.missing
    for lane in (3, 4):
        numbers = journal.samples(lane)
        assert len(numbers) == len(set(numbers)), "no number twice"
        assert max(numbers) - len(numbers) < 100
    echoes = [body for body in journal.bodies if isinstance(body, ev.ClockEcho)]
    assert {echo.epoch for echo in echoes} == {0, 1}
    clock = Alignment(echoes)
    at = [echo for echo in echoes if echo.epoch == 1][-1].remote_ns
    low, high = clock.offset(at)
    assert low <= -second.shift_ns <= high, "only the reading was behind, so the truth is known"
    assert not (tmp_path / ".cache/csworkbench/runs" / second.token).exists()
    assert not _runs(second.pid) or await gone(second.pid)


async def gone(pid: int) -> bool:
    async with asyncio.timeout(10):
        while _runs(pid):  # noqa: ASYNC110 - another program's process gives no event
            await asyncio.sleep(0.01)
    return True


@pytest.mark.slow
async def test_a_killed_prober_is_started_again_on_the_same_clock(shells: list[ExecShell], tmp_path: Path) -> None:
    """As often as may be, and no more; a stop from others than us counts as well."""
    journal = Memory()
    agent = agent_for(shells, tmp_path, journal, Restarts((0.05, 0.05)))
    await agent.prepare()
    await agent.launch(ProbePlan(secrets.token_hex(16), 60.0, LANES))
    agent.follow()
    for number, how in enumerate((signal.SIGKILL, signal.SIGTERM), 1):
        await journal.until(lambda: len(starts(journal)) == number)  # noqa: B023
        seen = len(journal.samples(3))
        await journal.until(lambda: len(journal.samples(3)) >= seen + 5)  # noqa: B023
        os.kill(starts(journal)[-1].pid, how)
    await journal.until(lambda: len(starts(journal)) == 3)
    first, second, third = starts(journal)
    assert (second.why, third.why) == ("prober was gone", "prober had ended")
    assert (second.shift_ns, second.epoch, third.epoch) == (0, 0, 0)
    os.kill(third.pid, 9)
    await journal.until(lambda: journal.channel()[-1] is ChannelState.CLOSED)
    assert agent.lost == "the prober was gone"
    collected = await agent.collect(20.0)
    assert (collected.missing, collected.ended) == (2, "the prober was gone"), "two of three left no last record"
    assert len({first.token, second.token, third.token}) == 3


async def test_another_agent_goes_on_with_a_prober(shells: list[ExecShell], tmp_path: Path) -> None:
    """Its first one is cut off in the middle, as with its engine; nothing is missing, nothing comes twice."""
    journal = Memory()
    plan = ProbePlan(secrets.token_hex(16), 60.0, LANES)
    agent = agent_for(shells, tmp_path, journal)
    await agent.prepare()
    await agent.launch(plan)
    agent.follow()
    await journal.until(lambda: len(journal.samples(3)) >= 20)
    for task in asyncio.all_tasks():
        if task.get_name() == "tail here":
            task.cancel()
    await asyncio.sleep(0.3)  # the prober goes on, and nobody reads
    (started,) = starts(journal)
    read = [body for body in journal.bodies if isinstance(body, ev.SpoolRead)][-1]

    async def connect(_limit_s: float) -> tuple[Shell, int]:
        shells.append(ExecShell(("env", f"HOME={tmp_path}")))
        return shells[-1], 1

    other = VantageAgent("here", connect, build_bundle(), journal)
    other.rejoin(replace(plan, duration_s=30.0), Left(started, read, (), 0, 0), hushed=False)
    seen = len(journal.samples(3))
    await journal.until(lambda: len(journal.samples(3)) >= seen + 30)
    collected = await other.collect(20.0)
    await agent.close()
    assert (collected.missing, collected.ended) == (0, "asked to stop")
    for lane in (3, 4):
        assert sorted(journal.samples(lane)) == list(range(len(journal.samples(lane))))
    assert await gone(started.pid)


@pytest.mark.parametrize(
    ("failure", "ended", "why"),
    [
        ("the prober was gone", "", "prober was gone"),
        ("the machine was rebooted, and the prober was gone; its spool is gone", "", "VM was rebooted"),
        ("", "asked to stop", "prober had ended"),
        ("", "time was up", "prober had ended"),
        ("", "the prober failed", ""),
        ("its spool holds more records than its plan allows", "", ""),
        ("not a spool of version 1", "", ""),
        ("", "", ""),
    ],
)
def test_in_whose_place_another_one_is_started(failure: str, ended: str, why: str) -> None:
    assert why_next(failure, ended) == why


@given(st.integers(1, 2**60), st.integers(0, 10**13), st.integers(0, 10**9), st.integers(0, 2**60))
def test_the_new_clock_is_never_behind_the_old(old_ns: int, passed_ns: int, trip_ns: int, new_ns: int) -> None:
    echo = ev.ClockEcho("vm01", 10**12, 10**12 + trip_ns, old_ns, 0)
    taken_at = 10**12 + trip_ns // 2  # the echo's stamp, by the recorder
    now_ns = taken_at + passed_ns
    shift = shift_after_reboot(echo, now_ns, new_ns)
    assert 0 <= new_ns + shift - (old_ns + passed_ns) <= trip_ns + passed_ns * 50 // 1_000_000 + 1
