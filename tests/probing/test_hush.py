# SPDX-License-Identifier: Apache-2.0
"""A vantage that nobody talks to for a while: no channel, no loss, no record missing."""

import asyncio
import secrets
from pathlib import Path

import pytest

from csworkbench.model import event as ev
from csworkbench.model.event import ChannelState
from csworkbench.probing.plan import ProbePlan
from csworkbench.probing.shell import ExecShell

from .test_agent import LANES, Memory, agent_for, shells

__all__ = ["shells"]
pytestmark = pytest.mark.lab
WHILE_QUIET_S = 1.0


async def test_hushed_and_woken(shells: list[ExecShell], tmp_path: Path) -> None:
    journal = Memory()
    agent = agent_for(shells, tmp_path, journal)
    await agent.hush()  # nothing runs yet: nothing to close
    assert not agent.hushed
    await agent.prepare()
    await agent.launch(ProbePlan(secrets.token_hex(16), 60.0, LANES))
    agent.follow()
    await journal.until(lambda: len(journal.samples(3)) >= 5)
    await agent.hush()
    await agent.hush()
    told, made = len(journal.bodies), len(shells)
    await asyncio.sleep(WHILE_QUIET_S)  # what must not happen gives no event
    assert journal.bodies[told:] == []
    assert len(shells) == made
    agent.wake()
    agent.wake()
    before = max(journal.samples(3))
    await journal.until(lambda: max(journal.samples(3)) > before + WHILE_QUIET_S / 0.02)
    collected = await agent.collect(20.0)
    assert (collected.missing, collected.ended) == (0, "asked to stop")
    for lane in (3, 4):
        assert sorted(journal.samples(lane)) == list(range(len(journal.samples(lane))))
    states = journal.channel()
    assert ChannelState.LOST not in states
    assert states[-5:] == [
        ChannelState.OPEN, ChannelState.QUIET, ChannelState.OPENING, ChannelState.OPEN, ChannelState.CLOSED,
    ]  # fmt: skip


@pytest.mark.slow
async def test_collecting_wakes_it(shells: list[ExecShell], tmp_path: Path) -> None:
    journal = Memory()
    agent = agent_for(shells, tmp_path, journal)
    await agent.prepare()
    await agent.launch(ProbePlan(secrets.token_hex(16), 60.0, LANES))
    agent.follow()
    await journal.until(lambda: len(journal.samples(3)) >= 5)
    await agent.hush()
    collected = await agent.collect(20.0)
    assert (collected.missing, collected.ended) == (0, "asked to stop")
    assert isinstance(journal.bodies[-1], ev.SpoolCollected)
