# SPDX-License-Identifier: Apache-2.0
"""Starting all vantages together: one that cannot be used, and what becomes of the others."""

import asyncio
from pathlib import Path

import pytest

from csworkbench.engine.prepared import NotPrepared, Prepared
from csworkbench.engine.vantages import VantageSet
from csworkbench.model.event import Body, Calibrated, LaneAdded, Notice, VantageAdded, VantageLeftOut
from csworkbench.model.lane import Vantage, VantageKind
from csworkbench.model.scenario import Phases, Refused, Scenario, Tenants, Vantages
from csworkbench.probing.shell import Completed, Pipe, Shell, ShellError

from .loopback import inventory


class Tenant:
    """A shell that answers what is needed; implements Shell."""

    def __init__(self, *, starts: bool = True, launch_s: float = 0.0, tried: str = "") -> None:
        self.starts, self.launch_s, self.tried = starts, launch_s, tried
        self.said: list[str] = []

    async def run(self, script: str, timeout_s: float = 30.0) -> Completed:
        if " check" in script:
            return Completed(0, '{"python": "3.11", "raw_socket": true}', "")
        if " calibrate " in script:
            self.said.append("tried out")
            return Completed(0, self.tried, "")
        if "--detach" in script:
            self.said.append("began")
            await asyncio.sleep(self.launch_s)
            self.said.append("runs" if self.starts else "did not start")
            return Completed(0, '{"pid": 7}' if self.starts else '{"error": "no such interface"}', "")
        if " stop " in script:
            self.said.append("stopped")
        return Completed(0, "", "")

    async def put(self, data: bytes, path: str) -> None:
        """Taken."""

    async def open(self, script: str) -> Pipe:
        raise ShellError("no tail here")

    def abort(self) -> None:
        """Nothing to drop."""

    async def close(self) -> None:
        self.said.append("closed")


class Memory:
    def __init__(self) -> None:
        self.bodies: list[Body] = []

    def write(self, *bodies: Body) -> None:
        self.bodies += bodies


def vantages(tenants: dict[str, Tenant], refused: Refused, calibrate_s: float = 0.0) -> tuple[VantageSet, Memory]:
    def connect_to(tenant: Tenant):  # type: ignore[no-untyped-def]
        async def connect(_limit_s: float) -> tuple[Shell, int]:
            return tenant, 1

        return connect

    journal = Memory()
    scenario = Scenario(
        "x", "loop-net", vantages=Vantages(tenants=Tenants(refused=refused), outside=None),
        phases=Phases(calibrate=calibrate_s),
    )  # fmt: skip
    found = [(Vantage(name, VantageKind.TENANT, "127.0.0.1", 22, ""), connect_to(t)) for name, t in tenants.items()]
    return VantageSet(scenario, Prepared(inventory(22), found, [], "127.0.0.1"), journal, "5a" * 16), journal


async def test_one_that_may_not_be_missing_stops_the_others() -> None:
    """Their probers were about to start, or ran already: none of them may go on, and nobody tails them."""
    tenants = {"vm01": Tenant(), "vm02": Tenant(starts=False, launch_s=0.1), "vm03": Tenant(launch_s=0.3)}
    group, journal = vantages(tenants, Refused.FAIL)
    with pytest.raises(NotPrepared, match="vm02 cannot be used: vm02: the prober did not start: no such interface"):
        await group.start(60.0)
    await group.collect(1.0)
    await group.close()
    assert tenants["vm01"].said == ["began", "runs", "stopped", "closed"]
    assert tenants["vm03"].said == ["began", "runs", "stopped", "closed"]
    assert len(asyncio.all_tasks()) == 1
    assert not any(isinstance(body, LaneAdded) for body in journal.bodies)


async def test_a_stop_while_they_start_leaves_no_prober() -> None:
    tenants = {"vm01": Tenant(), "vm02": Tenant(launch_s=0.3)}
    group, _ = vantages(tenants, Refused.SKIP)
    starting = asyncio.create_task(group.start(60.0))
    while "began" not in tenants["vm02"].said:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await group.close()
    assert all(tenant.said[1:] == ["runs", "stopped", "closed"] for tenant in tenants.values())


async def test_one_that_may_be_missing_has_no_lanes(tmp_path: Path) -> None:
    """Lanes that were announced and never probed would be silent for ever, and the baseline bad."""
    group, journal = vantages({"vm01": Tenant(), "vm02": Tenant(starts=False)}, Refused.SKIP)
    lanes = await group.start(60.0)
    assert {lane.vantage for lane in lanes} == {"vm01"}
    assert [b.vantage.name for b in journal.bodies if isinstance(b, VantageAdded)] == ["vm01"]
    assert {b.lane.vantage for b in journal.bodies if isinstance(b, LaneAdded)} == {"vm01"}
    assert [b.name for b in journal.bodies if isinstance(b, VantageLeftOut)] == ["vm02"]
    await group.collect(0.1)
    await group.close()


SLOW = (
    '{"wanted": 40, "sent": 30, "self_late": 10, "late_ns": [1, 60000000, 90000000], "interval_ns": 100000000,'
    ' "rtt_ns": 9, "silenced": [130, 131], "woken": [430, 431], "edges": [100, 200, 400, 500], "scheduler": "other"}'
)


async def test_probers_are_tried_out_before_they_start() -> None:
    """Also where that fails: a vantage that cannot be tried out may measure well."""
    tenants = {"vm01": Tenant(tried=SLOW), "vm02": Tenant(tried="nonsense"), "vm03": Tenant(starts=False, tried=SLOW)}
    group, journal = vantages(tenants, Refused.SKIP, calibrate_s=0.5)
    await group.start(60.0)
    assert tenants["vm01"].said == ["tried out", "began", "runs"]
    kinds = [type(body) for body in journal.bodies]
    assert kinds.index(Calibrated) == kinds.index(VantageAdded) + 1 < kinds.index(LaneAdded)
    found = [body for body in journal.bodies if isinstance(body, Calibrated)]
    assert [(one.vantage, one.self_late, bool(one.why)) for one in found] == [("vm01", 10, False), ("vm02", 0, True)]
    told = [body.text for body in journal.bodies if isinstance(body, Notice)]
    assert any(text.startswith("vm01 is slow") and "longer `intervals`" in text for text in told)
    assert any(text.startswith("vm02 could not be calibrated") for text in told)
    await group.collect(0.1)
    await group.close()
