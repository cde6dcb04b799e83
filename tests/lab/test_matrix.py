# SPDX-License-Identifier: Apache-2.0
"""Every operation on every topology in every release: afterwards each service answers plain tools again.

`make test` runs each topology, each release and each operation at least once; `make test-full` all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.support import RunningCloud, running_cloud

pytestmark = pytest.mark.lab
BACK_S = 60.0
"""Longer than three advertisements and a skew of VRRP, and than the 45 s that a tenant keeps a silent IPv6 router."""

Operation = Callable[[RunningCloud], None]


def succeed(cloud: RunningCloud, command: str, **parameters: str) -> None:
    status, reply = cloud.api(command, **parameters)
    assert status == 200, reply
    job = cloud.wait_for_job(reply)
    assert job["jobstatus"] == 1, job


def restart(**flags: str) -> Operation:
    """restartVPC where there is one, else restartNetwork."""

    def operate(cloud: RunningCloud) -> None:
        if cloud.info["topology"] == "vpc":
            vpc = cloud.api("listVPCs", listall="true")[1]["vpc"][0]["id"]
            succeed(cloud, "restartVPC", id=vpc, **{"makeredundant": "false", **flags})
        else:
            succeed(cloud, "restartNetwork", id=cloud.network()["id"], **flags)

    return operate


def routers(*commands: str) -> Operation:
    """Each of these commands on every router."""

    def operate(cloud: RunningCloud) -> None:
        for command in commands:
            for router in cloud.routers():
                succeed(cloud, command, id=router["id"])

    return operate


def replaced(cloud: RunningCloud) -> None:
    """destroyRouter of the only one, and the restart that makes another."""
    routers("destroyRouter")(cloud)
    assert cloud.routers() == []
    restart(cleanup="true")(cloud)


OPERATIONS: dict[str, Operation] = {
    "cleanup": restart(cleanup="true"),
    "re-apply": restart(cleanup="false"),
    "live patch": restart(cleanup="false", livepatch="true"),
    "make redundant": restart(makeredundant="true"),
    "reboot": routers("rebootRouter"),
    "stop and start": routers("stopRouter", "startRouter"),
    "destroy": replaced,
}
PROFILES = ("4.9", "4.11.1", "4.17", "4.22")
TOPOLOGIES = ("isolated", "redundant", "vpc", "shared", "ipv6")


@dataclass(frozen=True, slots=True)
class Cell:
    topology: str
    profile: str
    operation: str

    @property
    def possible(self) -> bool:
        """Whether the release knows it, and such a network takes it."""
        if self.operation == "make redundant":
            return self.topology == "isolated" and self.profile != "4.9"
        if self.operation == "live patch" and self.profile in ("4.9", "4.11.1"):
            return False
        return self.topology != "ipv6" or self.profile in ("4.17", "4.22")


SMOKE = {
    Cell("isolated", "4.22", "reboot"),
    Cell("isolated", "4.22", "destroy"),
    Cell("isolated", "4.22", "make redundant"),
    Cell("isolated", "4.9", "cleanup"),
    Cell("isolated", "4.9", "stop and start"),
    Cell("vpc", "4.17", "live patch"),
    Cell("vpc", "4.17", "cleanup"),
    Cell("shared", "4.11.1", "cleanup"),
    Cell("shared", "4.11.1", "re-apply"),
}
CELLS = [
    pytest.param(cell, id=f"{cell.topology}-{cell.profile}-{cell.operation}", marks=[] if smoke else pytest.mark.slow)
    for topology in TOPOLOGIES
    for profile in PROFILES
    for operation in OPERATIONS
    if (cell := Cell(topology, profile, operation)).possible
    for smoke in [cell in SMOKE]
]


class Clouds:
    """The cloud of the last cell, as long as the next one wants the same."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._wanted: tuple[str, str] | None = None
        self._running: Iterator[RunningCloud] | None = None
        self._cloud: RunningCloud | None = None

    def get(self, cell: Cell) -> RunningCloud:
        wanted = (cell.topology, cell.profile)
        if self._cloud is None or self._wanted != wanted:
            self.close()
            self._running = self._up(*wanted)
            self._cloud, self._wanted = next(self._running), wanted
        return self._cloud

    def close(self) -> None:
        if self._running is not None:
            next(self._running, None)
        self._running = self._cloud = None

    def _up(self, topology: str, profile: str) -> Iterator[RunningCloud]:
        few = ("--vms", "4", "--scale", "0.01", "--topology", topology, "--profile", profile)
        with running_cloud(self._directory / "lab", *few) as cloud:
            yield cloud


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    made = Clouds(tmp_path_factory.mktemp("matrix"))
    yield made
    made.close()


TENANT = """
ping -n -c 1 -W 1 203.0.113.10 >/dev/null || echo egress
getent hosts vm02.cs2cloud.internal >/dev/null || echo dns
curl -s -m 1 http://data-server.cs2cloud.internal/latest/meta-data/local-hostname | grep -q vm01 || echo metadata
"""
SIX = "ping -6 -n -c 1 -W 1 2001:db8:f1::10 >/dev/null || echo egress6\n"
FORWARDED = """
ssh-keyscan -T 1 198.51.100.11 2>/dev/null | grep -q ssh || echo forwarding
ssh-keyscan -T 1 198.51.100.31 2>/dev/null | grep -q ssh || echo static NAT
curl -s -m 1 http://198.51.100.30/ | grep -q vm || echo balancer
"""
DIRECT = "ssh-keyscan -T 1 192.0.2.101 2>/dev/null | grep -q ssh || echo ssh\n"


def silent(cloud: RunningCloud) -> str:
    """The services that do not answer, one per line."""
    topology = cloud.info["topology"]
    inside = cloud.run("vm01", "sh", "-c", TENANT + (SIX if topology == "ipv6" else "")).stdout
    return inside + cloud.run("outside", "sh", "-c", DIRECT if topology == "shared" else FORWARDED).stdout


def everything_answers(cloud: RunningCloud) -> None:
    limit = time.monotonic() + BACK_S
    while missing := silent(cloud):
        assert time.monotonic() < limit, missing


@pytest.mark.parametrize("cell", CELLS)
def test_every_service_is_back_after(cell: Cell, clouds: Clouds) -> None:
    cloud = clouds.get(cell)
    everything_answers(cloud)
    before = {router["name"] for router in cloud.routers()}
    OPERATIONS[cell.operation](cloud)
    everything_answers(cloud)
    after = {router["name"] for router in cloud.routers()}
    assert {router["state"] for router in cloud.routers()} == {"Running"}
    if cell.operation in ("cleanup", "make redundant", "destroy"):
        assert not before & after
    else:
        assert before == after
    if cell.operation == "make redundant":
        assert len(after) == 2
        OPERATIONS[cell.operation](cloud)
        assert {router["name"] for router in cloud.routers()} == after  # it is redundant already
        clouds.close()  # the next cell wants an ordinary network


def test_make_test_has_each_of_them_once() -> None:
    for attribute, everything in (
        ("topology", {"isolated", "vpc", "shared"}),  # the others have smoke tests of their own
        ("profile", set(PROFILES)),
        ("operation", set(OPERATIONS)),
    ):
        assert {getattr(cell, attribute) for cell in SMOKE} == everything
