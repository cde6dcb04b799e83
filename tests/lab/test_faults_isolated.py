# SPDX-License-Identifier: Apache-2.0
"""Faults of routers and tenants of an isolated network: what they do, and that all is well after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.lab.fault_support import Announced, Frame, fault, host_key, names, owners, pings
from tests.lab.support import RunningCloud, running_cloud
from tests.lab.test_services import METADATA, WEB, curl

pytestmark = pytest.mark.lab

GATEWAY, FIRST, UPSTREAM = "10.1.1.1", "198.51.100.11", "198.51.100.1"
REQUEST, REPLY = 1, 2


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("f") / "lab", "--scale", "0", "--vms", "3") as running:
        yield running


def rules(cloud: RunningCloud) -> bool:
    return bool(host_key(cloud, FIRST))


def balancer(cloud: RunningCloud) -> bool:
    return curl(cloud, "outside", WEB)[0] == "200"


def lease(cloud: RunningCloud) -> bool:
    words = ("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "1", "-T", "1", "-s", "/bin/true")
    return cloud.run("vm02", *words).returncode == 0


def keys(cloud: RunningCloud) -> bool:
    status, body = curl(cloud, "vm01", f"{METADATA}meta-data/public-keys")
    assert status == "200"
    return body.startswith("ssh-")


def passwords(cloud: RunningCloud) -> bool:
    return curl(cloud, "vm01", f"http://{GATEWAY}:8080/", "-H", "DomU_Request: send_my_password")[0] == "200"


CHECKS: dict[str, Callable[[RunningCloud], bool]] = {
    "address-rules-missing": rules,
    "tier-balancer-lost": balancer,
    "leases-lost": lease,
    "metadata-changed": keys,
    "password-server-dead": passwords,
}


SMOKE = "address-rules-missing"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == SMOKE else pytest.mark.slow) for name in CHECKS]
)
def test_a_new_router_lacks_one_thing_until_the_next_one(cloud: RunningCloud, name: str) -> None:
    with fault(cloud, name):
        assert CHECKS[name](cloud)  # the router that runs is not concerned
        assert cloud.restart(cleanup=True)["jobstatus"] == 1
        assert {each for each, check in CHECKS.items() if not check(cloud)} == {name}
        assert host_key(cloud, "198.51.100.12")
        assert pings(cloud, "vm02", "203.0.113.10")
    assert cloud.restart(cleanup=True)["jobstatus"] == 1
    assert CHECKS[name](cloud)


OWN_INSIDE, OWN_PUBLIC = {(REQUEST, GATEWAY, GATEWAY)}, {(REQUEST, FIRST, FIRST)}


@pytest.mark.parametrize(
    ("name", "inside", "public"),
    [
        pytest.param("no-garp", set(), set(), marks=pytest.mark.slow),
        pytest.param("no-garp-inside", set(), OWN_PUBLIC, marks=pytest.mark.slow),
        pytest.param("no-garp-public", OWN_INSIDE, set(), marks=pytest.mark.slow),
        ("real-arping", {(REPLY, GATEWAY, GATEWAY)}, {(REPLY, FIRST, UPSTREAM)}),
    ],
)
def test_what_a_new_router_announces(cloud: RunningCloud, name: str, inside: set[Frame], public: set[Frame]) -> None:
    with fault(cloud, name), Announced(cloud, "vm03") as guest, Announced(cloud, "gateway") as provider:
        assert cloud.restart(cleanup=True)["jobstatus"] == 1
    assert (guest.of(GATEWAY), provider.of(FIRST)) == (inside, public)
    with Announced(cloud, "vm03") as guest, Announced(cloud, "gateway") as provider:
        assert cloud.restart(cleanup=True)["jobstatus"] == 1
    assert (guest.of(GATEWAY), provider.of(FIRST)) == (OWN_INSIDE, OWN_PUBLIC)


def test_a_router_that_never_starts_leaves_the_old_one_serving(cloud: RunningCloud) -> None:
    (old,) = cloud.routers()
    with fault(cloud, "router-never-starts"):
        job = cloud.restart(cleanup=True)
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
    states = {router["name"]: router["state"] for router in cloud.routers()}
    assert states.pop(old["name"]) == "Running"
    assert list(states.values()) == ["Stopped"]
    assert "3922" in cloud.api("listAlerts", type="9")[1]["alert"][0]["description"]
    assert owners(cloud, "vm01", GATEWAY) == {old["guestmacaddress"]}
    assert balancer(cloud)
    assert cloud.restart(cleanup=True)["jobstatus"] == 1
    assert [router["state"] for router in cloud.routers()] == ["Running"]


def test_an_old_router_that_stays_answers_beside_the_new_one(cloud: RunningCloud) -> None:
    (old,) = cloud.routers()
    with fault(cloud, "duplicate-routers"):
        assert cloud.restart(cleanup=True)["jobstatus"] == 1
    both = cloud.routers()
    assert [router["state"] for router in both] == ["Running", "Running"]
    macs = {router["guestmacaddress"] for router in both}
    assert old["guestmacaddress"] in macs
    assert owners(cloud, "vm01", GATEWAY) == macs
    assert cloud.restart(cleanup=True)["jobstatus"] == 1
    (new,) = cloud.routers()
    assert owners(cloud, "vm01", GATEWAY) == {new["guestmacaddress"]}


def test_health_checks_that_tell_the_opposite(cloud: RunningCloud) -> None:
    (router,) = cloud.routers()

    def failing() -> set[str]:
        _, reply = cloud.api("getRouterHealthCheckResults", routerid=router["id"], performfreshchecks="true")
        return {row["checkname"] for row in reply["routerhealthchecks"]["healthchecks"] if not row["success"]}

    assert failing() == set()
    with fault(cloud, "health-checks-wrong"):
        disputed = failing()
        assert disputed == {"dhcp.service", "dhcp_check.py", "loadbalancing.service", "haproxy_check.py"}
        assert (balancer(cloud), lease(cloud)) == (True, True)
        cloud.run(router["name"], "pkill", "-x", "haproxy")
        assert not balancer(cloud)
        assert failing() == disputed - {"loadbalancing.service"}
    assert failing() == {"loadbalancing.service"}
    assert cloud.restart(cleanup=True)["jobstatus"] == 1
    assert balancer(cloud)


def test_a_router_that_hangs_keeps_its_carrier_and_passes_nothing(cloud: RunningCloud) -> None:
    (router,) = cloud.routers()
    with fault(cloud, "router-hangs"):
        assert not pings(cloud, "vm01", GATEWAY)
        assert not pings(cloud, "outside", FIRST)
        assert "LOWER_UP" in cloud.run(router["name"], "ip", "link", "show", "dev", "eth0").stdout
        assert cloud.restart(cleanup=False)["jobstatus"] == 2  # the management server does not reach it either
    assert pings(cloud, "vm01", "203.0.113.10")
    assert host_key(cloud, FIRST)
    with fault(cloud, "router-hangs"):
        assert cloud.restart(cleanup=True)["jobstatus"] == 1
        assert pings(cloud, "vm01", GATEWAY)  # another router does not hang
    assert cloud.restart(cleanup=False)["jobstatus"] == 1


@pytest.mark.slow
def test_a_frozen_router_forwards_and_serves_nobody(cloud: RunningCloud) -> None:
    with fault(cloud, "router-frozen"):
        assert pings(cloud, "vm01", "203.0.113.10")
        assert host_key(cloud, FIRST)
        assert not names(cloud, "vm01")
        assert not balancer(cloud)
        status, reply = cloud.api(
            "getRouterHealthCheckResults", routerid=cloud.routers()[0]["id"], performfreshchecks="true"
        )
        assert (status, reply["errorcode"]) == (530, 530)
    assert names(cloud, "vm01")
    assert balancer(cloud)
    assert cloud.restart(cleanup=True)["jobstatus"] == 1


def test_a_tenant_reboots_with_its_address_and_its_keys(cloud: RunningCloud) -> None:
    before = host_key(cloud, "198.51.100.31"), cloud.run("vm03", "cat", "/sys/class/net/eth0/address").stdout
    cloud.run("vm03", "touch", "/run/home/ops/left")
    assert cloud.lab("fault", "tenant-reboots").returncode == 0
    assert cloud.run("vm03", "test", "-e", "/run/home/ops/left").returncode == 1
    assert (
        host_key(cloud, "198.51.100.31"),
        cloud.run("vm03", "cat", "/sys/class/net/eth0/address").stdout,
    ) == before
    assert all(before)
    assert "off  tenant-reboots" in cloud.lab("fault").stdout
    assert curl(cloud, "vm01", "http://10.1.1.103:8000/") == ("200", "vm03\n")


def test_without_a_pair_nothing_can_be_split(cloud: RunningCloud) -> None:
    done = cloud.lab("fault", "both-primary")
    assert done.returncode == 1
    assert "there is no redundant pair" in done.stderr
    assert "off  both-primary" in cloud.lab("fault").stdout
