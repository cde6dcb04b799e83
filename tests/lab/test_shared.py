# SPDX-License-Identifier: Apache-2.0
"""A shared network: tenants that the outside reaches without a router of theirs, and a router that only serves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import asyncssh
import pytest

from csworkbench.lab import client
from tests.lab.support import LAB, RunningCloud, environment, running_cloud

pytestmark = pytest.mark.lab

ROUTER, VM = "192.0.2.2", "192.0.2.101"
METADATA = f"http://{ROUTER}/latest/meta-data/local-ipv4"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    options = ("--topology", "shared", "--scale", "0.02", "--vms", "3")
    with running_cloud(tmp_path_factory.mktemp("s") / "lab", *options) as running:
        yield running


def curl(cloud: RunningCloud, host: str, url: str, *options: str) -> str:
    return cloud.run(host, "curl", "-s", "-m", "1", *options, url).stdout


def resolves(cloud: RunningCloud, name: str) -> str:
    """The address that the router's DNS gives vm01 for that name."""
    return cloud.run("vm01", "getent", "ahostsv4", name).stdout.partition(" ")[0]


def assert_served(cloud: RunningCloud) -> None:
    assert resolves(cloud, "vm02.cs2cloud.internal") == "192.0.2.102"
    assert resolves(cloud, "data-server") == ROUTER
    assert curl(cloud, "vm01", METADATA) == VM


async def test_tenants_are_reached_directly_and_leave_by_their_own_address(cloud: RunningCloud) -> None:
    given = cloud.info["ssh"]
    async with asyncssh.connect(
        VM,
        sock=client.connect(cloud.state, VM, 22),
        username=given["user"],
        client_keys=[given["key"]],
        known_hosts=given["known_hosts"],
        config=None,
    ) as connection:
        done = await connection.run("echo $SSH_CONNECTION")
    source, _, address, port = str(done.stdout).split()
    assert (source, address, port) == ("203.0.113.10", VM, "22")
    assert cloud.run("vm01", "ping", "-c", "1", "-W", "1", "203.0.113.10").returncode == 0
    first_hop = cloud.run("vm01", "busybox", "traceroute", "-n", "-q", "1", "-m", "1", "203.0.113.10").stdout
    assert "192.0.2.1 " in first_hop.splitlines()[-1]


def test_the_router_gives_leases_names_metadata_and_passwords(cloud: RunningCloud) -> None:
    script = "printf '#!/bin/sh\\necho \"$1 $ip $router $dns\"\\n' > /tmp/said; chmod +x /tmp/said;"
    lease = cloud.run("vm01", "sh", "-c", f"{script} busybox udhcpc -f -q -n -t 3 -i eth0 -s /tmp/said").stdout
    assert f"bound {VM} 192.0.2.1 {ROUTER}" in lease
    assert_served(cloud)
    password = curl(cloud, "vm02", f"http://{ROUTER}:8080/", "-H", "DomU_Request: send_my_password")
    assert password == "first-vm02"


def test_the_router_forwards_nothing_and_serves_nobody_else(cloud: RunningCloud) -> None:
    (router,) = cloud.routers()
    assert cloud.run(router["name"], "cat", "/proc/sys/net/ipv4/ip_forward").stdout == "0\n"
    assert set(cloud.run(router["name"], "ps", "-e", "-o", "comm=").stdout.split()) >= {"dnsmasq"}
    assert "haproxy" not in cloud.run(router["name"], "ps", "-e", "-o", "comm=").stdout
    assert "NAT" not in cloud.run(router["name"], "iptables-save", "-t", "nat").stdout.replace("*nat", "")
    assert cloud.run("outside", "ping", "-c", "1", "-W", "1", ROUTER).returncode == 0
    assert curl(cloud, "outside", METADATA) == ""


def test_the_api_shows_a_shared_network_and_a_router_without_public_address(cloud: RunningCloud) -> None:
    _, found = cloud.api("listNetworks", listall="true", type="Shared", acltype="Domain")
    (network,) = found["network"]
    assert (network["gateway"], network["cidr"]) == ("192.0.2.1", "192.0.2.0/24")
    assert {service["name"] for service in network["service"]} == {"Dhcp", "Dns", "UserData"}
    assert cloud.api("listNetworks", listall="true", type="Isolated")[1] == {}
    (router,) = cloud.routers()
    assert (router["role"], router["guestipaddress"]) == ("VIRTUAL_ROUTER", ROUTER)
    assert "publicip" not in router
    assert [nic["traffictype"] for nic in router["nic"]] == ["Guest", "Control"]
    assert [nic["isdefault"] for nic in router["nic"]] == [True, False]
    assert cloud.api("associateIpAddress", networkid=network["id"])[0] == 431
    _, checked = cloud.api("getRouterHealthCheckResults", routerid=router["id"], performfreshchecks="true")
    checks = checked["routerhealthchecks"]["healthchecks"]
    assert [check["checkname"] for check in checks if not check["success"]] == []
    assert "loadbalancing.service" not in {check["checkname"] for check in checks}


@pytest.mark.parametrize(("path", "hit"), [("dns", "names"), ("metadata", "metadata"), ("egress", "ping")])
def test_a_break_hits_what_it_names(cloud: RunningCloud, path: str, hit: str) -> None:
    """Asked while the outage lasts; it must last longer than the three questions need, and end."""
    code = (
        "import socket,subprocess,sys\n"
        "def ok(*words): return subprocess.run(words,stdout=-3,stderr=-3).returncode==0\n"
        f"names=ok('busybox','timeout','1','busybox','nslookup','vm02.cs2cloud.internal','{ROUTER}')\n"
        f"metadata=ok('curl','-s','-f','-m','1','{METADATA}')\n"
        "ping=ok('ping','-c','1','-W','1','203.0.113.10')\n"
        "print(*(n for n,good in (('names',names),('metadata',metadata),('ping',ping)) if not good))\n"
    )
    words = [*LAB, "--state", str(cloud.state), "break", path, "--ms", "2500"]
    breaking = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment())
    seen: set[str] = set()
    while breaking.poll() is None:
        seen |= set(cloud.run("vm01", "python3", "-c", code).stdout.split())
    assert seen == {hit}
    assert json.loads(breaking.communicate()[0])["path"] == path
    assert cloud.run("vm01", "python3", "-c", code).stdout == "\n"


@pytest.mark.parametrize("flags", [{"cleanup": "true"}, {"cleanup": "false"}, {"livepatch": "true"}])
def test_a_restart_leaves_the_services_at_the_same_address(cloud: RunningCloud, flags: dict[str, str]) -> None:
    (before,) = cloud.routers()
    job = cloud.wait_for_job(cloud.api("restartNetwork", id=cloud.network()["id"], **{"cleanup": "false", **flags})[1])
    assert job["jobstatus"] == 1
    (after,) = cloud.routers()
    assert (after["id"] != before["id"]) == (flags.get("cleanup") == "true")
    assert after["guestipaddress"] == ROUTER
    assert_served(cloud)


def test_a_shared_network_has_no_redundant_routers(cloud: RunningCloud) -> None:
    _, reply = cloud.api("restartNetwork", id=cloud.network()["id"], makeredundant="true")
    assert cloud.wait_for_job(reply)["jobresult"]["errorcode"] == 431
