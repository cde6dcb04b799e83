# SPDX-License-Identifier: Apache-2.0
"""Secondary storage VM and console proxy VM: what they serve, what is done to them, and what tells of it."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.support import RunningCloud, running_cloud

pytestmark = pytest.mark.lab

SCALE = 0.01
KINDS = {"secondarystoragevm": ("s", "SSVM", "19"), "consoleproxy": ("v", "PROXY", "10")}
AJAX_KEYS = "/resource/js/ajaxkeys.js"
SSH = (
    "ssh -F none -i /run/cloud/id_rsa.cloud -o BatchMode=yes -o StrictHostKeyChecking=no "
    "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -p 3922 -l ops"
)
LIMIT_S = 30.0


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    state = tmp_path_factory.mktemp("s") / "lab"
    with running_cloud(state, "--scale", str(SCALE), "--vms", "1", "--profile", "4.22") as running:
        yield running


def system_vms(cloud: RunningCloud) -> dict[str, dict[str, Any]]:
    """Rows by kind."""
    return {vm["systemvmtype"]: vm for vm in cloud.api("listSystemVms")[1].get("systemvm", [])}


def until(condition: Callable[[], Any]) -> Any:
    """Its first true value."""
    limit = time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("it never becomes true")


def up(cloud: RunningCloud, kind: str) -> dict[str, Any]:
    """The VM of that kind, once its agent is connected."""

    def connected() -> dict[str, Any] | None:
        vm = system_vms(cloud).get(kind)
        return vm if vm is not None and (vm["state"], vm.get("agentstate")) == ("Running", "Up") else None

    return dict(until(connected))


def curl(cloud: RunningCloud, url: str) -> str:
    """Status and body, seen from outside; `000` when nobody answers."""
    return cloud.run("outside", "curl", "-sk", "-m", "2", "-w", "%{http_code}", url).stdout


def pid(cloud: RunningCloud, vm: dict[str, Any], process: str = "cloud") -> str:
    return cloud.run(vm["name"], "pgrep", "-x", process).stdout.strip()


def job(cloud: RunningCloud, command: str, **parameters: str) -> dict[str, Any]:
    status, reply = cloud.api(command, **parameters)
    assert status == 200, reply
    return cloud.wait_for_job(reply)


def events_since(cloud: RunningCloud, start: int, *, prefix: str = "") -> list[tuple[str, str]]:
    """(type, state) of all events after the first `start`, oldest first."""
    events = cloud.api("listEvents", listall="true")[1].get("event", [])[::-1]
    return [(event["type"], event["state"]) for event in events[start:] if event["type"].startswith(prefix)]


def count_events(cloud: RunningCloud) -> int:
    return int(cloud.api("listEvents", listall="true")[1].get("count", 0))


def alerts(cloud: RunningCloud, kind: str) -> list[str]:
    found = cloud.api("listAlerts", type=KINDS[kind][2])[1].get("alert", [])
    return [alert["description"] for alert in found]


def test_they_serve_and_are_listed(cloud: RunningCloud) -> None:
    storage, proxy = up(cloud, "secondarystoragevm"), up(cloud, "consoleproxy")
    assert (storage["name"], proxy["name"]) == ("s-1-VM", "v-2-VM")
    assert storage["version"] == proxy["version"] == "4.22.0.0"
    for scheme in ("https", "http"):
        assert curl(cloud, f"{scheme}://{storage['publicip']}/userdata/").endswith("403")
    assert curl(cloud, f"https://{storage['publicip']}/userdata/missing").endswith("404")
    for url in (f"https://{proxy['publicip']}", f"http://{proxy['publicip']}", f"http://{proxy['publicip']}:8080"):
        assert curl(cloud, url + AJAX_KEYS) == "var keyboardTables = [];\n200"
    status = cloud.run(storage["name"], "curl", "-s", "-m", "5", f"http://{proxy['privateip']}:8001/getstatus").stdout
    assert '"connections"' in status
    assert curl(cloud, f"http://{proxy['publicip']}:8001/getstatus") == "000"  # only for its zone
    hosts = {host["type"]: host for host in cloud.api("listHosts")[1]["host"]}
    assert list(hosts) == ["Routing", "SecondaryStorageVM", "ConsoleProxy"]
    assert (hosts["ConsoleProxy"]["name"], hosts["ConsoleProxy"]["state"]) == ("v-2-VM", "Up")
    (only,) = cloud.api("listHosts", type="SecondaryStorageVM")[1]["host"]
    assert cloud.api("listHosts", id=only["id"])[1]["host"] == [only]


def test_the_hypervisor_alone_has_a_shell_on_them(cloud: RunningCloud) -> None:
    proxy = up(cloud, "consoleproxy")
    address, words = proxy["linklocalip"], f"{SSH} {proxy['linklocalip']} hostname"
    # Its namespace is the supervisor's; `lab exec` has no name for it.
    user = () if os.geteuid() == 0 else ("-U", "--preserve-credentials")
    inside = ("nsenter", "-t", str(cloud.info["supervisor_pid"]), *user, "-n", "-m", "--", "sh", "-c")
    done = subprocess.run([*inside, words], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == f"{proxy['name']}\n", done.stderr
    (router,) = cloud.routers()
    reached = f"curl -s -m 2 telnet://{address}:3922 </dev/null"
    assert "SSH-2.0" in cloud.run(router["name"], "sh", "-c", reached).stdout
    assert curl(cloud, f"http://{proxy['publicip']}:3922/") == "000"


def test_the_agents_state_is_that_of_its_process(cloud: RunningCloud) -> None:
    storage = up(cloud, "secondarystoragevm")
    cloud.run(storage["name"], "pkill", "-x", "cloud")
    until(lambda: system_vms(cloud)["secondarystoragevm"]["agentstate"] == "Disconnected")
    lost = system_vms(cloud)["secondarystoragevm"]
    assert lost["state"] == "Running"
    assert "disconnected" in lost
    (host,) = cloud.api("listHosts", type="SecondaryStorageVM")[1]["host"]
    assert host["state"] == "Disconnected"
    failed = job(cloud, "getDiagnosticsData", targetid=cloud.routers()[0]["id"])
    assert failed["jobresultcode"] == 530
    assert "No remote endpoint to send command" in failed["jobresult"]["errortext"]
    assert cloud.run(storage["name"], "/opt/cloud/bin/systemctl", "restart", "cloud").returncode == 0
    assert "disconnected" not in up(cloud, "secondarystoragevm")


@pytest.mark.parametrize("kind", KINDS)
def test_a_destroyed_one_is_replaced_and_nothing_tells(cloud: RunningCloud, kind: str) -> None:
    letter, events, _ = KINDS[kind]
    old, start = up(cloud, kind), count_events(cloud)
    (host,) = cloud.api("listHosts", name=old["name"])[1]["host"]
    done = job(cloud, "destroySystemVm", id=old["id"])
    assert done["jobresult"]["systemvm"]["id"] == old["id"]
    new = up(cloud, kind)
    assert new["id"] != old["id"]
    assert new["name"] != old["name"]
    assert new["name"].startswith(f"{letter}-")
    assert cloud.api("listHosts", id=host["id"])[0] == 431
    assert cloud.run(old["name"], "true").returncode != 0
    assert curl(cloud, f"https://{new['publicip']}/").endswith(("403", "404"))
    states = ["Scheduled", "Started", "Completed"]
    assert events_since(cloud, start) == [(f"{events}.DESTROY", state) for state in states]
    assert cloud.api("listAsyncJobs", listall="true") == (200, {})
    assert f"{new['name']}, public IP: {new['publicip']}" in alerts(cloud, kind)[0]


def test_reboot_keeps_the_disk_and_forced_does_not(cloud: RunningCloud) -> None:
    proxy, start = up(cloud, "consoleproxy"), count_events(cloud)
    cloud.run(proxy["name"], "touch", "/var/mark")
    before = pid(cloud, proxy)
    assert job(cloud, "rebootSystemVm", id=proxy["id"])["jobresult"]["systemvm"]["state"] == "Running"
    assert up(cloud, "consoleproxy")["id"] == proxy["id"]
    assert pid(cloud, proxy) not in ("", before)
    assert cloud.run(proxy["name"], "cat", "/var/mark").returncode == 0
    assert job(cloud, "patchSystemVm", id=proxy["id"], forced="true")["jobstatus"] == 1  # it is reached as before
    assert curl(cloud, f"https://{proxy['publicip']}{AJAX_KEYS}").endswith("200")
    assert events_since(cloud, start, prefix="PROXY") == [("PROXY.REBOOT", "Scheduled"), ("PROXY.REBOOT", "Started")]
    assert alerts(cloud, "consoleproxy")[0].startswith("Console proxy rebooted in zone: zone1, proxy: v-")
    assert job(cloud, "rebootSystemVm", id=proxy["id"], forced="true")["jobstatus"] == 1
    assert up(cloud, "consoleproxy")["id"] == proxy["id"]
    assert cloud.run(proxy["name"], "cat", "/var/mark").returncode != 0


def test_a_stopped_one_is_started_by_the_scan(cloud: RunningCloud) -> None:
    storage, start = up(cloud, "secondarystoragevm"), count_events(cloud)
    stopped = job(cloud, "stopSystemVm", id=storage["id"], forced="true")["jobresult"]["systemvm"]
    assert (stopped["state"], stopped["agentstate"]) == ("Stopped", "Disconnected")
    assert "hostid" not in stopped
    assert up(cloud, "secondarystoragevm")["id"] == storage["id"]
    assert job(cloud, "startSystemVm", id=storage["id"])["jobresult"]["systemvm"]["state"] == "Running"
    states = ("Scheduled", "Started", "Completed")
    expected = [(f"SSVM.{verb}", state) for verb in ("STOP", "START") for state in states]
    assert events_since(cloud, start) == expected


def test_no_room_for_another_one(cloud: RunningCloud) -> None:
    old = up(cloud, "consoleproxy")
    cloud.lab("fault", "no-capacity")
    try:
        job(cloud, "destroySystemVm", id=old["id"])
        until(lambda: alerts(cloud, "consoleproxy")[0].startswith("Console proxy startup failure"))
    finally:
        cloud.lab("fault", "no-capacity", "--off")
    assert up(cloud, "consoleproxy")["id"] != old["id"]


def test_diagnostics_data_is_downloaded_from_outside(cloud: RunningCloud) -> None:
    (router,) = cloud.routers()
    start = count_events(cloud)
    wanted = "[IPTABLES],iproute,/etc/haproxy/haproxy.cfg,/etc/shadow,/var/log/missing.log,/etc/hosts,[reboot]"
    done = job(cloud, "getDiagnosticsData", targetid=router["id"], files=wanted)
    url = done["jobresult"]["diagnostics"]["url"]
    assert url.startswith(f"https://{up(cloud, 'secondarystoragevm')['publicip']}/userdata/")
    with downloaded(cloud, url) as archive:
        names = archive.namelist()
        assert names == ["iptables.log", "iproute.log", "haproxy.cfg", "hosts", "reboot.log", "fileinfo.txt"]
        live = cloud.run(router["name"], "iptables-save").stdout.splitlines()
        packed = archive.read("iptables.log").decode().splitlines()
        assert [line for line in packed if line.startswith("-A")] == [line for line in live if line.startswith("-A")]
        assert b"listen" in archive.read("haproxy.cfg")
        info = archive.read("fileinfo.txt").decode().splitlines()
        assert "/etc/shadowFile Not Found!!" in info
        assert "/var/log/missing.logFile Not Found!!" in info
    assert cloud.run(router["name"], "sh", "-c", "ls /var/tmp").stdout == ""
    assert events_since(cloud, start) == [
        ("ROUTER.DIAGNOSTICS", "Scheduled"),
        ("SYSTEM.VM.DIAGNOSTICS", "Started"),
        ("SYSTEM.VM.DIAGNOSTICS", "Completed"),
    ]


def test_diagnostics_of_the_system_vms(cloud: RunningCloud) -> None:
    storage, proxy, start = up(cloud, "secondarystoragevm"), up(cloud, "consoleproxy"), count_events(cloud)
    done = job(cloud, "getDiagnosticsData", targetid=proxy["id"])
    with downloaded(cloud, done["jobresult"]["diagnostics"]["url"]) as archive:
        assert f"agent {proxy['version']} started" in archive.read("cloud.log").decode()
    ping = job(cloud, "runDiagnostics", targetid=storage["id"], type="ping", ipaddress="198.51.100.1", params="-c 1")
    assert ping["jobresult"]["diagnostics"]["exitcode"] == "0"
    assert events_since(cloud, start, prefix="PROXY") == [("PROXY.DIAGNOSTICS", "Scheduled")]
    assert events_since(cloud, start, prefix="SSVM") == [("SSVM.DIAGNOSTICS", "Scheduled")]
    for hostile in ("/var/../etc/passwd", "relative/path", "/var/log/$(reboot)", "[a;b]", "/var/log/a b"):
        refused = job(cloud, "getDiagnosticsData", targetid=proxy["id"], files=hostile)
        assert (refused["jobstatus"], refused["jobresultcode"]) == (2, 431), hostile


def downloaded(cloud: RunningCloud, url: str) -> zipfile.ZipFile:
    """The archive behind a URL, fetched from outside."""
    encoded = cloud.run("outside", "sh", "-c", 'curl -skf -m 10 "$0" | base64', url).stdout
    return zipfile.ZipFile(io.BytesIO(base64.b64decode(encoded)))
