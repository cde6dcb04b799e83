# SPDX-License-Identifier: Apache-2.0
"""The client against the test cloud: two implementations of the same API that check each other."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from csworkbench.cloudstack import (
    Client,
    Credentials,
    RestartNetwork,
    Surroundings,
    Unauthorized,
    UnknownNetwork,
    Verified,
    read_inventory,
)
from csworkbench.cloudstack.errors import BadParameter
from csworkbench.model.event import CloudEventSeen, JobChanged, JobStatus, ServerClock
from csworkbench.model.protocols import StepFailed
from csworkbench.model.scenario import Restart

from .support import MemoryJournal

pytestmark = pytest.mark.lab
READY_S = 60.0
QUICK = Surroundings(calls_per_second=100)


@asynccontextmanager
async def lab(folder: Path, profile: str) -> AsyncIterator[dict[str, Any]]:
    """A test cloud with two tenants; it ends with its standard input."""
    words = ["-m", "csworkbench", "lab", "--state", str(folder / "lab"), "up", "--foreground", "--until-eof", "--json"]
    options = ["--profile", profile, "--vms", "2", "--scale", "0.02"]
    pipe = asyncio.subprocess.PIPE
    with (folder / "lab.err").open("wb") as errors:
        cloud = await asyncio.create_subprocess_exec(
            sys.executable, *words, *options, stdin=pipe, stdout=pipe, stderr=errors
        )
    assert cloud.stdin is not None
    assert cloud.stdout is not None
    try:
        line = await asyncio.wait_for(cloud.stdout.readline(), READY_S)
        assert line, (folder / "lab.err").read_text()
        yield json.loads(line)
    finally:
        cloud.stdin.close()
        await asyncio.wait_for(cloud.wait(), READY_S)


def credentials(info: dict[str, Any]) -> Credentials:
    return Credentials(info["endpoint"], info["key"], info["secret"])


async def restarted(client: Client, journal: MemoryJournal, restart: Restart) -> tuple[RestartNetwork, Verified]:
    before = await read_inventory(client, "probe-net")
    step = await RestartNetwork.prepare(client, before, restart)
    await step.run(journal)
    return step, step.verify(before, await read_inventory(client, "probe-net"))


@pytest.mark.parametrize(
    ("profile", "flags", "manner"),
    [
        ("4.22", " makeredundant=false livepatch=false", "is built beside"),
        ("4.11.1", " makeredundant=false", "is built beside"),
        ("4.9", "", "destroyed first"),
    ],
)
async def test_a_restart_with_cleanup(tmp_path: Path, profile: str, flags: str, manner: str) -> None:
    journal = MemoryJournal()
    async with lab(tmp_path, profile) as info, Client(credentials(info), journal=journal, around=QUICK) as client:
        inventory = await read_inventory(client, "probe-net")
        assert inventory.server_version.startswith(profile)
        assert [(r.state, r.redundant_state) for r in inventory.routers] == [("Running", "")]
        assert len(inventory.vms) == 2
        assert all(vm.ip and vm.mac for vm in inventory.vms)
        assert inventory.source_nat_ip in inventory.public_ips
        assert {f.private_port for f in inventory.forwardings} == {22}
        assert inventory.firewall_rules >= 2

        step, found = await restarted(client, journal, Restart(cleanup=True))
        assert step.plan().calls == (f"restartNetwork id={inventory.network.id} cleanup=true{flags}",)
        assert manner in step.plan().consequence
        assert step.result is not None
        assert (found.changed, found.sound) == (True, True), found.reasons
        changes = journal.of(JobChanged)
        assert [c.status for c in changes] == [JobStatus.SUBMITTED, JobStatus.PENDING, JobStatus.SUCCEEDED]
        assert 0 < changes[-1].first_new_ns - changes[-1].last_old_ns < 2_000_000_000
        kinds = [(e.type, e.state) for e in journal.of(CloudEventSeen)]
        assert kinds == [
            ("NETWORK.RESTART", "Scheduled"), ("NETWORK.RESTART", "Started"), ("ROUTER.STOP", "Started"),
            ("ROUTER.STOP", "Completed"), ("NETWORK.RESTART", "Completed"),
        ]  # fmt: skip
        clock = journal.of(ServerClock)[-1]
        assert clock.low_s <= time.time() - time.monotonic() <= clock.high_s
        assert info["secret"] not in repr(journal.bodies)
        assert info["key"] not in repr(journal.bodies)


async def test_other_conversations(tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with lab(tmp_path, "4.22") as info:
        async with Client(credentials(info), journal=journal, around=QUICK) as client:
            with pytest.raises(UnknownNetwork, match="Did you mean probe-net"):
                await read_inventory(client, "prob-net")
            with pytest.raises(BadParameter):
                await client.call("queryAsyncJobResult", jobid="11111111-6c1a-4f7b-9a53-2d8e7c61b0aa")
            rows = await client.list_all("listVirtualMachines", "virtualmachine", keyword="~ *+ü%20&=/")
            assert rows == []
            step, found = await restarted(client, journal, Restart(cleanup=False))
            assert (found.changed, found.sound) == (False, True), found.reasons
            assert "keeps running" in step.plan().consequence
            first = journal.of(CloudEventSeen)
            assert len(first) == 3
            await restarted(client, journal, Restart(cleanup=False))
            second = journal.of(CloudEventSeen)[3:]
            assert [e.state for e in second] == ["Scheduled", "Started", "Completed"]
            assert not {e.id for e in first} & {e.id for e in second}
        wrong = Credentials(info["endpoint"], info["key"], "wrong")
        async with Client(wrong, journal=journal, around=QUICK) as client:
            with pytest.raises(Unauthorized):
                await read_inventory(client, "probe-net")


async def test_the_cloud_goes_away_under_a_restart(tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with lab(tmp_path, "4.22") as info:
        client = Client(credentials(info), journal=journal, around=QUICK)
        inventory = await read_inventory(client, "probe-net")
        step = await RestartNetwork.prepare(client, inventory, Restart(cleanup=True))
    with pytest.raises(StepFailed, match="refused the connection"):
        await step.run(journal)
    await client.__aexit__(None, None, None)
