# SPDX-License-Identifier: Apache-2.0
"""Every operation on a kind of target: the sample scenarios as they are, and the operations that have no sample."""

import json
from pathlib import Path
from typing import Any

import pytest

from .support import SCENARIOS, csworkbench, processes_of

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(300)]

SAMPLES = [
    ("live-patch", "upgraded", "scripts version", {"egress", "ingress", "gateway ARP"}),
    ("vpc-restart", "restarted", "is new, version 4.22.0", {"egress", "ingress", "gateway ARP"}),
    ("redundant-restart", "restarted", "is new, version 4.22.0", {"egress", "ingress", "gateway ARP"}),
    ("reboot-router", "restarted", "no router differs", {"egress", "ingress", "gateway ARP"}),
    ("systemvm-recreate", "upgraded", "s-1-VM is gone", {"secondary storage"}),
]

OTHERS = [
    ("vms: 3", "router: r-6-VM", "destroy_router", ["destroyRouter", "restartNetwork"], "r-6-VM is gone"),
    ("vms: 3", "network: probe-net", "{stop_start_router: {forced: true}}", ["stopRouter", "startRouter"], ""),
    (
        "vms: 3",
        "network: probe-net",
        "{restart: {cleanup: false, makeredundant: true}}",
        ["restartNetwork"],
        "r-8-VM is new",
    ),
    ("vms: 3, topology: redundant", "router: r-6-VM", "destroy_router", ["destroyRouter", "restartNetwork"], "r-8-VM"),
    (
        "vms: 3",
        "network: probe-net",
        "{change_offering: {offering: RedundantIsolatedNetworkOffering, in_sequence: true}}",
        ["updateNetwork"],
        "RedundantIsolatedNetworkOffering",
    ),
    ('vms: 1, profile: "4.17", upgrade: "4.22"', "systemvm: s-1-VM", "live_patch", ["patchSystemVm"], "4.22.0.0"),
    ('vms: 1, profile: "4.9"', "systemvm: v-2-VM", "destroy_systemvm", ["destroySystemVm"], "v-2-VM is gone"),
    ('vms: 4, topology: vpc, profile: "4.9"', "vpc: probe-vpc", "{restart: {cleanup: true}}", ["restartVPC"], "new"),
    ('vms: 3, profile: "4.11.1"', "network: probe-net", "reboot_router", ["rebootRouter"], ""),
]


def run(path: Path) -> dict[str, Any]:
    done = csworkbench("run", str(path), "--yes", "--json", timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    summary: dict[str, Any] = json.loads(done.stdout)
    assert {job["status"] for job in summary["jobs"]} == {"succeeded"}
    return summary


@pytest.mark.parametrize(("name", "verdict", "says", "services"), SAMPLES)
def test_a_sample_runs_as_it_is(name: str, verdict: str, says: str, services: set[str], tmp_path: Path) -> None:
    summary = run(SCENARIOS / f"{name}.yaml")
    assert summary["verdict"] == verdict
    assert says in "; ".join(summary["reasons"])
    assert set(summary["services"]) >= services
    assert not summary["left_out"]
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize(("lab", "target", "operation", "commands", "says"), OTHERS)
def test_an_operation(lab: str, target: str, operation: str, commands: list[str], says: str, tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(
        f"name: x\nlab: {{{lab}, scale: 0.1}}\n{target}\noperation: {operation}\n"
        "phases: {warmup: 1s, baseline: 2s, confirm: 2s, settle_limit: 90s}\n"
    )
    summary = run(path)
    assert summary["verdict"] in ("restarted", "upgraded")
    assert [job["command"] for job in summary["jobs"]] == commands
    assert says in "; ".join(summary["reasons"])
