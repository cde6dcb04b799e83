# SPDX-License-Identifier: Apache-2.0
"""A run on loopback: a real listener like an sshd, real probes, and an operation that closes it for a while."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from csworkbench.engine.engine import Engine
from csworkbench.engine.prepared import Prepared, Proof
from csworkbench.model.cloud import Forwarding, Inventory, Network, Vm
from csworkbench.model.event import InventorySeen, OperationPlanned
from csworkbench.model.lane import Vantage, VantageKind
from csworkbench.model.protocols import Journal, StepFailed
from csworkbench.model.scenario import Intervals, Operation, Phases, Restart, Scenario, Vantages
from csworkbench.probing.shell import ExecShell, Shell
from csworkbench.recording.library import RunFolder, new_run
from csworkbench.recording.writer import RunFileWriter

QUICK = Phases(warmup=0.1, baseline=2.0, confirm=0.5, settle_limit=20.0, calibrate=0.0)


@dataclass
class Sshd:
    """Something on 127.0.0.1 that sends an SSH banner; `down` closes it for real."""

    server: asyncio.Server | None = None
    port: int = 0
    closed_ns: list[tuple[int, int]] = field(default_factory=list)

    async def up(self) -> None:
        async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-Loopback\r\n")
            writer.close()

        self.server = await asyncio.start_server(greet, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def down(self, seconds: float) -> None:
        """Refuse connections that long; keeps the stamps around both changes, CLOCK_MONOTONIC ns."""
        assert self.server is not None
        before = time.monotonic_ns()
        self.server.close()
        await asyncio.sleep(seconds)
        await self.up()
        self.closed_ns.append((before, time.monotonic_ns()))

    async def close(self) -> None:
        if self.server is not None:
            self.server.close()


@dataclass
class Outage:
    """The operation: takes the listener away."""

    sshd: Sshd
    seconds: float = 0.8
    fails: str = ""
    title: str = "restartNetwork cleanup=true"

    async def run(self, journal: Journal) -> None:
        await self.sshd.down(self.seconds)
        if self.fails:
            raise StepFailed(self.fails)


@dataclass
class Loopback:
    """Everything of one run on loopback."""

    sshd: Sshd
    folder: RunFolder
    writer: RunFileWriter
    engine: Engine
    closed: list[bool]


def inventory(port: int) -> Inventory:
    network = Network("n1", "loop-net", "Implemented", gateway="127.0.0.1")
    return Inventory(
        "4.22", network, vms=(Vm("id1", "vm01", "Running", "127.0.0.1"),), public_ips=("127.0.0.1",),
        forwardings=(Forwarding("127.0.0.1", port, 22, "tcp", "id1", "Active"),),
    )  # fmt: skip


def scenario(operate: bool = True, phases: Phases = QUICK, budget: dict[str, float] | None = None) -> Scenario:
    operation = Operation(Restart(cleanup=True)) if operate else Operation()
    return Scenario(
        "loopback", "loop-net", operation=operation, vantages=Vantages(tenants=None), phases=phases,
        intervals=Intervals(syn=0.05, banner=1.0), budget=budget or {},
    )  # fmt: skip


async def loopback(
    tmp_path: Path,
    *,
    given: Scenario | None = None,
    operation: Callable[[Sshd], Outage] = Outage,
    proof: Proof | None = None,
    interactive: bool = False,
    measure_s: float | None = None,
    viewers: Callable[[], int] = lambda: 0,
) -> Loopback:
    """Put a run together; nothing is started yet but the listener."""
    sshd = Sshd()
    await sshd.up()
    chosen = given or scenario()
    folder = new_run("loopback", tmp_path / "runs")
    writer = RunFileWriter(folder.file, {"run": folder.name})
    closed: list[bool] = []

    async def connect(_limit_s: float) -> tuple[Shell, int]:
        return ExecShell(("env", f"HOME={tmp_path}")), 1

    async def verify() -> Proof:
        return proof or Proof(True, True, ("r-2-VM is new",))

    async def close() -> None:
        closed.append(True)
        await sshd.close()

    async def prepare(journal: Journal) -> Prepared:
        seen = inventory(sshd.port)
        journal.write(InventorySeen(seen))
        prepared = Prepared(seen, [(Vantage("outside", VantageKind.OUTSIDE), connect)], [], "127.0.0.1", close=close)
        if not chosen.operation.is_none:
            prepared.operation = operation(sshd)
            prepared.planned = OperationPlanned("restart", "loop-net", "the listener goes away for a while")
            prepared.verify = verify
        return prepared

    engine = Engine(
        writer, chosen, prepare, run_token="5a" * 16, interactive=interactive, measure_s=measure_s, viewers=viewers
    )
    return Loopback(sshd, folder, writer, engine, closed)
