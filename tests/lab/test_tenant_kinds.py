# SPDX-License-Identifier: Apache-2.0
"""What the login users of the different kinds of tenants may do, seen over SSH."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncssh
import pytest

from csworkbench.lab import client, tenant_kinds
from csworkbench.lab.hosts import LabError
from csworkbench.lab.options import Options
from csworkbench.lab.tenant_kinds import Group, Kind
from tests.lab import ordinary_user
from tests.lab.support import LAB, RunningCloud, running_cloud

lab = pytest.mark.lab
CAN_OPEN = "python3 -c 'import socket; socket.socket({}).close()' 2>/dev/null && echo yes || echo no"
PACKET, DATAGRAM = "socket.AF_PACKET, socket.SOCK_RAW", "socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP"
PING = "ping -c 1 -W 1 203.0.113.10 >/dev/null && echo yes || echo no"
PYTHON = "for p in /usr/bin/python3 /usr/bin/python3.*[0-9]; do $p -c 'print(1)'; done 2>/dev/null | wc -l"


@contextmanager
def cloud_of(*words: str, root: bool) -> Iterator[RunningCloud]:
    home = Path(tempfile.mkdtemp(prefix="lab-kinds-"))  # pytest's own directories are closed to others
    try:
        if not root:
            os.chown(home, *ordinary_user.identity())
        prefix = LAB if root else ordinary_user.lab_prefix(home)
        with running_cloud(home / "lab", *words, "--scale", "0.02", prefix=prefix) as running:
            yield running
    finally:
        shutil.rmtree(home)


@asynccontextmanager
async def login(cloud: RunningCloud, number: int) -> AsyncIterator[asyncssh.SSHClientConnection]:
    address = f"198.51.100.{10 + number}"
    keys, known = cloud.info["ssh"]["key"], cloud.info["ssh"]["known_hosts"]
    connected = client.connect(cloud.state, address, 22)
    async with asyncssh.connect(
        address, sock=connected, username="ops", client_keys=[keys], known_hosts=known, config=[]
    ) as connection:
        yield connection


async def said(connection: asyncssh.SSHClientConnection, command: str) -> str:
    return str((await connection.run(command)).stdout).strip()


@lab
@pytest.mark.parametrize("root", [pytest.param(True, id="root"), pytest.param(False, id="rootless")])
async def test_users_without_root_and_without_python(root: bool) -> None:
    if root and os.geteuid() != 0:
        pytest.skip("a cloud that root runs needs root")
    with cloud_of("--vms", "3", "--tenant-kinds", "user:1,shell:1", root=root) as cloud:
        async with login(cloud, 1) as own:
            assert await said(own, CAN_OPEN.format(PACKET)) == "yes"
        async with login(cloud, 2) as user:
            assert await said(user, "whoami") == "ops"
            assert await said(user, "id -u") != "0"
            assert await said(user, CAN_OPEN.format(PACKET)) == "no"
            assert await said(user, CAN_OPEN.format(DATAGRAM)) == "yes"
            assert await said(user, PING) == "yes"
            async with user.start_sftp_client() as sftp:
                await sftp.mkdir("mine")
            terminal = await user.run("tty", term_type="vt100")
            assert str(terminal.stdout).startswith("/dev/pts/")
        async with login(cloud, 3) as shell:
            assert await said(shell, PYTHON) == "0"
            assert await said(shell, PING) == "yes"
            assert await said(shell, "cat /proc/self/status | grep CapEff") == f"CapEff:\t{0:016x}"
            with pytest.raises(asyncssh.ChannelOpenError):
                await shell.start_sftp_client()


@lab
async def test_sudo_without_a_password() -> None:
    if os.geteuid() != 0:
        pytest.skip("a cloud that root runs needs root")
    try:
        tenant_kinds.check([Group(Kind.SUDO, 1)], 1)
    except LabError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
    with cloud_of("--vms", "2", "--tenant-kinds", "sudo:1", root=True) as cloud:
        async with login(cloud, 2) as sudo:
            assert await said(sudo, "id -u") != "0"
            assert await said(sudo, CAN_OPEN.format(PACKET)) == "no"
            assert await said(sudo, "sudo -n id -u") == "0"
            assert await said(sudo, CAN_OPEN.format(PACKET).replace("python3", "sudo -n python3", 1)) == "yes"


def test_what_cannot_be_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, words in (
        ("wizard:1", "unknown kind of tenant 'wizard'; there are root, sudo, user, shell"),
        ("user", "how many tenants of the kind user"),
        ("user:0", "how many"),
        ("user:1,", "unknown kind of tenant ''"),
    ):
        with pytest.raises(LabError, match=words):
            tenant_kinds.parse(text)
    with pytest.raises(LabError, match="more tenants than --vms 2"):
        Options(vms=2, tenant_kinds=tenant_kinds.parse("user:2,shell:1")).check()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for text in ("root:1", "sudo:1"):
        with pytest.raises(LabError, match="need a cloud that root runs"):
            Options(vms=2, tenant_kinds=tenant_kinds.parse(text)).check()
    assert Options(vms=2, tenant_kinds=tenant_kinds.parse("user:1,shell:1")).check()


def test_options_reach_the_process_that_is_the_cloud() -> None:
    given = Options(vms=4, tenant_kinds=tenant_kinds.parse("user:2,shell:1"))
    assert Options.from_json(given.to_json()) == given
