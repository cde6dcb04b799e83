# SPDX-License-Identifier: Apache-2.0
"""A real SSH server in this process on 127.0.0.1."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest

from csworkbench.probing.ssh import SshAccess


def sockets() -> int:
    """Open sockets of this process."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += str(link.readlink()).startswith("socket:")
    return count


async def soon(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the kernel's table of sockets gives no event
            await asyncio.sleep(0.01)


@dataclass
class Sshd:
    """A server whose users have the key `ops`; commands are answered by `process`."""

    folder: Path
    host_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    port: int = 0
    logins: int = 0
    handshaking: int = 0  # connections that have not logged in
    most: int = 0
    forwarded: int = 0
    connections: set[asyncssh.SSHServerConnection] = field(default_factory=set)
    acceptor: asyncssh.SSHAcceptor | None = None
    compression: tuple[str, ...] = ("none", "zlib@openssh.com")

    async def up(self) -> None:
        sshd = self

        class Counts(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                sshd.handshaking += 1
                sshd.most = max(sshd.most, sshd.handshaking)
                self.open = True
                self.conn = conn
                sshd.connections.add(conn)

            def auth_completed(self) -> None:
                sshd.logins += 1
                self._over()

            def connection_lost(self, exc: Exception | None) -> None:
                self._over()
                sshd.connections.discard(self.conn)

            def connection_requested(self, *_where: object) -> bool:
                sshd.forwarded += 1
                return True

            def _over(self) -> None:
                sshd.handshaking -= self.open
                self.open = False

        self.acceptor = await asyncssh.listen(
            "127.0.0.1", self.port, server_host_keys=[self.host_key], server_factory=Counts,
            authorized_client_keys=str(self.folder / "ops.pub"), process_factory=process, encoding=None,
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(self.folder / "home").encode()),
            compression_algs=self.compression,
        )  # fmt: skip
        self.port = self.acceptor.get_port()

    async def down(self) -> None:
        assert self.acceptor is not None
        self.acceptor.close()
        await self.acceptor.wait_closed()

    def drop(self) -> None:
        """End all connections, without a word."""
        for connection in list(self.connections):
            connection.abort()

    def known_hosts(self, *keys: asyncssh.SSHKey) -> str:
        path = self.folder / "known_hosts"
        lines = [f"[127.0.0.1]:{self.port} {key.export_public_key().decode()}" for key in keys]
        path.write_text("".join(lines))
        return str(path)

    @property
    def access(self) -> SshAccess:
        """What gets in."""
        return SshAccess("ops", str(self.folder / "ops"), self.known_hosts(self.host_key), own_config=True)


async def process(channel: asyncssh.SSHServerProcess[bytes]) -> None:
    """A few commands, as a hostile or a friendly tenant would answer them."""
    match channel.command:
        case "hello":
            channel.stdout.write(b"out\n")
            channel.stderr.write(b"err\n")
            channel.exit(3)
        case "compression":
            words = [channel.get_extra_info(f"{way}_compression") for way in ("send", "recv")]
            channel.stdout.write(" ".join(words).encode())
            channel.exit(0)
        case "cat":
            async for line in channel.stdin:
                channel.stdout.write(line)
            channel.exit(0)
        case "flood":
            with_out_end = b"x" * 65_536
            try:
                while True:
                    channel.stdout.write(with_out_end)
                    await channel.stdout.drain()
            except (OSError, asyncssh.Error):
                return
        case _:
            await asyncio.Event().wait()


@pytest.fixture
async def sshd(tmp_path: Path) -> AsyncIterator[Sshd]:
    (tmp_path / "home").mkdir()
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(tmp_path / "ops"))
    key.write_public_key(str(tmp_path / "ops.pub"))
    server = Sshd(tmp_path)
    await server.up()
    before = sockets()
    yield server
    await soon(lambda: sockets() <= before)  # no test leaves a connection behind
    await server.down()
