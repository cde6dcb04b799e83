# SPDX-License-Identifier: Apache-2.0
"""A run in which nobody talks to one tenant: the others decide that all is calm, then it has to be calm as well."""

from collections.abc import Callable
from pathlib import Path

import pytest

from csworkbench.engine import roles
from csworkbench.engine.engine import Engine
from csworkbench.engine.prepared import Prepared, Proof
from csworkbench.model.event import ChannelState, InventorySeen, Phase
from csworkbench.model.lane import Vantage, VantageKind
from csworkbench.model.protocols import Journal
from csworkbench.model.scenario import Operation, Phases, Restart, Scenario, Tenants, Vantages
from csworkbench.model.state import RunState
from csworkbench.probing.agent import Connect
from csworkbench.probing.shell import ExecShell, Shell
from csworkbench.recording.library import new_run
from csworkbench.recording.reader import load_state
from csworkbench.recording.writer import RunFileWriter
from csworkbench.results.run_result import load_result
from csworkbench.results.summary import summarise

from .loopback import Outage, Sshd, inventory

pytestmark = pytest.mark.lab
S = 1_000_000_000
PHASES = Phases(warmup=0.1, baseline=1.0, confirm=0.5, settle_limit=20.0, quiet=1.5)
NAMES = ("vm01", "vm02", "vm03")


async def run(tmp_path: Path, quiet: str, dials: Callable[[str], None], phases: Phases = PHASES) -> RunState:
    """One run of three tenants on loopback; `dials` hears of each connection."""
    sshd = Sshd()
    await sshd.up()
    scenario = Scenario(
        "quiet", "loop-net", operation=Operation(Restart(cleanup=True)), phases=phases,
        vantages=Vantages(tenants=Tenants(quiet=quiet), outside=None),
    )  # fmt: skip
    folder = new_run("quiet", tmp_path / "runs")
    writer = RunFileWriter(folder.file, {"run": folder.name})

    def connect_to(name: str) -> Connect:
        async def connect(_limit_s: float) -> tuple[Shell, int]:
            dials(name)
            return ExecShell(("env", f"HOME={tmp_path / name}")), 1

        return connect

    async def verify() -> Proof:
        return Proof(True, True, ("r-2-VM is new",))

    async def prepare(journal: Journal) -> Prepared:
        seen = inventory(sshd.port)
        journal.write(InventorySeen(seen))
        found = [(Vantage(name, VantageKind.TENANT), connect_to(name)) for name in NAMES]
        prepared = Prepared(seen, found, [], "127.0.0.1", close=sshd.close)
        prepared.operation, prepared.verify = Outage(sshd, 0.3), verify
        return prepared

    for name in NAMES:
        (tmp_path / name).mkdir()
    assert await Engine(writer, scenario, prepare, run_token="5a" * 16).run() == 0
    writer.close()
    summary = summarise(load_result(folder.file))
    assert summary["missing_records"] == 0
    assert {v["name"]: len(v["hushed"]) for v in summary["vantages"]} == {
        name: int(quiet in ("all", name)) for name in NAMES
    }
    return load_state(folder.file)


@pytest.mark.slow
@pytest.mark.parametrize("quiet", ["vm02", "all"])
async def test_quiet_from_before_the_change_until_the_others_are_calm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: str
) -> None:
    monkeypatch.setattr(roles, "RAW_TIERS", ())  # nobody on loopback answers for a gateway: no sentinel
    dialled: list[str] = []
    state = await run(tmp_path, quiet, dialled.append)
    hushed = [name for name in NAMES if quiet in ("all", name)]
    for name in hushed:
        vantage = state.vantages[name]
        ((from_ns, until_ns),) = vantage.hushed
        change, settle, collect = (state.phase_ns(p) for p in (Phase.CHANGE, Phase.SETTLE, Phase.COLLECT))
        assert change is not None
        assert settle is not None
        assert collect is not None
        assert from_ns < change < settle
        assert until_ns - settle >= 1.5 * S
        assert collect > until_ns, "its own spool had to tell that it was good for the confirm window"
        assert vantage.losses == 0
        assert vantage.channel is ChannelState.CLOSED
        assert dialled.count(name) == 2
    assert all(dialled.count(name) == 1 for name in NAMES if name not in hushed)
