# SPDX-License-Identifier: Apache-2.0
"""Commands in this process on a network of loopback: only the cloud is left out, the rest is what a user runs."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from csworkbench.cli import host
from csworkbench.cli.compose import Consent
from csworkbench.engine.prepared import NotPrepared, Prepare, Prepared, Proof
from csworkbench.model.event import InventorySeen, OperationPlanned
from csworkbench.model.lane import Vantage, VantageKind
from csworkbench.model.protocols import Journal
from csworkbench.model.scenario import Scenario
from csworkbench.probing.shell import ExecShell, Shell
from tests.engine.loopback import Outage, Sshd, inventory

SCENARIO = """\
name: loopback
cloud: lab
network: loop-net
operation: {restart: {cleanup: true}}
vantages: {outside: {at: local}}
phases: {warmup: 100ms, baseline: 1s, confirm: 500ms, settle_limit: 10s, calibrate: 0s}
budget: {ingress: 60s}
"""
RENEWED = Proof(True, True, ("r-2-VM is new",))


@dataclass
class Cloud:
    """What the next run meets. `refuses`: (message, exit code) of its preparation."""

    home: Path
    refuses: tuple[str, int] | None = None
    outage_s: tuple[float, ...] = (0.3,)
    proof: Proof = RENEWED
    interrupt_after_s: float | None = None
    runs: int = 0

    def prepare_for(self, scenario: Scenario, _consent: Consent, *, fresh_lab: bool = False) -> Prepare:
        async def prepare(journal: Journal) -> Prepared:
            if self.refuses is not None:
                raise NotPrepared(*self.refuses)
            sshd = Sshd()
            await sshd.up()
            seen = inventory(sshd.port)
            journal.write(InventorySeen(seen))
            prepared = Prepared(
                seen, [(Vantage("outside", VantageKind.OUTSIDE), self.connect)], [], "127.0.0.1", close=sshd.close
            )
            if not scenario.operation.is_none:
                prepared.operation = Outage(sshd, self.outage_s[min(self.runs, len(self.outage_s) - 1)])
                prepared.planned = OperationPlanned("restart", "loop-net", "the listener goes away for a while")
                prepared.verify = self.verify
            if self.interrupt_after_s is not None:
                asyncio.get_running_loop().call_later(self.interrupt_after_s, os.kill, os.getpid(), signal.SIGINT)
            self.runs += 1
            return prepared

        return prepare

    async def connect(self, _limit_s: float) -> tuple[Shell, int]:
        return ExecShell(("env", f"HOME={self.home}")), 1

    async def verify(self) -> Proof:
        return self.proof


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    made = Cloud(tmp_path)
    monkeypatch.setattr(host, "prepare_for", made.prepare_for)
    return made


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., str]:
    """Writes the scenario, with lines replaced by key; gives its path."""

    def write(**changes: str) -> str:
        lines = [changes.pop(line.split(":")[0], line) for line in SCENARIO.splitlines()]
        path = tmp_path / "loopback.yaml"
        path.write_text("\n".join([*lines, *changes.values()]) + "\n")
        return str(path)

    return write
