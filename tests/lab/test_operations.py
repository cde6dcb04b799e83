# SPDX-License-Identifier: Apache-2.0
"""What is done to a router and to the management server, seen in packets, processes and rows of a real cloud."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.lab.support import LAB, RunningCloud, descendants, environment, namespaces_of, running_cloud

pytestmark = pytest.mark.lab

SCALE = 0.012
EVENTS = {
    "ROUTER.STOP": ["Scheduled", "Started", "Completed"],
    "ROUTER.START": ["Scheduled", "Started", "Completed"],
    "ROUTER.REBOOT": ["Scheduled", "Started", "Completed"],
    "ROUTER.DESTROY": ["Scheduled"],
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    state = tmp_path_factory.mktemp("o") / "lab"
    with running_cloud(state, "--scale", str(SCALE), "--vms", "2", "--profile", "4.22") as running:
        yield running


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    state = tmp_path_factory.mktemp("u") / "lab"
    with running_cloud(state, "--scale", str(SCALE), "--vms", "2", "--profile", "4.17") as running:
        yield running


def pings(cloud: RunningCloud, target: str = "10.1.1.1", host: str = "vm01") -> bool:
    return cloud.run(host, "ping", "-n", "-c", "1", "-W", "1", target).returncode == 0


def states_until(cloud: RunningCloud, reply: dict[str, str]) -> tuple[dict[str, object], list[str]]:
    """Follow a job; its row, and the router states that listRouters showed meanwhile."""
    seen: list[str] = []
    while True:
        rows = cloud.routers()
        if rows and (not seen or rows[0]["state"] != seen[-1]):
            seen.append(rows[0]["state"])
        _, job = cloud.api("queryAsyncJobResult", jobid=reply["jobid"])
        if job["jobstatus"]:
            return job, seen
        time.sleep(0.01)


def newest(cloud: RunningCloud, kind: str) -> list[str]:
    """States of the newest family of events of that type, oldest first."""
    events = [
        event for event in cloud.api("listEvents", listall="true", type=kind)[1]["event"] if "parentid" not in event
    ]
    first = events[0]["id"]
    family = cloud.api("listEvents", listall="true", startid=first)[1]["event"]
    return [event["state"] for event in reversed(family)]


@pytest.mark.parametrize("forced", ["true", "false"])
def test_stop_and_start(cloud: RunningCloud, forced: str) -> None:
    (before,) = cloud.routers()
    _, reply = cloud.api("stopRouter", id=before["id"], forced=forced)
    job, seen = states_until(cloud, reply)
    assert job["jobstatus"] == 1
    assert job["jobresult"]["router"]["state"] == "Stopped"  # type: ignore[index]
    assert "Stopping" in seen
    assert not pings(cloud)
    assert cloud.run(before["name"], "true").returncode != 0  # the machine is gone
    assert newest(cloud, "ROUTER.STOP") == EVENTS["ROUTER.STOP"]
    (stopped,) = cloud.routers()
    assert stopped["id"] == before["id"]
    assert "hostid" not in stopped
    _, reply = cloud.api("startRouter", id=before["id"])
    job, seen = states_until(cloud, reply)
    assert job["jobresult"]["router"]["state"] == "Running"  # type: ignore[index]
    assert "Starting" in seen
    assert pings(cloud, "203.0.113.10")
    assert cloud.banner("198.51.100.12").startswith(b"SSH-2.0-")
    assert newest(cloud, "ROUTER.START") == EVENTS["ROUTER.START"]


def test_an_unforced_stop_ends_the_services_before_the_machine(cloud: RunningCloud) -> None:
    (router,) = cloud.routers()
    name = router["name"]
    script = "pgrep -x dnsmasq >/dev/null; echo $?; while pgrep -x dnsmasq >/dev/null; do sleep 0.01; done; echo ended"
    words = [*LAB, "--state", str(cloud.state), "exec", name, "--", "sh", "-c", f"trap '' TERM; {script}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment()) as watching:
        assert watching.stdout
        assert watching.stdout.readline() == "0\n"
        _, reply = cloud.api("stopRouter", id=router["id"], forced="false")
        assert watching.stdout.readline() == "ended\n"
    assert cloud.wait_for_job(reply)["jobstatus"] == 1
    assert cloud.wait_for_job(cloud.api("startRouter", id=router["id"])[1])["jobstatus"] == 1


def test_a_forced_reboot_keeps_the_row_and_the_addresses(cloud: RunningCloud) -> None:
    (before,) = cloud.routers()
    job, seen = states_until(cloud, cloud.api("rebootRouter", id=before["id"], forced="true")[1])
    assert job["jobstatus"] == 1
    assert {"Stopping", "Starting"} <= set(seen)
    (after,) = cloud.routers()
    assert [after[name] for name in ("id", "guestmacaddress", "publicmacaddress")] == [
        before[name] for name in ("id", "guestmacaddress", "publicmacaddress")
    ]
    assert newest(cloud, "ROUTER.REBOOT") == EVENTS["ROUTER.REBOOT"]
    assert pings(cloud, "203.0.113.10")


def test_a_stopped_router_cannot_be_rebooted_and_no_capacity_is_told(cloud: RunningCloud) -> None:
    (router,) = cloud.routers()
    assert cloud.wait_for_job(cloud.api("stopRouter", id=router["id"], forced="true")[1])["jobstatus"] == 1
    assert cloud.wait_for_job(cloud.api("rebootRouter", id=router["id"])[1])["jobresultcode"] == 534
    cloud.lab("fault", "no-capacity")
    job = cloud.wait_for_job(cloud.api("startRouter", id=router["id"])[1])
    cloud.lab("fault", "no-capacity", "--off")
    assert (job["jobresultcode"], job["jobresult"]["errorcode"]) == (533, 533)
    assert cloud.wait_for_job(cloud.api("startRouter", id=router["id"])[1])["jobstatus"] == 1


def test_a_destroyed_router_is_missing_until_the_network_is_restarted(cloud: RunningCloud) -> None:
    (router,) = cloud.routers()
    job = cloud.wait_for_job(cloud.api("destroyRouter", id=router["id"])[1])
    assert job["jobstatus"] == 1
    assert job["jobresult"]["router"]["id"] == router["id"]
    assert cloud.routers() == []
    assert not pings(cloud)
    assert newest(cloud, "ROUTER.DESTROY") == EVENTS["ROUTER.DESTROY"]
    assert cloud.api("destroyRouter", id=router["id"])[0] == 431
    assert cloud.restart(cleanup=False)["jobstatus"] == 1
    assert [row["state"] for row in cloud.routers()] == ["Running"]
    assert pings(cloud, "203.0.113.10")


def test_rolling_restart_off_destroys_first(cloud: RunningCloud) -> None:
    _, reply = cloud.api("updateConfiguration", name="network.rolling.restart", value="false")
    assert reply["configuration"]["value"] == "false"
    (old,) = cloud.routers()
    _, reply = cloud.api("restartNetwork", id=cloud.network()["id"], cleanup="true")
    most = 0
    while cloud.api("queryAsyncJobResult", jobid=reply["jobid"])[1]["jobstatus"] == 0:
        most = max(most, len(cloud.routers()))
    assert most == 1  # never two
    assert cloud.routers()[0]["id"] != old["id"]
    _, reply = cloud.api("resetConfiguration", name="network.rolling.restart")
    assert reply["configuration"]["value"] == "true"
    _, reply = cloud.api("restartNetwork", id=cloud.network()["id"], cleanup="true")
    while cloud.api("queryAsyncJobResult", jobid=reply["jobid"])[1]["jobstatus"] == 0:
        most = max(most, len(cloud.routers()))
    assert most == 2


def health(cloud: RunningCloud, router: str) -> dict[str, bool]:
    status, reply = cloud.api("getRouterHealthCheckResults", routerid=router, performfreshchecks="true")
    assert status == 200, reply
    return {item["checkname"]: item["success"] for item in reply["routerhealthchecks"]["healthchecks"]}


def test_health_checks_look_into_the_router(cloud: RunningCloud) -> None:
    cloud.api("updateConfiguration", name="router.health.checks.results.fetch.interval", value="0")
    assert cloud.lab("manage", "restart").returncode == 0  # nobody else checks meanwhile
    assert cloud.restart(cleanup=True)["jobstatus"] == 1
    (router,) = cloud.routers()
    status, reply = cloud.api("getRouterHealthCheckResults", routerid=router["id"])
    assert (status, reply["errorcode"]) == (530, 530)  # a new router has none yet
    checks = health(cloud, router["id"])
    assert all(checks.values()), checks
    assert {"connectivity.test", "gateways_check.py", "dhcp.service", "iptables_check.py", "dns_check.py"} <= set(
        checks
    )
    name = router["name"]
    broken: list[tuple[str, Callable[[], object]]] = [
        ("dhcp.service", lambda: cloud.run(name, "pkill", "-x", "dnsmasq")),
        ("iptables_check.py", lambda: cloud.run(name, "iptables", "-t", "nat", "-F", "PREROUTING")),
        ("gateways_check.py", lambda: cloud.run(name, "ip", "route", "del", "default")),
        ("gateways_check.py", lambda: cloud.run(name, "ip", "link", "set", "eth2", "down")),
    ]
    for check, do in broken:
        do()
        checks = health(cloud, router["id"])
        if do is not broken[2][1]:  # the gateway is a neighbour: the default route does not matter
            assert not checks[check], checks
    (router,) = cloud.api("listRouters", listall="true", healthchecksfailed="true", fetchhealthcheckresults="true")[1][
        "router"
    ]
    failed = {item["checkname"] for item in router["healthcheckresults"] if item["status"] == "FAILED"}
    assert failed == {"dhcp.service", "iptables_check.py", "gateways_check.py"}
    assert cloud.restart(cleanup=True)["jobstatus"] == 1
    assert cloud.routers()[0]["healthchecksfailed"] is False


def diagnose(cloud: RunningCloud, **parameters: str) -> dict[str, object]:
    router = cloud.routers()[0]["id"]
    job = cloud.wait_for_job(cloud.api("runDiagnostics", targetid=router, **parameters)[1])
    result: dict[str, object] = job["jobresult"]
    return dict(result["diagnostics"]) if "diagnostics" in result else result  # type: ignore[call-overload]


def test_diagnostics_run_in_the_router(cloud: RunningCloud) -> None:
    reached = diagnose(cloud, type="ping", ipaddress="203.0.113.10", params="-c 1 -W 1")
    assert reached["exitcode"] == "0"
    assert "1 received" in str(reached["stdout"])
    lost = diagnose(cloud, type="ping", ipaddress="10.1.1.250", params="-c 1 -W 1")
    assert lost["exitcode"] == "1"
    vm = diagnose(cloud, type="arping", ipaddress="10.1.1.101", params="-c 1 -I eth0")
    assert vm["exitcode"] == "0"
    mac = cloud.api("listVirtualMachines", listall="true")[1]["virtualmachine"][0]["nic"][0]["macaddress"]
    assert mac.upper() in str(vm["stdout"]).upper()
    types = {event["type"] for event in cloud.api("listEvents", listall="true")[1]["event"][:3]}
    assert types == {"ROUTER.DIAGNOSTICS", "SYSTEM.VM.DIAGNOSTICS"}


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "ping", "ipaddress": "203.0.113.10", "params": "-c 1; reboot"},
        {"type": "ping", "ipaddress": "-f", "params": "-c 1"},
        {"type": "nmap", "ipaddress": "203.0.113.10"},
    ],
)
def test_diagnostics_refuse_what_is_no_diagnostic(cloud: RunningCloud, parameters: dict[str, str]) -> None:
    assert diagnose(cloud, **parameters)["errorcode"] == 431


def test_traceroute_finds_the_way_or_says_that_it_cannot(cloud: RunningCloud) -> None:
    found = diagnose(cloud, type="traceroute", ipaddress="203.0.113.10", params="-m 3 -w 1 -q 1")
    if found["exitcode"] == "-1" or "applet not found" in str(found["stderr"]):  # neither program is installed
        assert "traceroute" in str(found["stderr"])
    else:
        assert "198.51.100.1" in str(found["stdout"])
        assert "203.0.113.10" in str(found["stdout"])


def test_an_upgrade_makes_routers_outdated_until_they_start_again(older: RunningCloud) -> None:
    (router,) = older.routers()
    assert (router["requiresupgrade"], router["version"], router["softwareversion"]) == (False, "4.17.2", "4.17.2.0")
    assert len(router["scriptsversion"]) == 32
    assert older.api("upgradeRouterTemplate", id=router["id"])[0] == 530  # it is current
    done = older.lab("manage", "upgrade", "4.22")
    assert done.returncode == 0, done.stderr
    assert router["name"] in done.stdout
    assert older.api("listCapabilities")[1]["capability"]["cloudstackversion"] == "4.22.0.0"
    (router,) = older.routers()
    assert (router["requiresupgrade"], router["version"], router["softwareversion"]) == (True, "4.17.2", "4.17.2.0")
    assert router["templatename"] == "systemvm-kvm-4.22.0"  # the database's word, not the router's
    assert pings(older, "203.0.113.10")  # traffic goes on
    refused = older.restart(cleanup=False)
    assert (refused["jobstatus"], refused["jobresultcode"]) == (2, 530)
    assert older.network()["restartrequired"] is True
    _, reply = older.api("upgradeRouterTemplate", id=router["id"])
    (only,) = reply["asyncjobs"]
    assert older.wait_for_job(only)["jobstatus"] == 1
    (router,) = older.routers()
    assert (router["requiresupgrade"], router["version"], router["softwareversion"]) == (False, "4.22.0", "4.22.0.0")
    assert len(router["scriptsversion"]) == 128
    events = older.api("listEvents", listall="true", type="ROUTER.REBOOT")[1]["event"]
    assert [event["state"] for event in events] == ["Completed", "Started"]  # and none Scheduled
    assert older.restart(cleanup=False)["jobstatus"] == 1
    assert older.lab("manage", "upgrade", "4.9").returncode == 1


def test_a_restart_of_the_server_loses_the_job_but_not_the_work(cloud: RunningCloud) -> None:
    (old,) = cloud.routers()
    _, reply = cloud.api("restartNetwork", id=cloud.network()["id"], cleanup="true")
    while len(cloud.routers()) < 2:
        time.sleep(0.01)
    assert cloud.lab("manage", "restart").returncode == 0
    _, job = cloud.api("queryAsyncJobResult", jobid=reply["jobid"])
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
    assert "jobresult" not in job
    assert "jobresulttype" not in job
    limit = time.monotonic() + 20
    while [row["state"] for row in cloud.routers()] != ["Running"] and time.monotonic() < limit:
        time.sleep(0.05)
    (new,) = cloud.routers()
    assert new["id"] != old["id"]
    assert cloud.api("listAsyncJobs", listall="true") == (200, {})
    events = cloud.api("listEvents", listall="true", type="NETWORK.RESTART")[1]["event"]
    assert events[0]["state"] == "Started"  # who would have written Completed is gone


def test_maintenance_takes_no_jobs(cloud: RunningCloud) -> None:
    cloud.lab("manage", "maintenance")
    status, reply = cloud.api("restartNetwork", id=cloud.network()["id"], cleanup="false")
    assert (status, reply["errorcode"]) == (503, 503)
    assert cloud.api("listManagementServers")[1]["managementserver"][0]["state"] == "Maintenance"
    cloud.lab("manage", "maintenance", "--off")
    assert cloud.restart(cleanup=False)["jobstatus"] == 1


def init_of(cloud: RunningCloud, name: str) -> int:
    """The pid, outside all namespaces, of a host's PID 1."""
    inside = cloud.run(name, "readlink", "/proc/1/ns/net").stdout.strip()
    everything = descendants(cloud.info["supervisor_pid"])
    return min(pid for pid in everything if inside in namespaces_of(pid))


@pytest.mark.parametrize("command", ["rebootRouter", "restartNetwork"])
def test_a_router_that_died_by_itself_comes_back(cloud: RunningCloud, command: str) -> None:
    (router,) = cloud.routers()
    os.kill(init_of(cloud, router["name"]), signal.SIGKILL)
    assert not pings(cloud)
    if command == "rebootRouter":
        job = cloud.wait_for_job(cloud.api("rebootRouter", id=router["id"])[1])
    else:
        job = cloud.restart(cleanup=True)
    assert job["jobstatus"] == 1, job
    (after,) = cloud.routers()
    assert after["state"] == "Running"
    assert pings(cloud, "203.0.113.10")
