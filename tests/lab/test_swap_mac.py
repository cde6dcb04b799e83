# SPDX-License-Identifier: Apache-2.0
"""`lab swap-mac`: a gap of exactly known length, another MAC after it, and who has found it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.lab.support import LAB, RunningCloud, environment, running_cloud

pytestmark = pytest.mark.lab
FLEET = "networks:\n  - {name: arp, count: 1, vms: 2}\n"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    folder = tmp_path_factory.mktemp("swap")
    (folder / "fleet.yaml").write_text(FLEET)
    with running_cloud(folder / "lab", "--vms", "1", "--fleet", str(folder / "fleet.yaml")) as up:
        yield up


def lab(cloud: RunningCloud, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LAB, "--state", str(cloud.state), *words], env=environment(), capture_output=True, text=True, check=False,
        timeout=100,
    )  # fmt: skip


def pinging(cloud: RunningCloud, host: str) -> subprocess.Popen[str]:
    words = ["exec", host, "--", "ping", "-n", "-i", "0.02", "203.0.113.10"]
    process = subprocess.Popen(
        [*LAB, "--state", str(cloud.state), *words], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert any("icmp_seq" in line for line in process.stdout)
    return process


def gateway(cloud: RunningCloud, host: str) -> str:
    entries = json.loads(lab(cloud, "exec", host, "--", "ip", "-j", "neigh", "show", "10.1.1.1").stdout)
    return str(entries[0].get("lladdr", "")) if entries else ""


def test_gap_and_mac(cloud: RunningCloud) -> None:
    with pinging(cloud, "n02-vm01") as first, pinging(cloud, "n02-vm02") as second:
        done = lab(cloud, "swap-mac", "arp-01", "--gap-ms", "300", "--follow", "30")
        assert done.returncode == 0, done.stderr
        made = json.loads(done.stdout)
        (_, shut), (opening, opened) = made["start_ns"], made["end_ns"]
        assert opening - shut >= 300e6
        assert opened - made["start_ns"][0] < 5e9
        assert set(made["found_ns"]) == {"n02-vm01", "n02-vm02"}
        assert all(opening < at for at in made["found_ns"].values())
        assert made["old_mac"] != made["new_mac"] == gateway(cloud, "n02-vm01") == gateway(cloud, "n02-vm02")
        # Without the announcement they hold on to it for seconds: it is heard of at once only by who is asked.
        silent = json.loads(lab(cloud, "swap-mac", "arp-01", "--gap-ms", "200", "--no-garp", "--follow", "1").stdout)
        assert silent["old_mac"] == made["new_mac"]
        assert silent["new_mac"] not in (made["old_mac"], made["new_mac"])
        assert silent["found_ns"] == {}
        assert gateway(cloud, "n02-vm01") == silent["old_mac"]
        told = [json.loads(line) for line in lab(cloud, "truth").stdout.splitlines()]
        assert told[-2:] == [made, silent]
        back = json.loads(lab(cloud, "swap-mac", "arp-01", "--gap-ms", "1", "--follow", "30").stdout)
        assert set(back["found_ns"]) == {"n02-vm01", "n02-vm02"}
        first.terminate()
        second.terminate()


def test_what_cannot_be(cloud: RunningCloud) -> None:
    done = lab(cloud, "swap-mac", "nowhere", "--gap-ms", "100")
    assert done.returncode == 1
    assert "no network 'nowhere'; there are probe-net, arp-01" in done.stderr
    assert lab(cloud, "swap-mac", "arp-01", "--gap-ms", "100", "--follow", "9999").returncode == 1
