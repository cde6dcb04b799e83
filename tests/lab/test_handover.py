# SPDX-License-Identifier: Apache-2.0
"""Handovers to a new router: what tenants and their sessions notice, and what is left when one fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import ordinary_user
from tests.lab.support import LAB, RunningCloud, environment, running_cloud

pytestmark = pytest.mark.lab

Line = dict[str, Any]
ROUTED = ("egress", "egress_same", "gateway", "ingress", "static_nat")
SETTING = "network.restart.handover"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    options = ("--scale", "0.02", "--vms", "3", "--handover", "negotiated")
    with running_cloud(tmp_path_factory.mktemp("h") / "lab", *options) as running:
        yield running


def choose(cloud: RunningCloud, value: str) -> tuple[int, Line]:
    return cloud.api("updateConfiguration", name=SETTING, value=value)


def password(cloud: RunningCloud, host: str, request: str) -> str:
    words = ("curl", "-s", "-m", "2", "-H", f"DomU_Request: {request}", "http://10.1.1.1:8080/")
    return cloud.run(host, *words).stdout


class Watched:
    """A restart under the witness: `worst_ms` by path (the lower bound), `alive` by session, `told` by the cloud."""

    def __init__(self, cloud: RunningCloud) -> None:
        watching = cloud.lab("truth", "--watch")
        assert watching.returncode == 0, watching.stderr
        self.job = cloud.restart(cleanup=True)
        lines = [json.loads(line) for line in cloud.lab("truth", "--stop").stdout.splitlines()]
        self.worst_ms = {name: max(line["low_ms"] for line in lines if line.get("path") == name) for name in ROUTED}
        self.alive = {line["session"]: line["alive"] for line in lines if "session" in line}
        everything = [json.loads(line) for line in cloud.lab("truth").stdout.splitlines()]
        self.told: Line = ([line for line in everything if "handover" in line] or [{}])[-1]


def test_negotiated_keeps_addresses_sessions_leases_and_passwords(cloud: RunningCloud) -> None:
    (old,) = cloud.routers()
    words = ("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "2", "-T", "1", "-s", "/bin/true")
    assert "lease of 10.1.1.103" in "".join(cloud.run("vm03", *words).stderr)
    leases = cloud.run(old["name"], "cat", "/run/vr/dnsmasq.leases").stdout
    assert "10.1.1.103" in leases
    assert password(cloud, "vm01", "saved_password") == "saved_password"
    seen = Watched(cloud)
    assert seen.job["jobresult"] == {"success": True}
    assert {name: ms for name, ms in seen.worst_ms.items() if ms > 50} == {}
    assert seen.alive == dict.fromkeys("TPSO", True)
    assert (seen.told["handover"], seen.told["refused"]) == ("negotiated", 0)
    assert seen.told["carried"] >= len(seen.alive)
    (new,) = cloud.routers()
    assert (new["state"], new["guestmacaddress"], new["publicmacaddress"]) == (
        "Running",
        old["guestmacaddress"],
        old["publicmacaddress"],
    )
    assert new["id"] != old["id"]
    assert cloud.run(old["name"], "true").returncode != 0
    link = json.loads(cloud.run(new["name"], "ip", "-j", "link", "show", "eth0").stdout)
    assert link[0]["address"] == old["guestmacaddress"]
    assert cloud.run(new["name"], "nft", "list", "tables", "netdev").stdout == ""
    assert cloud.run(new["name"], "cat", "/run/vr/dnsmasq.leases").stdout == leases
    assert password(cloud, "vm01", "send_my_password") == "saved_password"
    assert password(cloud, "vm02", "send_my_password") == "first-vm02"


def test_external_moves_the_cables_and_announces(cloud: RunningCloud) -> None:
    assert choose(cloud, "external")[0] == 200
    (old,) = cloud.routers()
    seen = Watched(cloud)
    assert seen.job["jobresult"] == {"success": True}
    assert {name: ms for name, ms in seen.worst_ms.items() if ms > 300} == {}
    assert (seen.told["carried"], seen.told["old"]) == (0, old["name"])
    assert seen.told["lost"] >= len(seen.alive)
    assert not seen.alive["P"]  # the router is the first to hear of it when the tenant speaks
    (new,) = cloud.routers()
    assert new["state"] == "Running"
    assert new["guestmacaddress"] != old["guestmacaddress"]
    assert new["publicmacaddress"] == old["publicmacaddress"]
    assert new["guestmacaddress"] in cloud.run("vm03", "ip", "neigh", "show", "10.1.1.1").stdout


@pytest.mark.parametrize("kind", ["negotiated", "external"])
def test_a_failure_before_the_change_is_not_noticed(cloud: RunningCloud, kind: str) -> None:
    assert choose(cloud, kind)[0] == 200
    (old,) = [router for router in cloud.routers() if router["state"] == "Running"]
    words = [*LAB, "--state", str(cloud.state), "exec", "vm02", "--", "ping", "-n", "-i", "0.01", "203.0.113.10"]
    cloud.lab("fault", "restart-fails")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment()) as ping:
        assert ping.stdout
        while "icmp_seq=5 " not in ping.stdout.readline():
            pass
        job = cloud.restart(cleanup=True)
        answered = cloud.run("vm02", "ping", "-n", "-c", "200", "-i", "0.005", "203.0.113.10").stdout
        ping.terminate()
        numbers = [int(number) for number in re.findall(r"icmp_seq=(\d+) ", ping.stdout.read())]
    cloud.lab("fault", "restart-fails", "--off")
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert " 0% packet loss" in answered
    states = {router["id"]: router["state"] for router in cloud.routers()}
    assert states.pop(old["id"]) == "Running"
    assert list(states.values()) == ["Stopped"]


def test_the_setting_is_the_test_clouds_own_and_has_three_values(cloud: RunningCloud) -> None:
    (row,) = cloud.api("listConfigurations", name=SETTING)[1]["configuration"]
    assert (row["category"], row["defaultvalue"]) == ("Test cloud", "none")
    status, error = choose(cloud, "parallel")
    assert status == 431
    assert "external, negotiated" in error["errortext"]


PARTNER = r"""
import json, os, socket, subprocess, sys, tempfile, threading
from csworkbench.lab import calls_handover as handover
from csworkbench.lab.gate import Gate, gate_rules

def policies():
    tables = json.loads(os.popen("nft -j list table netdev handover").read())["nftables"]
    return {item["chain"]["policy"] for item in tables if "chain" in item}

def load(is_open):
    os.system("nft delete table netdev handover 2> /dev/null")
    with os.popen("nft -f -", "w") as nft:
        nft.write(gate_rules(["eth0"], is_open=is_open))

def reaches():
    os.system("ip neigh flush dev eth0")  # else it waits with its next question
    return os.system("ping -c 1 -W 0.3 10.1.1.1 > /dev/null") == 0

def ip(lines):
    subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)

found = {}
neighbour = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; read line"], stdin=-1, stdout=-1)
neighbour.stdout.readline()
ip(f"link set lo up\nlink add name eth0 type veth peer name eth0 netns {neighbour.pid}\n"
   "addr add 10.1.1.103/24 dev eth0\nlink set eth0 up\n")
there = ["nsenter", "-t", str(neighbour.pid), "-n", "ip"]
subprocess.run([*there, "addr", "add", "10.1.1.1/24", "dev", "eth0"], check=True)
subprocess.run([*there, "link", "set", "eth0", "up"], check=True)
empty = tempfile.TemporaryDirectory()
load(True)
gate = Gate()
gate.set(is_open=False)
found["through a closed gate"] = reaches()
gate.set(is_open=True)
found["through an open gate"] = reaches()

def silent_router():  # takes everything and never confirms
    with socket.create_server(("127.0.0.1", handover.PORT)) as listener:
        peer = handover._Peer(listener.accept()[0])
    while (kind := peer.wait(5)[0]) != b"Y":
        if kind == b"M":
            peer.put(b"R")
    found["closed while it waits"] = policies() == {"drop"}
    found["taken back"] = peer.wait(5)[0] == b"B"

other = threading.Thread(target=silent_router)
other.start()
try:
    handover.hand_over("127.0.0.1", empty.name)
except OSError as error:
    found["old one says"] = str(error)
other.join()
found["old one open"] = policies() == {"accept"}

def fickle_router():  # gives everything and takes it back
    peer = handover._Peer(handover._connected("127.0.0.1"))
    peer.put(b"M")
    assert peer.wait(5)[0] == b"R"
    peer.put(b"Y", b"[]")
    assert peer.wait(5)[0] == b"D"
    found["new one opened"] = policies() == {"accept"}
    peer.put(b"B")
    found["peer"] = peer  # its connection stays open

load(False)
other = threading.Thread(target=fickle_router)
other.start()
try:
    handover.take_over("127.0.0.1", {"eth0": (["10.1.1.103"], None)}, [], empty.name)
except OSError as error:
    found["new one says"] = str(error)
other.join()
found.pop("peer")
found["new one closed"] = policies() == {"drop"}
neighbour.communicate(b"")
print(json.dumps(found))
"""


def test_who_is_not_confirmed_goes_on_and_who_is_refused_stays_closed() -> None:
    words = ["unshare", "-Urn", sys.executable, "-c", PARTNER]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "through a closed gate": False,
        "through an open gate": True,
        "closed while it waits": True,
        "taken back": True,
        "old one says": "the other router says nothing",
        "old one open": True,
        "new one opened": True,
        "new one says": "the old router has taken everything back",
        "new one closed": True,
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["negotiated", "external"])
def test_without_root(kind: str) -> None:
    home = Path(tempfile.mkdtemp(prefix="lab-user-"))  # pytest's own directories are closed to others
    try:
        os.chown(home, *ordinary_user.identity())
        options = ("--vms", "3", "--scale", "0.02", "--handover", kind)
        with running_cloud(home / "lab", *options, prefix=ordinary_user.lab_prefix(home)) as running:
            seen = Watched(running)
            assert seen.job["jobresult"] == {"success": True}, running.api("listAlerts")[1]
            assert seen.told["handover"] == kind
            assert {name: ms for name, ms in seen.worst_ms.items() if ms > 300} == {}
            assert seen.alive["P"] == (kind == "negotiated")
    finally:
        shutil.rmtree(home)
