# SPDX-License-Identifier: Apache-2.0
"""A cloud of many networks: their routers are real, and as old, stopped or ill as the file says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csworkbench.lab import client
from tests.lab.support import RunningCloud, descendants, running_cloud

pytestmark = pytest.mark.lab

FLEET = """
networks:
  - {name: new, count: 2, vms: 2}
  - {name: old, vms: 1, template: "4.15.0", software: "4.17.2.0", scripts: old}
  - {name: ill, vms: 0, health: failing}
  - {name: off, vms: 0, state: Stopped, template: "4.15.0", software: "4.15.2.0", scripts: old}
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    home = tmp_path_factory.mktemp("f")
    (home / "fleet.yaml").write_text(FLEET)
    options = ("--scale", "0", "--vms", "1", "--fleet", str(home / "fleet.yaml"))
    with running_cloud(home / "lab", *options) as running:
        yield running


def networks(cloud: RunningCloud) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in cloud.api("listNetworks", listall="true")[1]["network"]}


def router(cloud: RunningCloud, network: str) -> dict[str, Any]:
    """The only router of that network."""
    reply = cloud.api("listRouters", listall="true", networkid=networks(cloud)[network]["id"])[1]
    (row,) = reply["router"]
    return dict(row)


def test_routers_report_what_the_file_says(cloud: RunningCloud) -> None:
    assert cloud.network()["name"] == "probe-net"
    assert set(networks(cloud)) == {"probe-net", "new-01", "new-02", "old-01", "ill-01", "off-01"}
    found = {
        name: (row["state"], row["version"], row["softwareversion"], row["requiresupgrade"], row["healthchecksfailed"])
        for name, row in ((name, router(cloud, name)) for name in networks(cloud) if name != "probe-net")
    }
    assert found == {
        "new-01": ("Running", "4.22.0", "4.22.0.0", False, False),
        "new-02": ("Running", "4.22.0", "4.22.0.0", False, False),
        "old-01": ("Running", "4.15.0", "4.17.2.0", True, True),
        "ill-01": ("Running", "4.22.0", "4.22.0.0", False, True),
        "off-01": ("Stopped", "4.15.0", "4.15.2.0", True, False),
    }
    assert cloud.run(router(cloud, "ill-01")["name"], "sh", "-c", "! ss -Hltn 'sport = :80' | grep .").returncode == 0
    assert "no host" in cloud.run(router(cloud, "off-01")["name"], "true").stderr


def test_each_network_is_a_world_of_its_own(cloud: RunningCloud) -> None:
    assert len({row["vlan"] for row in networks(cloud).values()}) == 6
    for host, neighbour in (("n02-vm01", "n02-vm02"), ("n03-vm01", "n03-vm02")):
        reached = cloud.run(host, "ping", "-c", "1", "-W", "2", neighbour)
        assert "10.1.1.102" in reached.stdout
        assert reached.returncode == 0
        assert cloud.run(host, "ping", "-c", "1", "-W", "2", "203.0.113.10").returncode == 0
    macs = {cloud.run(host, "ip", "neigh", "show", "10.1.1.102").stdout for host in ("n02-vm01", "n03-vm01")}
    assert len(macs) == 2


def test_the_second_vm_is_behind_another_port_of_the_same_address(cloud: RunningCloud) -> None:
    address = router(cloud, "new-02")["publicip"]
    known = Path(cloud.info["ssh"]["known_hosts"]).read_text()
    for port, name in ((22, address), (2202, f"[{address}]:2202")):
        with client.connect(cloud.state, address, port) as connection:
            connection.settimeout(5)
            assert connection.recv(64).startswith(b"SSH-2.0-")
        assert re.search(rf"^{re.escape(name)} ssh-ed25519 ", known, re.MULTILINE)


def test_old_and_stopped_routers_come_back_new(cloud: RunningCloud) -> None:
    _, reply = cloud.api("restartNetwork", id=networks(cloud)["old-01"]["id"], cleanup="false")
    assert cloud.wait_for_job(reply)["jobstatus"] == 2  # a router that requires an upgrade takes no command
    _, reply = cloud.api("restartNetwork", id=networks(cloud)["old-01"]["id"], cleanup="true")
    assert cloud.wait_for_job(reply)["jobstatus"] == 1
    _, reply = cloud.api("startRouter", id=router(cloud, "off-01")["id"])
    assert cloud.wait_for_job(reply)["jobstatus"] == 1
    for name in ("old-01", "off-01"):
        row = router(cloud, name)
        assert (row["state"], row["version"], row["requiresupgrade"]) == ("Running", "4.22.0", False)
        assert cloud.run(row["name"], "ping", "-c", "1", "-W", "2", "198.51.100.1").returncode == 0


def test_memory_is_what_the_kernel_says_of_all_its_processes(cloud: RunningCloud) -> None:
    total_kb = 0
    for pid in descendants(cloud.info["pid"]) | {cloud.info["pid"]}:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total_kb += int(rollup.split("Pss:")[1].split()[0])
    said = re.search(r"(\d+) MB", cloud.lab("status").stdout)
    assert said
    assert int(said[1]) == pytest.approx(total_kb / 1024, rel=0.15)
    assert cloud.info["memory_mb"] > 20


@pytest.mark.slow
def test_a_hundred_tenants(tmp_path: Path) -> None:
    with running_cloud(tmp_path / "lab", "--scale", "0", "--vms", "100") as cloud:
        assert cloud.run("vm100", "ping", "-c", "1", "-W", "2", "203.0.113.10").returncode == 0
        assert cloud.banner("198.51.100.112").startswith(b"SSH-2.0-")
        assert len(cloud.api("listVirtualMachines", listall="true")[1]["virtualmachine"]) == 100
        assert cloud.info["memory_mb"] < 1500
