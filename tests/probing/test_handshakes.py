# SPDX-License-Identifier: Apache-2.0
"""Bounds on SSH handshakes: at a server, in all, and in turn."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from csworkbench.probing import handshakes
from csworkbench.probing.handshakes import Handshakes, Places
from csworkbench.probing.shell import ShellError
from csworkbench.probing.ssh import SshAccess, SshRoute

from .sshd import Sshd, soon, sshd

__all__ = ["sshd"]


async def log_in_all(routes: list[SshRoute]) -> None:
    shells = await asyncio.gather(*(route.open(10.0) for route in routes))
    await asyncio.gather(*(shell.close() for shell, _ in shells))


async def test_no_more_than_eight_at_one_server(sshd: Sshd) -> None:
    """sshd counts a connection from its first packet on: one that waits for its turn must not be open yet."""
    shared = Handshakes()
    await log_in_all([SshRoute("127.0.0.1", sshd.port, sshd.access, shared) for _ in range(30)])
    assert sshd.logins == 30
    assert 2 <= sshd.most <= 8


async def test_no_more_than_so_many_in_all(sshd: Sshd, tmp_path: Path) -> None:
    other = Sshd(sshd.folder)
    await other.up()
    shared = Handshakes(per_server=4, in_all=3)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(shared._in_all._taken))
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    accesses = [(server.port, replace(server.access, host_key="accept-new", known_hosts=str(tmp_path / "known")))
                for server in (sshd, other)]  # fmt: skip
    await log_in_all([SshRoute("127.0.0.1", port, access, shared) for _ in range(6) for port, access in accesses])
    watching.cancel()
    assert most == 3
    await other.down()


async def test_a_proxy_commands_server_counts_too(sshd: Sshd, tmp_path: Path) -> None:
    """All through one bastion: it gets as many handshakes as the command is started."""
    relay = tmp_path / "relay.py"
    relay.write_text(
        "import os, socket, sys, threading\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while d := os.read(0, 65536): s.sendall(d)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while d := s.recv(65536): os.write(1, d)\n"
    )
    command = f"{sys.executable} -S {relay} %h %p"
    shared = Handshakes(per_server=2)
    others = [Sshd(sshd.folder) for _ in range(4)]
    for other in others:
        await other.up()
    access = replace(sshd.access, proxy_command=command, host_key="accept-new", known_hosts=str(tmp_path / "known"))
    routes = [SshRoute("127.0.0.1", server.port, access, shared) for server in (sshd, *others)]
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(shared._servers[command]._taken) if command in shared._servers else 0)
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    await log_in_all(routes)
    watching.cancel()
    assert most == 2
    for other in others:
        await other.down()


async def test_places_are_given_in_the_order_of_asking() -> None:
    places, served = Places(2), []

    async def use(name: int) -> None:
        place = await places.take()
        served.append(name)
        await asyncio.sleep(0)
        place.leave()

    waiting = [asyncio.create_task(use(name)) for name in range(20)]
    waiting[5].cancel()  # somebody gives up while it waits
    await asyncio.gather(*waiting, return_exceptions=True)
    assert served == [name for name in range(20) if name != 5]
    first, second = await places.take(), await places.take()
    first.leave()
    second.leave()


async def test_those_that_hang_do_not_keep_the_others_out(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that opened for a moment leaves handshakes behind that end after 15 s only; nobody waits that long."""
    monkeypatch.setattr(handshakes, "PATIENCE_S", 0.3)
    gone = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    shared = Handshakes(in_all=2)
    nowhere = silent.sockets[0].getsockname()[1]
    hanging = [
        asyncio.create_task(SshRoute("127.0.0.1", nowhere, SshAccess("ops", own_config=True), shared).open(5.0))
        for _ in range(2)
    ]
    await soon(lambda: len(shared._in_all._taken) == 2)
    async with asyncio.timeout(8):
        shell, _ = await SshRoute("127.0.0.1", sshd.port, sshd.access, shared).open(5.0)
    await shell.close()
    assert sum(task.done() for task in hanging) == 1  # one place was wanted, and one was taken away
    gone.set()
    results = await asyncio.gather(*hanging, return_exceptions=True)
    assert all(isinstance(result, ShellError) for result in results)
    silent.close()


async def test_a_login_that_is_given_up_leaves_its_places(sshd: Sshd) -> None:
    shared = Handshakes(per_server=1, in_all=1)
    for delay_ms in (0, 1, 3, 10, 20, 40):
        opening = asyncio.create_task(SshRoute("127.0.0.1", sshd.port, sshd.access, shared).open(2.0))
        await asyncio.sleep(delay_ms / 1000)
        opening.cancel()
        result = (await asyncio.gather(opening, return_exceptions=True))[0]
        if isinstance(result, tuple):
            await result[0].close()
    async with asyncio.timeout(5):
        await log_in_all([SshRoute("127.0.0.1", sshd.port, sshd.access, shared)])
