# SPDX-License-Identifier: Apache-2.0
"""Vantages that lie, flood, fall silent or vanish: the run hears of it, ends in time and keeps its memory and disk."""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from csworkbench.model import event as ev
from csworkbench.model.event import Body
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.probing import agent as agent_module
from csworkbench.probing import reconnect as reconnect_module
from csworkbench.probing.agent import VantageAgent
from csworkbench.probing.bundle import Bundle
from csworkbench.probing.plan import ProbePlan
from csworkbench.probing.reconnect import Retry, reconnect
from csworkbench.probing.session import Restarts
from csworkbench.probing.shell import Completed, LoginRefused, Shell, ShellError
from csworkbench.probing.spool import HEADER, MAGIC, RECORD

RUN = "5a" * 16
PLAN = ProbePlan(RUN, 60.0, (Lane(0, Service.EGRESS, Prober.ICMP, "vm01", "192.0.2.1", 100_000_000, 1_000_000_000),))
HEAD = HEADER.pack(MAGIC, 1, RECORD.size, 7, 1, 1, bytes.fromhex(RUN), b"")
STARTED = '{"pid": 7, "start_mono": 1, "start_real": 1}'


def sample(number: int, lane: int = 0, kind: int = 1) -> bytes:
    return RECORD.pack(number, lane, kind, 0, 0, 0, 0, number, 1, 1, 2, 0, 0)


def frame(kind: str, payload: bytes) -> bytes:
    return struct.pack("<BI", ord(kind), len(payload)) + payload


def data(offset: int, content: bytes) -> bytes:
    return frame("D", struct.pack("<Q", offset) + content)


class Pipe:
    """Says what it was given, then nothing (or ends)."""

    def __init__(self, said: list[bytes], ends: bool) -> None:
        self._said, self._ends = list(said), ends

    async def read(self) -> bytes:
        if self._said:
            return self._said.pop(0)
        if not self._ends:
            await asyncio.Event().wait()
        return b""

    async def write(self, data: bytes) -> None:
        """Nobody answers echoes here."""

    def abort(self) -> None:
        """Nothing to drop."""


@dataclass
class Tenant:
    """A shell whose answers the test chooses; implements Shell."""

    said: list[bytes] = field(default_factory=list)
    ends: bool = False
    check: str = '{"python": "3.11", "raw_socket": true}'
    launch_s: float = 0.0
    scripts: list[str] = field(default_factory=list)
    tails: int = 0

    async def run(self, script: str, timeout_s: float = 30.0) -> Completed:
        self.scripts.append(script)
        if "--detach" in script:
            await asyncio.sleep(self.launch_s)
            return Completed(0, STARTED, "")
        return Completed(0, self.check if script.endswith("check") else "", "")

    async def put(self, data: bytes, path: str) -> None:
        """Taken."""

    async def open(self, script: str) -> Pipe:
        self.tails += 1
        return Pipe(self.said, self.ends)

    def abort(self) -> None:
        """Nothing to drop."""

    async def close(self) -> None:
        """Nothing to drop."""

    def asked_to_stop(self) -> int:
        return sum(" stop --spool" in script for script in self.scripts)


class Memory:
    def __init__(self) -> None:
        self.bodies: list[Body] = []

    def write(self, *bodies: Body) -> None:
        self.bodies += bodies

    def notices(self) -> list[str]:
        return [b.text for b in self.bodies if isinstance(b, ev.Notice)]


async def soon(holds: Callable[[], object], limit_s: float = 10.0) -> None:
    async with asyncio.timeout(limit_s):
        while not holds():  # noqa: ASYNC110 - the agent's state is all there is
            await asyncio.sleep(0.01)


async def started(tenant: Tenant) -> tuple[VantageAgent, Memory]:
    journal = Memory()

    async def connect(_limit_s: float) -> tuple[Shell, int]:
        return tenant, 1

    agent = VantageAgent("vm01", connect, Bundle("0" * 16, b""), journal, restarts=Restarts(()))
    await agent.prepare()
    await agent.launch(PLAN)
    agent.follow()
    return agent, journal


@pytest.mark.parametrize(
    "answer", ["", "no json", "[" * 4000, '{"python": 1' + "0" * 4000, '["python"]', "\x00\n\x1b[31m"]
)
async def test_a_check_that_makes_no_sense_is_one_line(answer: str) -> None:
    with pytest.raises(ShellError, match=r"^vm01: the probe program's check gave no answer$"):
        await started(Tenant(check=answer))


async def test_a_flood_of_valid_records_is_cut_off() -> None:
    blocks, number = [HEAD], 0
    while len(blocks) < 40:
        blocks.append(b"".join(sample(number + i) for i in range(1000)))
        number += 1000
    said, offset = [], 0
    for block in blocks:
        said.append(data(offset, block))
        offset += len(block)
    tenant = Tenant(said)
    agent, journal = await started(tenant)
    await soon(lambda: agent.lost)
    kept = sum(len(b.samples) for b in journal.bodies if isinstance(b, ev.SamplesArrived))
    assert kept < 3000
    collected = await agent.collect(20.0)
    assert collected.ended == "its spool holds more records than its plan allows"
    assert collected.missing > 0
    assert tenant.asked_to_stop()
    assert any("nothing more is measured from there" in text for text in journal.notices())


@pytest.mark.parametrize(
    "said",
    [b"x" * 100, data(0, b"x" * 64), data(0, HEAD) + data(5000, sample(0)), frame("D", b"")],
    ids=["no frames", "no spool", "an offset that lies", "an empty frame"],
)
async def test_nonsense_neither_hangs_nor_spins(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = Tenant([said], ends=True)
    agent, _ = await started(tenant)
    await asyncio.sleep(1.5)
    assert tenant.tails <= 4
    async with asyncio.timeout(5):
        collected = await agent.collect(1.0)
    assert collected.missing >= 1
    assert tenant.asked_to_stop() or agent.lost == ""


async def test_a_spool_that_is_gone_is_believed_after_some_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "RETRY", Retry(0.01, 0.01))
    agent, _ = await started(Tenant([frame("X", b"no such spool\nat all")], ends=True))
    await soon(lambda: agent.lost)
    assert agent.lost == "its spool cannot be read: no such spool at all"
    assert (await agent.collect(20.0)).missing >= 1


async def test_echoes_that_nobody_asked_for_are_not_kept() -> None:
    tenant = Tenant([frame("E", struct.pack("<QQQ", n, 1, 1)) * 500 for n in range(1, 200)])
    agent, journal = await started(tenant)
    await asyncio.sleep(0.3)
    assert sum(isinstance(b, ev.ClockEcho) for b in journal.bodies) <= 8
    await agent.close()


async def test_a_killed_prober_leaves_a_record_missing() -> None:
    size = HEADER.size + RECORD.size
    agent, _ = await started(Tenant([data(0, HEAD + sample(0)), frame("H", struct.pack("<QB", size, 0))]))
    await soon(lambda: agent.lost)
    collected = await agent.collect(20.0)
    assert (collected.missing, collected.ended) == (1, "the prober was gone")


async def test_what_could_not_be_read_is_estimated() -> None:
    """The prober of a vantage that went away for good wrote on: ten verdicts and a clock pair each second."""
    clock = [0]
    tenant = Tenant([data(0, HEAD + sample(0))])
    journal = Memory()

    async def connect(_limit_s: float) -> tuple[Shell, int]:
        return tenant, 1

    agent = VantageAgent("vm01", connect, Bundle("0" * 16, b""), journal, clock_ns=lambda: clock[0])
    await agent.prepare()
    await agent.launch(PLAN)
    agent.follow()
    await asyncio.sleep(0.05)
    clock[0] = 30 * 10**9
    collected = await agent.collect(0.1)
    assert (collected.missing, collected.ended) == (329, "not reached")


async def test_collecting_can_be_cut_short() -> None:
    tenant = Tenant([data(0, HEAD + sample(0))])
    agent, _ = await started(tenant)
    hurry = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, hurry.set)
    async with asyncio.timeout(5):
        collected = await agent.collect(60.0, hurry)
    assert collected.ended == "collecting was cut short"
    assert tenant.asked_to_stop()


async def test_a_launch_that_was_broken_off_is_undone() -> None:
    """Ctrl-C while probers are started: the one whose start was under way runs, and must not go on for hours."""
    tenant = Tenant(launch_s=0.3)

    async def connect(_limit_s: float) -> tuple[Shell, int]:
        return tenant, 1

    agent = VantageAgent("vm01", connect, Bundle("0" * 16, b""), Memory())
    await agent.prepare()
    launching = asyncio.create_task(agent.launch(PLAN))
    await asyncio.sleep(0.1)
    launching.cancel()
    await asyncio.gather(launching, return_exceptions=True)
    await agent.close()
    assert [s.split(" --")[0].rpartition(" ")[2] for s in tenant.scripts[-2:]] == ["run", "stop"]


async def test_an_unwritable_journal_ends_the_wait_for_the_vantage() -> None:
    tenant = Tenant([data(0, HEAD + sample(0))])

    async def connect(_limit_s: float) -> tuple[Shell, int]:
        return tenant, 1

    class Full(Memory):
        def write(self, *bodies: Body) -> None:
            if any(isinstance(body, ev.SamplesArrived) for body in bodies):
                raise RuntimeError("disk full")
            super().write(*bodies)

    agent = VantageAgent("vm01", connect, Bundle("0" * 16, b""), Full())
    await agent.prepare()
    await agent.launch(PLAN)
    agent.follow()
    await soon(lambda: agent.lost)
    assert "disk full" in agent.lost
    await agent.close()


async def test_refused_logins_are_told_once_and_come_ever_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect_module, "REFUSED", Retry(0.1, 0.4))
    tries = 0
    told: list[str] = []

    async def connect(_limit_s: float) -> tuple[Shell, int]:
        nonlocal tries
        tries += 1
        raise LoginRefused("its host key is not the one in known_hosts")

    trying = asyncio.create_task(reconnect(connect, told.append))
    await asyncio.sleep(1.5)
    assert told == ["its host key is not the one in known_hosts"]
    assert 3 <= tries <= 6
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)


async def test_a_defect_in_connecting_is_not_retried_for_ever() -> None:
    async def connect(_limit_s: float) -> tuple[Shell, int]:
        raise KeyError("defect")

    with pytest.raises(KeyError):
        await reconnect(connect, lambda _text: None)


async def test_logins_beside_the_winner_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect_module, "NEXT_LOGIN_S", 0.02)
    dropped: list[int] = []

    class Late(Tenant):
        def abort(self) -> None:
            dropped.append(1)

    calls = 0

    async def connect(_limit_s: float) -> tuple[Shell, int]:
        nonlocal calls
        calls += 1
        if calls == 3:
            return Tenant(), 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return Late(), 1  # it had just succeeded
        raise AssertionError

    shell, attempts = await reconnect(connect, lambda _text: None)
    assert isinstance(shell, Tenant)
    assert attempts == 3
    await soon(lambda: len(dropped) == 2)
