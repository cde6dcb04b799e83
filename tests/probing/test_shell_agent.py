# SPDX-License-Identifier: Apache-2.0
"""A vantage without Python: the real shell agent, with Debian's programs and with nothing but busybox."""

import asyncio
import os
import secrets
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from csworkbench.measurement.clock import Alignment
from csworkbench.model import event as ev
from csworkbench.model.event import ChannelState
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.model.sample import Outcome, Reason
from csworkbench.model.tier import SHELL_STEP_NS, Tier, fitted
from csworkbench.probing.agent import VantageAgent
from csworkbench.probing.bundle import Bundle
from csworkbench.probing.choose import choose
from csworkbench.probing.plan import ProbePlan
from csworkbench.probing.shell import Completed, ExecShell, Shell, ShellError

from .test_agent import Memory

pytestmark = pytest.mark.lab
NEEDED = (
    "cat", "date", "dd", "env", "head", "mkdir", "ping", "rm", "sed", "setsid", "sh", "sleep", "tail", "test", "wc",
)  # fmt: skip
LANE = fitted(
    Tier.SHELL, Lane(3, Service.EGRESS, Prober.ICMP, "here", "127.0.0.1", 100_000_000, 1_000_000_000, flow="new")
)
NO_BUNDLE = Bundle("0" * 16, b"")  # must never be pushed here


@pytest.fixture(params=["debian", "busybox"])
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A PATH without Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        source = shutil.which("busybox" if request.param == "busybox" else name)
        assert source is not None, name
        (folder / name).symlink_to(source)
    return folder


@pytest.fixture
async def shells() -> AsyncIterator[list[ExecShell]]:
    made: list[ExecShell] = []
    yield made
    for shell in made:
        await shell.close()


def agent_for(shells: list[ExecShell], programs: Path, journal: Memory) -> VantageAgent:
    async def connect(_limit_s: float) -> tuple[Shell, int]:
        shells.append(ExecShell(("/usr/bin/env", f"HOME={programs.parent}", f"PATH={programs}")))
        return shells[-1], 1

    return VantageAgent("here", connect, NO_BUNDLE, journal)


async def test_whole_life(shells: list[ExecShell], programs: Path) -> None:
    journal = Memory()
    agent = agent_for(shells, programs, journal)
    chosen = await agent.prepare()
    assert (chosen.tier, chosen.coarse) == (Tier.SHELL, False)
    plan = ProbePlan(secrets.token_hex(16), 60.0, (LANE,))
    await agent.launch(plan)
    agent.follow()
    await journal.until(lambda: len(journal.samples(3)) >= 5)
    shells[-1].abort()  # the channel goes; the agent does not notice
    await journal.until(lambda: journal.channel().count(ChannelState.OPEN) == 2)
    seen = len(journal.samples(3))
    await journal.until(lambda: len(journal.samples(3)) >= seen + 5)
    collected = await agent.collect(20.0)
    assert (collected.missing, collected.ended) == (0, "asked to stop")
    assert sorted(journal.samples(3)) == list(range(len(journal.samples(3))))
    found = [s for b in journal.bodies if isinstance(b, ev.SamplesArrived) for s in b.samples]
    assert {s.outcome for s in found} <= {Outcome.OK, Outcome.UNKNOWN}
    assert sum(s.outcome is Outcome.OK for s in found) >= 0.7 * len(found)
    echoes = [b for b in journal.bodies if isinstance(b, ev.ClockEcho)]
    assert {echo.step_ns for echo in echoes} == {SHELL_STEP_NS}
    started = next(b for b in journal.bodies if isinstance(b, ev.ProberStarted))
    assert started.tier == "shell"
    assert Alignment(echoes).bound_ns() < 500_000_000
    assert not (programs.parent / ".cache/csworkbench/runs" / plan.run).exists()


@pytest.mark.parametrize("programs", ["busybox"], indirect=True)
async def test_an_agent_that_was_killed_is_told_as_such(shells: list[ExecShell], programs: Path) -> None:
    journal = Memory()
    agent = agent_for(shells, programs, journal)
    await agent.prepare()
    await agent.launch(ProbePlan(secrets.token_hex(16), 60.0, (LANE,)))
    agent.follow()
    await journal.until(lambda: len(journal.samples(3)) >= 2)
    os.kill(next(b for b in journal.bodies if isinstance(b, ev.ProberStarted)).pid, signal.SIGKILL)
    collected = await agent.collect(20.0)
    assert collected.ended == "the prober was gone"
    assert collected.missing > 0


@pytest.mark.parametrize("programs", ["debian"], indirect=True)
async def test_one_that_is_stopped_in_its_sleep_tells_what_it_missed(shells: list[ExecShell], programs: Path) -> None:
    journal = Memory()
    agent = agent_for(shells, programs, journal)
    await agent.prepare()
    await agent.launch(ProbePlan(secrets.token_hex(16), 60.0, (LANE,)))
    agent.follow()
    await journal.until(lambda: len(journal.samples(3)) >= 2)
    pid = next(b for b in journal.bodies if isinstance(b, ev.ProberStarted)).pid
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(1.5)  # the time in which it stands still is what is tested
    os.kill(pid, signal.SIGCONT)
    seen = len(journal.samples(3))
    await journal.until(lambda: len(journal.samples(3)) >= seen + 8)
    assert (await agent.collect(20.0)).missing == 0
    found = [s for b in journal.bodies if isinstance(b, ev.SamplesArrived) for s in b.samples]
    assert sum(s.reason is Reason.SELF_LATE for s in found) >= 5
    assert not any(s.outcome is Outcome.FAIL for s in found)


@pytest.mark.parametrize("programs", ["debian"], indirect=True)
async def test_a_target_is_an_address_and_nothing_else(shells: list[ExecShell], programs: Path) -> None:
    agent = agent_for(shells, programs, Memory())
    await agent.prepare()
    for target in ("$(touch evil)", "-f", "127.0.0.1; touch evil", "localhost"):
        lane = Lane(3, Service.EGRESS, Prober.ICMP, "here", target, 200_000_000, 1_000_000_000, flow="new")
        with pytest.raises(ShellError, match="is no IPv4 address"):
            await agent.launch(ProbePlan(secrets.token_hex(16), 60.0, (lane,)))
    assert not list(programs.parent.rglob("evil"))
    await agent.close()


@pytest.mark.parametrize("programs", ["debian"], indirect=True)  # busybox has its own ping, in the PATH or not
async def test_no_python_and_no_ping_is_refused_in_one_line(programs: Path) -> None:
    (programs / "ping").unlink()
    shell = ExecShell(("/usr/bin/env", f"HOME={programs.parent}", f"PATH={programs}"))
    with pytest.raises(ShellError, match=r"^here: no Python 3\.7 or newer there, and ping does not work$"):
        await choose("here", shell, NO_BUNDLE)
    await shell.close()


class Answers:
    """A shell that answers by what a script has in it; implements Shell as far as choosing needs it."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers, self.scripts = answers, list[str]()

    async def run(self, script: str, timeout_s: float = 30.0) -> Completed:
        self.scripts.append(script)
        said = next((out for part, out in self.answers.items() if part in script), "")
        return Completed(1 if said == "fails" else 0, "" if said == "fails" else said, "no")

    async def put(self, data: bytes, path: str) -> None:
        """Taken."""


CHECK = '{{"python": "3.9.2", "raw_socket": {}, "ping_socket": {}}}'


@pytest.mark.parametrize(
    ("raw", "ping", "by_sudo", "agent", "tier"),
    [
        ("true", "true", "fails", "", Tier.ROOT),
        ("false", "true", CHECK.format("true", "true"), "", Tier.SUDO),
        ("false", "true", "fails", "", Tier.USER),
        ("false", "true", CHECK.format("false", "true"), "", Tier.USER),
        ("false", "false", "fails", "uptime fractions ping", Tier.SHELL),
        ("false", "false", CHECK.format("true", "false"), "uptime ping", Tier.SUDO),
    ],
)
async def test_the_best_that_works_is_chosen(raw: str, ping: str, by_sudo: str, agent: str, tier: Tier) -> None:
    answers = {"sudo": by_sudo, "csw_probe check": CHECK.format(raw, ping), '.sh" check': agent}
    chosen = await choose("here", Answers(answers), NO_BUNDLE)  # type: ignore[arg-type]
    assert chosen.tier is tier


async def test_a_python_that_does_not_serve_is_told_and_replaced() -> None:
    answers = {"sudo": "fails", "csw_probe check": "fails", '.sh" check': "uptime fractions ping"}
    chosen = await choose("here", Answers(answers), NO_BUNDLE)  # type: ignore[arg-type]
    assert chosen.tier is Tier.SHELL
    assert chosen.why_not_python == "here: the probe program does not run there: no"
    del answers['.sh" check']
    with pytest.raises(ShellError, match=r"^here: the probe program does not run there: no$"):
        await choose("here", Answers(answers), NO_BUNDLE)  # type: ignore[arg-type]


async def test_sudo_is_never_used_where_it_was_not_offered() -> None:
    shell = Answers({"csw_probe check": CHECK.format("false", "false")})
    chosen = await choose("outside", shell, NO_BUNDLE, (Tier.ROOT, Tier.USER))  # type: ignore[arg-type]
    assert chosen.tier is Tier.USER
    assert not any("sudo" in script for script in shell.scripts)
