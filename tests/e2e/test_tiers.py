# SPDX-License-Identifier: Apache-2.0
"""Tenants as they are: each tier's outage holds the truth, with the width that the documentation gives."""

import csv
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from csworkbench.lab.hosts import LabError
from csworkbench.lab.tenant_kinds import Group, Kind, check
from tests.lab import ordinary_user

from .support import COMMAND, ROOT, lab, scenario

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]
BREAK_MS = 1700
SPARE_S = 0.06  # a busy machine sends late: up to half an interval is no error


def widths(lane: dict[str, Any]) -> float:
    """The documented width of an outage's bounds, s."""
    interval_s = float(lane["interval_s"])
    return 2 * interval_s + SPARE_S * (3 if interval_s > 0.1 else 1)


def kinds() -> tuple[list[str], dict[str, str]]:
    """(what to ask of the cloud, {vantage: tier}): with sudo where root may have it."""
    sudo = Group(Kind.SUDO, 1)
    wanted = ["user", "shell"]
    if os.geteuid() == 0:
        try:
            check([sudo], 4)
            wanted.insert(0, "sudo")
        except LabError as error:
            if os.environ.get("CI"):
                pytest.fail(str(error))
            print(f"NOT TESTED: tenants with sudo: {error}")
    names = [f"vm{number:02}" for number in range(2, 2 + len(wanted))]
    tiers = {"vm01": "root", **dict(zip(names, wanted, strict=True)), "outside": "root"}
    return ["--vms", str(1 + len(wanted)), "--tenant-kinds", ",".join(f"{kind}:1" for kind in wanted)], tiers


def watch(folder: Path, program: Sequence[str] = COMMAND) -> tuple[dict[str, Any], dict[str, Any]]:
    """`watch` while an outage is made: (its summary, the truth). `program`: the words that run csworkbench."""
    command = [
        *program,
        "watch",
        str(scenario(folder, "watch", phases="phases: {warmup: 500ms, baseline: 3s, calibrate: 500ms}")),
        "--json",
        "--out",
        str(folder / "out"),
    ]
    watching = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert watching.stderr is not None
    lines = []
    for line in watching.stderr:
        lines.append(line)
        if "phase: measure" in line:
            break
    else:
        raise AssertionError("".join(lines))
    done = run(program, "lab", "break", "egress", "--ms", str(BREAK_MS))
    run(program, "lab", "exec", "outside", "--", "sleep", "2")  # samples after it, verdicts included
    watching.terminate()
    out, err = watching.communicate(timeout=60)
    assert watching.returncode == 0, err
    return json.loads(out), json.loads(done)


def run(program: Sequence[str], *words: str) -> str:
    done = subprocess.run([*program, *words], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_lanes(summary: dict[str, Any], truth: dict[str, Any], tiers: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Each egress lane's outage holds the truth and is as wide as documented; the vantages by tier."""
    assert summary["left_out"] == []
    assert summary["missing_records"] == 0
    seen = {vantage["name"]: vantage for vantage in summary["vantages"]}
    assert {name: vantage["tier"] for name, vantage in seen.items()} == tiers
    shortest = (truth["end_ns"][0] - truth["start_ns"][1]) / 1e9
    longest = (truth["end_ns"][1] - truth["start_ns"][0]) / 1e9
    for lane in (lane for lane in summary["lanes"] if (lane["service"], lane["prober"]) == ("egress", "icmp")):
        (outage,) = lane["outages"]
        tier, bound_ms = tiers[lane["vantage"]], seen[lane["vantage"]]["clock_bound_ms"]
        print(
            f"{tier:<6}{lane['flow']:<5}true {shortest:.3f}-{longest:.3f} s  measured {outage['down_s']:.3f}"
            f" [{outage['low_s']:.3f}, {outage['high_s']:.3f}] s  clock {bound_ms} ms"
        )
        assert outage["low_s"] <= longest, (tier, outage)
        assert outage["high_s"] >= shortest, (tier, outage)
        assert outage["high_s"] - outage["low_s"] <= widths(lane), (tier, outage)
        near_ns = bound_ms * 1e6 + lane["interval_s"] * 1e9
        assert abs(outage["start_ns"] - truth["start_ns"][0]) <= near_ns, (tier, outage)
        assert lane["interval_s"] == (0.2 if tier == "shell" else 0.1)
    return {tier: seen[name] for name, tier in tiers.items() if name != "outside"}


def test_every_tier_holds_the_truth(tmp_path: Path) -> None:
    options, tiers = kinds()
    with lab(*options):
        summary, truth = watch(tmp_path)
    by_tier = check_lanes(summary, truth, tiers)
    assert by_tier["root"]["cannot_see"] == []
    assert by_tier["user"]["cannot_see"] == ["gateway ARP", "dhcp"]
    assert by_tier["shell"]["sees"] == ["egress icmp new flow"]
    assert by_tier["shell"]["cannot_see"] == [
        "egress icmp same flow", "egress connect", "egress udp", "egress held", "gateway ARP", "dns", "dhcp",
        "metadata", "password", "outages under 400 ms",
    ]  # fmt: skip
    with next((tmp_path / "out").rglob("events.csv")).open() as file:
        told = [row["text"] for row in csv.DictReader(file) if row["kind"] == "prober"]
    assert "user: cannot see gateway ARP, dhcp" in told


@pytest.mark.slow
def test_every_tier_of_a_rootless_cloud_holds_the_truth() -> None:
    home = Path(tempfile.mkdtemp(prefix="csw-tiers-"))  # pytest's own directories are closed to others
    try:
        home.chmod(0o755)
        os.chown(home, *ordinary_user.identity())
        program = ordinary_user.lab_prefix(home, words=("-m", "csworkbench"))
        run(program, "lab", "up", "--vms", "3", "--tenant-kinds", "user:1,shell:1")
        try:
            summary, truth = watch(home, program)
        finally:
            run(program, "lab", "down")
        check_lanes(summary, truth, {"vm01": "root", "vm02": "user", "vm03": "shell", "outside": "root"})
    finally:
        shutil.rmtree(home)
