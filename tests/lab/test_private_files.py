# SPDX-License-Identifier: Apache-2.0
"""Each host has an /etc of its own over the machine's, whatever happens to the machine's meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from csworkbench.lab import client
from tests.lab import ordinary_user
from tests.lab.support import LAB, REPOSITORY, RunningCloud, environment, running_cloud

pytestmark = pytest.mark.lab

OWN_MACHINE = (
    *("unshare", "-m", "--propagation", "private", "sh", "-c"),
    'mount -t tmpfs tmpfs /mnt && cp -a /etc /mnt/ && mount --bind /mnt/etc /etc && exec "$@"',
    "machine",
)
"""A wrapper: a machine whose /etc is a copy, so that a test may do to it what an administrator does."""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    if os.geteuid() != 0:
        pytest.skip("only root can give the cloud a machine whose /etc may be changed")
    with running_cloud(tmp_path / "lab", "--vms", "2", "--scale", "0", prefix=(*OWN_MACHINE, *LAB)) as running:
        yield running


async def login(cloud: RunningCloud) -> str:
    """What `whoami` says over SSH at the second tenant."""
    async with asyncssh.connect(
        "198.51.100.12",
        sock=client.connect(cloud.state, "198.51.100.12", 22),
        username="ops",
        client_keys=[cloud.info["ssh"]["key"]],
        known_hosts=cloud.info["ssh"]["known_hosts"],
        config=[],
    ) as connection:
        return str((await connection.run("whoami")).stdout)


async def test_logins_work_after_the_machine_got_another_user(cloud: RunningCloud) -> None:
    assert await login(cloud) == "ops\n"
    # As useradd does it: a new file, renamed over the old one.
    replace = (
        "cp -a /etc/passwd /etc/passwd+ && echo new:x:999:999::/:/bin/sh >>/etc/passwd+ && mv /etc/passwd+ /etc/passwd"
    )
    inside = ("nsenter", "-m", "-t", str(cloud.process.pid), "sh", "-c", replace)
    subprocess.run(inside, check=True)  # noqa: ASYNC221
    assert await login(cloud) == "ops\n"
    assert "new:x:999" not in Path("/etc/passwd").read_text()  # noqa: ASYNC240


def test_what_a_host_writes_to_etc_is_seen_by_no_other(cloud: RunningCloud) -> None:
    write = "echo mine >/etc/mine && rm /etc/nsswitch.conf && mkdir -p /etc/ssh/mine && cat /etc/mine"
    assert cloud.run("vm01", "sh", "-c", write).stdout == "mine\n"
    look = "ls /etc/mine /etc/ssh/mine 2>/dev/null; ls /etc/nsswitch.conf"
    assert cloud.run("vm02", "sh", "-c", look).stdout == "/etc/nsswitch.conf\n"
    inside = ("nsenter", "-m", "-t", str(cloud.process.pid), "sh", "-c", look)
    done = subprocess.run(inside, check=True, capture_output=True, text=True)
    assert done.stdout == "/etc/nsswitch.conf\n"


MIRROR = """
import os, subprocess, sys
from pathlib import Path
from csworkbench.lab import kernel
from csworkbench.lab.layers import mirror
base = Path(sys.argv[1])
kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
mirror(str(base / "etc"), base / "own", base / "machine")
(base / "etc/fresh").write_text("fresh")
try:
    (base / "etc/deep/other").write_text("through")
except OSError as error:
    print(error.errno)
for name in ("passwd", "fresh", "link", "deep/mine", "deep/other"):
    print(name, (base / "etc" / name).read_text())
"""


async def test_a_cloud_where_no_overlay_can_be_made() -> None:
    """As in a container: /etc has a mount of its own below, which a user namespace may not uncover."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount something below /etc")
    container = ("unshare", "-m", "sh", "-c", 'mount --bind /etc/hostname /etc/hostname && exec "$@"', "container")
    home = Path(tempfile.mkdtemp(prefix="lab-user-"))  # pytest's own directories are closed to others
    try:
        os.chown(home, *ordinary_user.identity())
        prefix = (*container, *ordinary_user.lab_prefix(home))
        with running_cloud(home / "lab", "--vms", "2", "--scale", "0", prefix=prefix) as cloud:
            assert "overlay" not in cloud.run("vm02", "grep", " /etc ", "/proc/mounts").stdout
            assert await login(cloud) == "ops\n"
            assert cloud.restart(cleanup=True)["jobstatus"] == 1
            (router,) = cloud.routers()
            script = "/opt/cloud/bin/systemctl restart haproxy && /opt/cloud/bin/systemctl is-active haproxy"
            assert cloud.run(router["name"], "sh", "-c", script).stdout == "active\n"
    finally:
        shutil.rmtree(home)


def test_without_overlays_a_host_still_has_its_own_files(tmp_path: Path) -> None:
    for name in ("etc/deep", "own/deep", "machine"):
        (tmp_path / name).mkdir(parents=True)
    for name, text in {"etc/passwd": "machine", "etc/deep/other": "machine", "own/passwd": "own"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "own/deep/mine").write_text("own")
    (tmp_path / "etc/link").symlink_to("passwd")
    words = ("unshare", "-Urm", sys.executable, "-c", MIRROR, str(tmp_path))
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment(), cwd=REPOSITORY)
    assert done.stdout.splitlines() == [
        "30",  # the machine's own files cannot be written through it
        *("passwd own", "fresh fresh", "link own", "deep/mine own", "deep/other machine"),
    ]
    assert not (tmp_path / "etc/fresh").exists()
