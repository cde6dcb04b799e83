# SPDX-License-Identifier: Apache-2.0
"""The cloud without root: no sudo, no setuid helper, and still real daemons, raw sockets and a real router."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from csworkbench.lab import client
from tests.lab import ordinary_user
from tests.lab.support import RunningCloud, descendants, environment, members, namespaces_of, running_cloud
from tests.lab.test_gone import assert_gone

pytestmark = pytest.mark.lab


@pytest.fixture
def cloud(request: pytest.FixtureRequest) -> Iterator[RunningCloud]:
    """Of the topology that a test names as its parameter, else with one isolated network."""
    home = Path(tempfile.mkdtemp(prefix="lab-user-"))  # pytest's own directories are closed to others
    try:
        os.chown(home, *ordinary_user.identity())
        options = ("--vms", "3", "--scale", "0.02", "--topology", getattr(request, "param", "isolated"))
        with running_cloud(home / "lab", *options, prefix=ordinary_user.lab_prefix(home)) as running:
            yield running
    finally:
        shutil.rmtree(home)


async def test_a_cloud_of_an_ordinary_user(cloud: RunningCloud) -> None:
    uid, _ = ordinary_user.identity()
    supervisor = cloud.info["supervisor_pid"]
    assert all(Path(f"/proc/{pid}").stat().st_uid == uid for pid in descendants(cloud.info["pid"]))  # noqa: ASYNC240
    assert namespaces_of(supervisor) & namespaces_of(os.getpid()) <= namespaces_of(cloud.info["pid"])
    connected = client.connect(cloud.state, "198.51.100.12", 22)
    raw = "python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW); print(socket.gethostname())'"
    async with asyncssh.connect(
        "198.51.100.12",
        sock=connected,
        username="ops",
        client_keys=[cloud.info["ssh"]["key"]],
        known_hosts=cloud.info["ssh"]["known_hosts"],
        config=[],
    ) as connection:
        for command, expected in (
            ("whoami", "ops\n"),
            (raw, "vm02\n"),
            ("ping -c 1 -W 1 203.0.113.10 > /dev/null && echo out", "out\n"),
            ("getent hosts vm03 | cut -d' ' -f1", "10.1.1.103\n"),
        ):
            done = await connection.run(command)
            assert done.stdout == expected, (command, done.stderr)
        terminal = await connection.run("tty", term_type="vt100")
        assert str(terminal.stdout).startswith("/dev/pts/")


def test_restart_break_and_end_as_an_ordinary_user(cloud: RunningCloud) -> None:
    before = cloud.routers()[0]["id"]
    assert cloud.restart(cleanup=True)["jobstatus"] == 1
    assert cloud.routers()[0]["id"] != before
    assert cloud.banner("198.51.100.13").startswith(b"SSH-2.0-")
    router = cloud.routers()[0]["name"]
    haproxy = cloud.run(router, "pgrep", "-o", "haproxy").stdout
    _, reply = cloud.api("restartNetwork", id=cloud.network()["id"], cleanup="false", livepatch="true")
    assert cloud.wait_for_job(reply)["jobstatus"] == 1
    assert cloud.run(router, "pgrep", "-o", "haproxy").stdout not in ("", haproxy)
    assert "Cannot" not in cloud.run(router, "cat", "/var/log/livepatchsystemvm.log").stdout
    for vm in cloud.api("listSystemVms")[1]["systemvm"]:
        agent = cloud.run(vm["name"], "pgrep", "-x", "cloud").stdout
        _, reply = cloud.api("patchSystemVm", id=vm["id"], forced="true")
        assert cloud.wait_for_job(reply)["jobstatus"] == 1
        assert cloud.run(vm["name"], "pgrep", "-x", "cloud").stdout not in ("", agent)
    assert '"start_ns"' in cloud.lab("break", "ingress", "--ms", "50").stdout
    processes = descendants(cloud.info["pid"]) | {cloud.info["pid"]}
    spaces = set().union(*(namespaces_of(pid) for pid in processes)) - namespaces_of(os.getpid())
    spaces -= namespaces_of(cloud.process.pid)
    assert members(spaces)
    os.kill(cloud.info["supervisor_pid"], signal.SIGKILL)
    assert_gone(processes, spaces, cloud.process.pid)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cloud", "outside", "inside"),
    [("shared", "203.0.113.10", "192.0.2.2"), ("ipv6", "2001:db8:f1::10", "2001:db8:1::1")],
    indirect=["cloud"],
)
def test_other_topologies_of_an_ordinary_user(cloud: RunningCloud, outside: str, inside: str) -> None:
    for target in (outside, inside):
        assert cloud.run("vm01", "ping", "-c", "1", "-W", "1", target).returncode == 0, target
    assert "vm02" in cloud.run("vm01", "busybox", "nslookup", "vm02.cs2cloud.internal", inside).stdout
    assert cloud.restart(cleanup=True)["jobstatus"] == 1
    assert cloud.run("vm01", "getent", "hosts", "vm02").returncode == 0


def test_up_names_the_setting_that_forbids_it() -> None:
    home = Path(tempfile.mkdtemp(prefix="lab-user-"))
    try:
        os.chown(home, *ordinary_user.identity())
        words = ordinary_user.lab_prefix(home, ordinary_user.WITHOUT_USER_NAMESPACES)
        command = [*words, "--state", str(home / "lab"), "up"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=environment())
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "user namespaces are forbidden by user.max_user_namespaces=0" in done.stderr
        assert "sysctl -w user.max_user_namespaces" in done.stderr
        assert not list(home.glob("lab/*.sock"))
    finally:
        shutil.rmtree(home)
