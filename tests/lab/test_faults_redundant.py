# SPDX-License-Identifier: Apache-2.0
"""Faults of a redundant pair: who answers for the gateway, and what the tenants believe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.lab.fault_support import fault, owners, pings
from tests.lab.support import RunningCloud, running_cloud

pytestmark = pytest.mark.lab

GATEWAY = "10.1.1.1"
_LIMIT_S = 30.0


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    options = ("--topology", "redundant", "--scale", "0", "--vms", "4")
    with running_cloud(tmp_path_factory.mktemp("p") / "lab", *options) as running:
        until(lambda: sorted(states(running)) == ["BACKUP", "PRIMARY"], "no pair")
        yield running


def states(cloud: RunningCloud) -> list[str]:
    return [router["redundantstate"] for router in cloud.routers()]


def until(condition: Callable[[], bool], what: str) -> None:
    limit = time.monotonic() + _LIMIT_S
    while not condition():  # each look starts a program or asks the API
        assert time.monotonic() < limit, what


def primary(cloud: RunningCloud) -> str:
    """The guest MAC of the one PRIMARY."""
    (mac,) = [router["guestmacaddress"] for router in cloud.routers() if router["redundantstate"] == "PRIMARY"]
    return str(mac)


def test_both_routers_are_primary_until_they_hear_each_other(cloud: RunningCloud) -> None:
    macs = {router["guestmacaddress"] for router in cloud.routers()}
    assert len(owners(cloud, "vm01", GATEWAY)) == 1
    with fault(cloud, "both-primary"):
        until(lambda: owners(cloud, "vm01", GATEWAY) == macs, "one owner")
        until(lambda: states(cloud) == ["PRIMARY", "PRIMARY"], "one PRIMARY")
        texts = [alert["description"] for alert in cloud.api("listAlerts", type="9")[1]["alert"]]
        assert any("More than one redundant virtual router is in PRIMARY state" in text for text in texts)
    until(lambda: len(owners(cloud, "vm01", GATEWAY)) == 1, "two owners")
    until(lambda: sorted(states(cloud)) == ["BACKUP", "PRIMARY"], "two PRIMARY")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["no-garp", "no-garp-inside"])
def test_without_keepaliveds_announcements_a_tenant_keeps_the_old_router(cloud: RunningCloud, name: str) -> None:
    """vm04 is behind no load balancer rule: no router asks for it, which would tell it the new address."""
    old = primary(cloud)
    pings(cloud, "vm04", GATEWAY)
    with fault(cloud, name):
        stop_primary(cloud)
        new = primary(cloud)
        assert new != old
        assert old in cloud.run("vm04", "ip", "neigh", "show", GATEWAY).stdout
    start_stopped(cloud)
    cloud.run("vm04", "ip", "neigh", "flush", "dev", "eth0")
    assert pings(cloud, "vm04", GATEWAY)
    stop_primary(cloud)
    until(lambda: primary(cloud) in cloud.run("vm04", "ip", "neigh", "show", GATEWAY).stdout, "not announced")
    start_stopped(cloud)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["router-hangs", "router-frozen"])
def test_the_backup_takes_over_from_a_router_that_hangs(cloud: RunningCloud, name: str) -> None:
    old = primary(cloud)
    with fault(cloud, name):
        until(lambda: bool(owners(cloud, "vm01", GATEWAY) - {old}), "nobody takes over")
        until(lambda: pings(cloud, "vm01", "203.0.113.10"), "nobody forwards")
    until(lambda: len(owners(cloud, "vm01", GATEWAY)) == 1, "two owners")
    until(lambda: sorted(states(cloud)) == ["BACKUP", "PRIMARY"], "no pair")
    until(lambda: pings(cloud, "vm01", "203.0.113.10"), "nobody forwards")


def stop_primary(cloud: RunningCloud) -> None:
    (router,) = [row for row in cloud.routers() if row["redundantstate"] == "PRIMARY"]
    assert cloud.wait_for_job(cloud.api("stopRouter", id=router["id"], forced="true")[1])["jobstatus"] == 1
    until(
        lambda: [row["id"] != router["id"] for row in cloud.routers() if row["redundantstate"] == "PRIMARY"] == [True],
        "nobody takes over",  # what was polled before the stop is shown for a while
    )


def start_stopped(cloud: RunningCloud) -> None:
    (router,) = [row for row in cloud.routers() if row["state"] == "Stopped"]
    assert cloud.wait_for_job(cloud.api("startRouter", id=router["id"])[1])["jobstatus"] == 1
    until(lambda: sorted(states(cloud)) == ["BACKUP", "PRIMARY"], "no pair")
