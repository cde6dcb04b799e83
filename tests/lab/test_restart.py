# SPDX-License-Identifier: Apache-2.0
"""What a restart does to packets, to the rows and to the events, in the releases that differ."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.lab.support import LAB, RunningCloud, environment, running_cloud

pytestmark = pytest.mark.lab

SCALE = 0.04
BOOT_S = 30 * SCALE


@pytest.fixture(scope="module")
def rolling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    state = tmp_path_factory.mktemp("r") / "lab"
    with running_cloud(state, "--scale", str(SCALE), "--vms", "3", "--profile", "4.22") as running:
        yield running


@pytest.fixture(scope="module")
def destroy_first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    state = tmp_path_factory.mktemp("d") / "lab"
    with running_cloud(state, "--scale", str(SCALE), "--vms", "3", "--profile", "4.9") as running:
        yield running


class Pinging:
    """`ping` at 50 Hz from a host during a with block; `longest_s` is the longest time without a reply."""

    def __init__(self, cloud: RunningCloud, host: str, target: str) -> None:
        self._words = [*LAB, "--state", str(cloud.state), "exec", host, "--", "ping", "-n", "-D", "-i", "0.02", target]
        self.longest_s = 0.0

    def __enter__(self) -> Pinging:
        self._process = subprocess.Popen(self._words, stdout=subprocess.PIPE, text=True, env=environment())
        assert self._process.stdout
        while "icmp_seq=5 " not in self._process.stdout.readline():
            pass
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        output, _error = self._process.communicate()
        answered = [float(stamp) for stamp in re.findall(r"^\[([\d.]+)\] \d+ bytes from", output, re.MULTILINE)]
        self.longest_s = max(later - sooner for sooner, later in pairwise(answered))


def event_kinds(cloud: RunningCloud) -> list[tuple[str, str, str]]:
    events = cloud.api("listEvents", listall="true")[1]["event"]
    newest = next(event for event in events if event["state"] == "Scheduled")
    family = [event for event in events if newest["id"] in (event["id"], event.get("parentid"))]
    return [(event["type"], event["state"], event["level"]) for event in reversed(family)]


RESTART_EVENTS = [
    ("NETWORK.RESTART", "Scheduled", "INFO"),
    ("NETWORK.RESTART", "Started", "INFO"),
    ("ROUTER.STOP", "Started", "INFO"),
    ("ROUTER.STOP", "Completed", "INFO"),
    ("NETWORK.RESTART", "Completed", "INFO"),
]


def test_rolling_puts_a_new_router_beside_the_old_one(rolling: RunningCloud) -> None:
    (old,) = rolling.routers()
    with Pinging(rolling, "vm01", "10.1.1.1") as gateway, Pinging(rolling, "outside", "198.51.100.12") as outside:
        job = rolling.restart(cleanup=True)
    assert (job["jobstatus"], job["jobresult"]) == (1, {"success": True})
    (new,) = rolling.routers()
    assert new["id"] != old["id"]
    assert int(new["name"].split("-")[1]) == int(old["name"].split("-")[1]) + 1
    assert new["guestmacaddress"] != old["guestmacaddress"]
    assert new["publicmacaddress"] == old["publicmacaddress"]
    assert event_kinds(rolling) == RESTART_EVENTS
    assert gateway.longest_s < 0.2  # one of the two always answers
    assert outside.longest_s < BOOT_S / 2
    assert rolling.run("vm01", "ping", "-c", "1", "-W", "1", "203.0.113.10").returncode == 0
    assert rolling.banner("198.51.100.13").startswith(b"SSH-2.0-")
    assert rolling.network()["restartrequired"] is False


def test_destroy_first_is_down_for_the_whole_boot(destroy_first: RunningCloud) -> None:
    (old,) = destroy_first.routers()
    with (
        Pinging(destroy_first, "vm01", "10.1.1.1") as gateway,
        Pinging(destroy_first, "outside", "198.51.100.12") as out,
    ):
        job = destroy_first.restart(cleanup=True)
        while destroy_first.run("outside", "ping", "-c", "1", "-W", "1", "198.51.100.12").returncode:
            pass
    assert job["jobstatus"] == 1
    (new,) = destroy_first.routers()
    assert new["name"] != old["name"]
    assert new["publicmacaddress"] == old["publicmacaddress"]
    assert event_kinds(destroy_first) == RESTART_EVENTS
    assert gateway.longest_s > BOOT_S
    assert out.longest_s > BOOT_S
    assert "completed" not in job


def test_without_cleanup_the_router_stays(rolling: RunningCloud) -> None:
    (old,) = rolling.routers()
    with Pinging(rolling, "vm02", "203.0.113.10") as egress:
        assert rolling.restart(cleanup=False)["jobstatus"] == 1
    assert [router["id"] for router in rolling.routers()] == [old["id"]]
    assert egress.longest_s < 0.2  # a flow that lives passes while the egress chain is empty
    assert ("ROUTER.STOP", "Started", "INFO") not in event_kinds(rolling)


def test_reboot_keeps_the_row(rolling: RunningCloud) -> None:
    (old,) = rolling.routers()
    _, reply = rolling.api("rebootRouter", id=old["id"])
    job = rolling.wait_for_job(reply)
    assert job["jobresult"]["router"]["id"] == old["id"]
    assert job["jobresult"]["router"]["state"] == "Running"
    assert [kind for kind, _, _ in event_kinds(rolling)] == ["ROUTER.REBOOT"] * 3
    assert rolling.run("vm01", "ping", "-c", "1", "-W", "1", "203.0.113.10").returncode == 0


def test_a_router_that_never_configures_leaves_the_old_one_in_place(rolling: RunningCloud) -> None:
    (old,) = rolling.routers()
    rolling.lab("fault", "restart-fails")
    job = rolling.restart(cleanup=True)
    rolling.lab("fault", "restart-fails", "--off")
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
    assert job["jobresult"]["errortext"] == "Failed to restart network"
    states = {router["id"]: router["state"] for router in rolling.routers()}
    assert states.pop(old["id"]) == "Running"
    assert list(states.values()) == ["Stopped"]
    assert rolling.network()["restartrequired"] is True
    assert event_kinds(rolling)[-1] == ("NETWORK.RESTART", "Completed", "INFO")  # the event lies, as in the field
    assert rolling.api("listAlerts", type="9")[1]["alert"][0]["name"] == "ALERT.SERVICE.DOMAINROUTER"
    assert rolling.run("outside", "ping", "-c", "2", "-i", "0.2", "-W", "1", "198.51.100.12").returncode == 0
    assert rolling.restart(cleanup=True)["jobstatus"] == 1  # and the leftover is expendable
    assert [router["state"] for router in rolling.routers()] == ["Running"]


def test_without_announcements_a_neighbour_keeps_the_old_address(destroy_first: RunningCloud) -> None:
    def entry() -> str:
        return destroy_first.run("vm03", "ip", "neigh", "show", "10.1.1.1").stdout

    # haproxy's checks make the new router ask for its tenants, and that tells every neighbour the new address
    (rule,) = destroy_first.api("listLoadBalancerRules", listall="true")[1]["loadbalancerrule"]
    destroy_first.wait_for_job(destroy_first.api("deleteLoadBalancerRule", id=rule["id"])[1])
    destroy_first.run("vm03", "ping", "-c", "1", "-W", "1", "10.1.1.1")
    old = destroy_first.routers()[0]["guestmacaddress"]
    destroy_first.lab("fault", "no-garp")
    assert destroy_first.restart(cleanup=True)["jobstatus"] == 1
    assert old in entry()
    destroy_first.lab("fault", "no-garp", "--off")
    assert destroy_first.restart(cleanup=True)["jobstatus"] == 1
    assert destroy_first.routers()[0]["guestmacaddress"] in entry()


def test_keys_and_addresses_are_the_same_at_the_next_start(tmp_path: Path) -> None:
    seen = []
    for _ in range(2):
        with running_cloud(tmp_path / "lab", "--scale", "0", "--vms", "2") as cloud:
            known = Path(cloud.info["ssh"]["known_hosts"]).read_text()
            macs = [
                vm["nic"][0]["macaddress"]
                for vm in cloud.api("listVirtualMachines", listall="true")[1]["virtualmachine"]
            ]
            seen.append((known, macs, cloud.info["key"], cloud.info["secret"]))
    assert seen[0] == seen[1]
