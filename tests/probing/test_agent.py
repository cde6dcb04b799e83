# SPDX-License-Identifier: Apache-2.0
"""A vantage on loopback with the real probe program: push, start, tail, lose the channel, collect to the end."""

import asyncio
import os
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from csworkbench.measurement.clock import Alignment
from csworkbench.model import event as ev
from csworkbench.model.event import Body, ChannelState
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.model.sample import Outcome
from csworkbench.probing import agent as agent_module
from csworkbench.probing import boot as boot_module
from csworkbench.probing import prober as prober_module
from csworkbench.probing.agent import VantageAgent
from csworkbench.probing.bundle import build_bundle
from csworkbench.probing.choose import LOCAL_TIERS
from csworkbench.probing.plan import ProbePlan
from csworkbench.probing.reconnect import Retry
from csworkbench.probing.session import Restarts
from csworkbench.probing.shell import Completed, ExecShell, Shell, ShellError

pytestmark = pytest.mark.lab
LANES = (
    Lane(3, Service.EGRESS, Prober.ICMP, "here", "127.0.0.1", 20_000_000, 300_000_000, flow="new"),
    Lane(
        4, Service.EGRESS, Prober.ICMP, "here", "127.0.0.1", 20_000_000, 300_000_000, flow="same", offset_ns=5_000_000
    ),
)


def _runs(pid: int) -> bool:
    """Not when it has gone, nor when nobody has reaped it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Memory:
    """A journal in memory that can be waited on."""

    def __init__(self) -> None:
        self.bodies: list[Body] = []
        self._grown = asyncio.Event()

    def write(self, *bodies: Body) -> None:
        self.bodies += bodies
        self._grown.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():
                self._grown.clear()
                await self._grown.wait()

    def samples(self, lane: int) -> list[int]:
        return [s.seq for b in self.bodies if isinstance(b, ev.SamplesArrived) and b.lane == lane for s in b.samples]

    def channel(self) -> list[ChannelState]:
        return [b.state for b in self.bodies if isinstance(b, ev.ChannelChanged)]


@pytest.fixture
async def shells(tmp_path: Path) -> AsyncIterator[list[ExecShell]]:
    made: list[ExecShell] = []
    yield made
    for shell in made:
        await shell.close()


def agent_for(
    shells: list[ExecShell],
    home: Path,
    journal: Memory,
    restarts: Restarts = Restarts(()),  # noqa: B008 - frozen
) -> VantageAgent:
    """By default one that starts no second prober."""

    async def connect(_limit_s: float) -> tuple[Shell, int]:
        shells.append(ExecShell(("env", f"HOME={home}")))
        return shells[-1], 1

    return VantageAgent("here", connect, build_bundle(), journal, restarts=restarts)


async def test_whole_life(shells: list[ExecShell], tmp_path: Path) -> None:
    journal = Memory()
    agent = agent_for(shells, tmp_path, journal)
    chosen = await agent.prepare()
    assert chosen.facts.raw_socket
    plan = ProbePlan(secrets.token_hex(16), 60.0, LANES)
    await agent.launch(plan)
    agent.follow()
    await journal.until(lambda: len(journal.samples(3)) >= 10)
    assert agent.sampling
    shells[-1].abort()  # the channel goes; the prober does not notice
    await journal.until(lambda: journal.channel().count(ChannelState.OPEN) == 2)
    seen = len(journal.samples(3))
    await journal.until(lambda: len(journal.samples(3)) >= seen + 10)
    collected = await agent.collect(20.0)

    assert (collected.missing, collected.ended) == (0, "asked to stop")
    assert ChannelState.LOST in journal.channel()
    for lane in (3, 4):
        assert sorted(journal.samples(lane)) == list(range(len(journal.samples(lane))))
    outcomes = {s.outcome for b in journal.bodies if isinstance(b, ev.SamplesArrived) for s in b.samples}
    assert outcomes <= {Outcome.OK, Outcome.UNKNOWN}
    echoes = [b for b in journal.bodies if isinstance(b, ev.ClockEcho)]
    clock = Alignment(echoes)
    low, high = clock.offset(echoes[-1].remote_ns)
    assert low <= 0 <= high  # the same clock, so the truth is known
    started = next(b for b in journal.bodies if isinstance(b, ev.ProberStarted))
    async with asyncio.timeout(10):
        while _runs(started.pid):  # noqa: ASYNC110 - another program's process gives no event
            await asyncio.sleep(0.01)
    assert not (tmp_path / ".cache/csworkbench/runs" / plan.run).exists()
    assert [p.name for p in (tmp_path / ".cache/csworkbench").iterdir() if p.name != "runs"] == [build_bundle().digest]


async def test_a_prober_that_was_killed_is_told_as_such(shells: list[ExecShell], tmp_path: Path) -> None:
    journal = Memory()
    agent = agent_for(shells, tmp_path, journal)
    await agent.prepare()
    await agent.launch(ProbePlan(secrets.token_hex(16), 60.0, LANES))
    agent.follow()
    await journal.until(lambda: len(journal.samples(3)) >= 5)
    started = next(b for b in journal.bodies if isinstance(b, ev.ProberStarted))
    os.kill(started.pid, 9)
    collected = await agent.collect(20.0)
    assert collected.ended == "the prober was gone"
    assert collected.missing > 0  # its last record, at least: the run must not be called complete


@pytest.mark.parametrize("keeps_its_disk", [True, False])
async def test_a_machine_that_was_rebooted_is_told_as_such(
    shells: list[ExecShell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeps_its_disk: bool
) -> None:
    """The mark of a boot is a file here; all else is as it is after one: no prober, and perhaps no spool."""
    monkeypatch.setattr(prober_module, "MARK", f"cat {tmp_path}/boot")
    monkeypatch.setattr(boot_module, "MARK", f"cat {tmp_path}/boot")
    monkeypatch.setattr(agent_module, "RETRY", Retry(0.05, 0.1))
    (tmp_path / "boot").write_text("first 17\n")
    journal = Memory()
    agent = agent_for(shells, tmp_path, journal)
    await agent.prepare()
    await agent.launch(ProbePlan(secrets.token_hex(16), 60.0, LANES))
    agent.follow()
    await journal.until(lambda: len(journal.samples(3)) >= 5)
    started = next(b for b in journal.bodies if isinstance(b, ev.ProberStarted))
    os.kill(started.pid, 9)
    if not keeps_its_disk:
        shutil.rmtree(tmp_path / ".cache")
    (tmp_path / "boot").write_text("second 17\n")
    shells[-1].abort()
    await journal.until(lambda: ChannelState.CLOSED in journal.channel())
    collected = await agent.collect(20.0)
    assert collected.ended.startswith("the machine was rebooted, and the prober was gone")
    assert ("its spool is gone" in collected.ended) != keeps_its_disk
    assert collected.missing > 0 and collected.records >= 5
    (told,) = (b.text for b in journal.bodies if isinstance(b, ev.Notice))
    assert told == f"here: {collected.ended}: nothing more is measured from there"


async def test_a_second_push_of_the_same_content_is_none(shells: list[ExecShell], tmp_path: Path) -> None:
    agent = agent_for(shells, tmp_path, Memory())
    await agent.prepare()
    mark = tmp_path / ".cache/csworkbench" / build_bundle().digest / ".complete"
    before = mark.stat().st_mtime_ns
    await agent_for(shells, tmp_path, Memory()).prepare()
    assert mark.stat().st_mtime_ns == before


async def test_two_may_push_to_one_host_at_the_same_time(shells: list[ExecShell], tmp_path: Path) -> None:
    """The first unpacks while the second has begun to write."""
    written, begun, unpacked = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class First(ExecShell):
        async def run(self, script: str, timeout_s: float = 30.0) -> Completed:
            if "tar xf" not in script:
                return await super().run(script, timeout_s)
            written.set()
            await begun.wait()
            try:
                return await super().run(script, timeout_s)
            finally:
                unpacked.set()

    class Second(ExecShell):
        async def put(self, data: bytes, path: str) -> None:
            await written.wait()
            await super().put(data[:1000], path)
            begun.set()
            await unpacked.wait()
            await super().put(data, path)

    async def prepared(shell: ExecShell) -> None:
        shells.append(shell)

        async def connect(_limit_s: float) -> tuple[Shell, int]:
            return shell, 1

        await VantageAgent("here", connect, build_bundle(), Memory(), tiers=LOCAL_TIERS).prepare()

    prefix = ("env", f"HOME={tmp_path}")
    await asyncio.gather(prepared(First(prefix)), prepared(Second(prefix)))
    home = tmp_path / ".cache/csworkbench"
    assert (home / build_bundle().digest / ".complete").exists()
    assert not list(home.glob("*.part"))


async def test_a_plan_that_cannot_be_is_one_clear_line(shells: list[ExecShell], tmp_path: Path) -> None:
    agent = agent_for(shells, tmp_path, Memory())
    await agent.prepare()
    bad = Lane(0, Service.EGRESS, Prober.ICMP, "here", "not an address", 20_000_000, 300_000_000, flow="new")
    with pytest.raises(ShellError, match=r"^here: the prober did not start: [^\n]+$"):
        await agent.launch(ProbePlan(secrets.token_hex(16), 60.0, (bad,)))
    await agent.close()


async def test_a_home_that_cannot_be_written(shells: list[ExecShell]) -> None:
    agent = agent_for(shells, Path("/proc/nowhere"), Memory())
    with pytest.raises(ShellError, match=r"^could not write|^here: "):
        await agent.prepare()


def test_loopback_only() -> None:
    """These tests may send to this machine alone."""
    assert all(socket.inet_aton(lane.target)[0] == 127 for lane in LANES)
