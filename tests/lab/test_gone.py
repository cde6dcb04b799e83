# SPDX-License-Identifier: Apache-2.0
"""However a cloud ends, no process and no namespace of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.support import LAB, RunningCloud, descendants, environment, lab, members, namespaces_of, running_cloud

pytestmark = pytest.mark.lab

LIMIT_S = 2.0
FEW = ("--vms", "3", "--scale", "0")


def trace(cloud: RunningCloud) -> tuple[set[int], set[str]]:
    """Every process and every namespace of a cloud."""
    outer = int(cloud.info["pid"])
    processes = descendants(outer) | {outer}
    ours = namespaces_of(os.getpid())
    return processes, set().union(*(namespaces_of(pid) for pid in processes)) - ours


def assert_gone(processes: set[int], namespaces: set[str], own_child: int) -> None:
    """Nothing is left within two seconds; our own child is ours to reap."""
    limit = time.monotonic() + LIMIT_S
    while True:
        left = [pid for pid in processes - {own_child} if Path(f"/proc/{pid}").exists()]
        inside = members(namespaces)
        if not left and not inside:
            return
        # A zombie that holds no namespace is dead: the machine's init, which inherits it, takes its time here.
        dead = all(state_of(pid) == "Z" for pid in left) and not inside
        if dead:
            return
        assert time.monotonic() < limit, {pid: (state_of(pid), command_of(pid)) for pid in {*left, *inside}}


def command_of(pid: int) -> str:
    """Its command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def state_of(pid: int) -> str:
    """The letter of /proc/PID/stat; `X` when it has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def guard_of(cloud: RunningCloud) -> int:
    (guard,) = (
        int(pid) for pid in Path(f"/proc/{cloud.info['pid']}/task/{cloud.info['pid']}/children").read_text().split()
    )
    return guard


@pytest.mark.parametrize(
    "victim",
    [lambda cloud: int(cloud.info["supervisor_pid"]), lambda cloud: int(cloud.info["pid"]), guard_of],
    ids=["supervisor", "outer", "guard"],
)
def test_sigkill_leaves_nothing(tmp_path: Path, victim: Callable[[RunningCloud], int]) -> None:
    with running_cloud(tmp_path / "lab", *FEW) as cloud:
        processes, namespaces = trace(cloud)
        assert len(processes) > 10
        networks = [space for space in namespaces if space.startswith("net:")]
        assert len(networks) == 9  # fab, gateway, outside, VR, two system VMs, tenants
        os.kill(victim(cloud), signal.SIGKILL)
        assert_gone(processes, namespaces, cloud.process.pid)
        cloud.process.wait(timeout=LIMIT_S)


@pytest.mark.parametrize("how", ["eof", "SIGTERM", "SIGINT"])
def test_the_foreground_form_ends_in_order(tmp_path: Path, how: str) -> None:
    with running_cloud(tmp_path / "lab", *FEW) as cloud:
        processes, namespaces = trace(cloud)
        if how == "eof":
            assert cloud.process.stdin
            cloud.process.stdin.close()
        else:
            cloud.process.send_signal(getattr(signal, how))
        assert cloud.process.wait(timeout=5) == 0
        assert_gone(processes, namespaces, cloud.process.pid)
        assert not (tmp_path / "lab" / "lab.json").exists()
        assert not (tmp_path / "lab" / "control.sock").exists()


def test_up_and_down(tmp_path: Path) -> None:
    state = tmp_path / "lab"
    up = lab(state, "up", *FEW)
    try:
        assert up.returncode == 0, up.stderr
        assert "up in" in up.stdout
        assert up.stderr  # progress
        assert lab(state, "exec", "vm01", "--", "hostname").stdout == "vm01\n"
    finally:
        down = lab(state, "down")
    assert down.returncode == 0, down.stderr
    assert lab(state, "status").returncode == 1
    assert "Traceback" not in (state / "lab.log").read_text()


def test_a_detached_cloud_whose_command_is_killed_goes_too(tmp_path: Path) -> None:
    """Nobody would know of it: it ends when it cannot report that it is ready."""
    state = tmp_path / "lab"
    process = subprocess.Popen(
        [*LAB, "--state", str(state), "up", *FEW], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stderr
    assert process.stderr.readline()  # the first progress line: it has started
    process.kill()
    process.wait()
    process.stderr.close()
    limit = time.monotonic() + 10
    while "is gone" not in (state / "lab.log").read_text():
        assert time.monotonic() < limit
        time.sleep(0.05)
    with running_cloud(state, *FEW) as cloud:  # and its place is free
        assert cloud.info["state"] == "up"


def test_a_second_up_after_a_kill_starts_clean(tmp_path: Path) -> None:
    state = tmp_path / "lab"
    with running_cloud(state, *FEW) as cloud:
        os.kill(cloud.info["pid"], signal.SIGKILL)
        cloud.process.wait(timeout=LIMIT_S)
    assert lab(state, "status").returncode == 1
    with running_cloud(state, *FEW) as cloud:
        assert cloud.run("vm02", "true").returncode == 0


def test_a_restart_in_progress_does_not_keep_it_alive(tmp_path: Path) -> None:
    with running_cloud(tmp_path / "lab", "--vms", "2", "--scale", "1") as cloud:
        processes, namespaces = trace(cloud)
        cloud.api("restartNetwork", id=cloud.network()["id"], cleanup="true")
        assert cloud.process.stdin
        cloud.process.stdin.close()
        assert cloud.process.wait(timeout=5) == 0
        assert_gone(processes | descendants(cloud.process.pid), namespaces, cloud.process.pid)
