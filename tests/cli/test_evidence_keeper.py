# SPDX-License-Identifier: Apache-2.0
"""What is kept of a failed run, against servers that refuse, hang and lie."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from csworkbench.cli import run_evidence
from csworkbench.cli.profile import Profile
from csworkbench.cli.run_evidence import EvidenceKeeper
from csworkbench.config.clouds import Cloud
from csworkbench.model.cloud import Inventory, Network, Router
from csworkbench.model.event import EvidenceKept
from csworkbench.recording.writer import RunFileWriter
from tests.cloudstack.conftest import bench
from tests.cloudstack.support import Bench, api, refusal

__all__ = ["bench"]
NETWORK = Network("net-1", "probe-net", "Implemented")
BEFORE = Inventory("4.22.0.0", NETWORK, (Router("r-id", "r-4-VM", "Running"),))
ROW = {"id": "r-id", "name": "r-4-VM", "state": "Running", "guestnetworkid": "net-1"}
ALL = ("listRouters", "listEvents", "getRouterHealthCheckResults", "getDiagnosticsData")


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    writer = RunFileWriter(tmp_path / "run.db", {"run": "x"})
    writer.close()
    return tmp_path / "run.db"


@pytest.fixture
async def served(bench: Bench) -> AsyncIterator[Bench]:
    bench.cloud.answers |= {
        "listApis": {"api": [api(name) for name in ALL]},
        "listCapabilities": {"capability": {"cloudstackversion": "4.22.0.0"}},
        "listRouters": {"count": 1, "router": [ROW]},
        "listEvents": {"count": 1, "event": [{"id": "e", "description": "a\x1b[2J" + "x" * 9_000}]},
        "getRouterHealthCheckResults": {
            "routerhealthchecks": {"healthchecks": [{"checkname": "dns", "deep": [[[[]]]]}]}
        },
        "getDiagnosticsData": refusal(530, "No SSVM found", "getDiagnosticsData"),
    }
    yield bench


async def kept(bench: Bench, run_file: Path) -> dict[str, EvidenceKept]:
    profile = Profile(Cloud("c", bench.cloud.credentials.endpoint, "k", "s"))
    await EvidenceKeeper(bench.client, profile, BEFORE, bench.journal).keep(run_file)
    return {body.what: body for body in bench.journal.of(EvidenceKept)}


async def test_each_thing_is_kept_or_named(served: Bench, run_file: Path) -> None:
    found = await kept(served, run_file)
    assert found["the last samples"].path == "diagnostics/last-samples.csv"
    assert "No SSVM found" in found["the logs of r-4-VM"].why
    events = run_file.parent / found["events"].path
    assert stat.S_IMODE(events.stat().st_mode) == 0o600
    assert stat.S_IMODE(events.parent.stat().st_mode) == 0o700
    text = events.read_text()
    assert "\x1b" not in text
    assert found["events"].size == len(text) < 5_000
    checks = json.loads((run_file.parent / found["health checks"].path).read_text())
    assert checks["r-4-VM"][0]["checkname"] == "dns"


async def test_a_role_that_may_do_nothing_still_keeps_the_samples(served: Bench, run_file: Path) -> None:
    served.cloud.answers["listApis"] = {"api": [api("listNetworks")]}
    for command in ALL:
        served.cloud.answers[command] = refusal(401, "not available for user", command)
    found = await kept(served, run_file)
    assert [what for what, one in found.items() if one.path] == ["the last samples"]
    assert "not offered" in found["health checks"].why
    assert "not available" in found["events"].why


async def test_a_server_that_hangs_costs_bounded_time(
    served: Bench, run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_evidence, "LIMIT_S", 1.0)
    never = asyncio.Event()

    async def hang(*_: Any, **__: Any) -> None:
        await never.wait()

    monkeypatch.setattr(served.client, "call", hang)
    found = await kept(served, run_file)
    assert found["the last samples"].path
    assert "not within 1 s" in found["events"].why


async def test_a_folder_that_cannot_be_made(served: Bench, run_file: Path) -> None:
    (run_file.parent / "diagnostics").write_text("in the way")
    assert "exists" in (await kept(served, run_file))["all of it"].why
