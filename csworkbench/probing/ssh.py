# SPDX-License-Identifier: Apache-2.0
"""A vantage reached over SSH with asyncssh and checked host keys."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from .connect import Dial, dial_soon, dial_tcp
from .shell import OUTPUT_LIMIT, Completed, ShellError

HANDSHAKES_PER_SERVER = 8  # OpenSSH's MaxStartups 10:30:100 begins to refuse above ten
HANDSHAKES_IN_ALL = 64
LOGIN_TIMEOUT_S = 15.0


@dataclass(slots=True)
class Handshakes:
    """Bounds on handshakes in flight, shared by all vantages of a run."""

    total: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(HANDSHAKES_IN_ALL))
    per_server: dict[tuple[str, int], asyncio.Semaphore] = field(default_factory=dict)

    def of(self, host: str, port: int) -> asyncio.Semaphore:
        """The bound of one server."""
        return self.per_server.setdefault((host, port), asyncio.Semaphore(HANDSHAKES_PER_SERVER))


@dataclass(frozen=True, slots=True)
class SshAccess:
    """How to log in. `key`, `known_hosts`: paths, empty for the user's own. `host_key`: `known` or `accept-new`.

    `own_config` keeps ~/.ssh/config and the agent out, for test clouds that bring their own keys.
    """

    user: str = ""
    key: str = ""
    known_hosts: str = ""
    host_key: str = "known"
    proxy_command: str = ""
    dial: Dial = dial_tcp
    own_config: bool = False


class SshShell:
    """A logged-in SSH connection; see shell.Shell."""

    def __init__(self, connection: asyncssh.SSHClientConnection, where: str) -> None:
        self._connection = connection
        self._where = where

    async def run(self, script: str, timeout_s: float = 30.0) -> Completed:
        """See Shell."""
        try:
            done = await asyncio.wait_for(self._connection.run(script, encoding=None), timeout_s)
        except TimeoutError:
            raise ShellError(f"{self._where}: no end after {timeout_s:.0f} s: {script[:80]}") from None
        except (asyncssh.Error, OSError) as error:
            raise ShellError(f"{self._where}: {error}") from None
        out, err = (b[:OUTPUT_LIMIT].decode("utf-8", "replace") if isinstance(b, bytes) else "" for b in _both(done))
        return Completed(-1 if done.exit_status is None else done.exit_status, out, err)

    async def put(self, data: bytes, path: str) -> None:
        """See Shell; over SFTP."""
        try:
            async with asyncio.timeout(60), self._connection.start_sftp_client() as sftp, sftp.open(path, "wb") as file:
                await file.write(data)
        except TimeoutError:
            raise ShellError(f"{self._where}: writing {path} took over 60 s") from None
        except (asyncssh.Error, OSError) as error:
            raise ShellError(f"{self._where}: cannot write {path} over SFTP: {error}") from None

    async def open(self, script: str) -> "SshPipe":
        """See Shell."""
        try:
            process = await asyncio.wait_for(
                self._connection.create_process(script, encoding=None, stderr=asyncssh.DEVNULL), 10
            )
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise ShellError(f"{self._where}: {error or 'timed out'}") from None
        return SshPipe(process)

    def abort(self) -> None:
        """See Shell."""
        self._connection.abort()

    async def close(self) -> None:
        """See Shell."""
        self._connection.abort()
        await self._connection.wait_closed()


def _both(done: asyncssh.SSHCompletedProcess) -> tuple[object, object]:
    return done.stdout, done.stderr


class SshPipe:
    """The pipe of a remote process; see shell.Pipe."""

    def __init__(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._process = process

    async def read(self) -> bytes:
        """See Pipe."""
        try:
            return await self._process.stdout.read(65_536)
        except asyncssh.Error as error:
            raise ShellError(str(error)) from None

    async def write(self, data: bytes) -> None:
        """See Pipe."""
        try:
            self._process.stdin.write(data)
        except (asyncssh.Error, OSError) as error:
            raise ShellError(str(error)) from None

    def abort(self) -> None:
        """See Pipe."""
        with contextlib.suppress(asyncssh.Error, OSError):
            self._process.close()


class _KeepsNewKeys(asyncssh.SSHClient):
    """Trust on first use: an unknown host's key is kept in `known_hosts`; a changed one is refused by asyncssh."""

    def __init__(self, known_hosts: Path) -> None:
        self._known_hosts = known_hosts

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Called for a key that known_hosts does not have. Refuses when the host has another one there."""
        name = host if port == 22 else f"[{host}]:{port}"
        known = self._known_hosts.read_text() if self._known_hosts.exists() else ""
        if any(line.split(" ", 1)[0] == name for line in known.splitlines()):
            return False
        self._known_hosts.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._known_hosts.open("a") as file:
            file.write(f"{name} {key.export_public_key().decode().strip()}\n")
        return True


async def connect(
    host: str, port: int, access: SshAccess, handshakes: Handshakes, limit_s: float = 5.0
) -> tuple[SshShell, int]:
    """Log in: (shell, TCP attempts made). Tries TCP for `limit_s`. Raises ShellError with one clear line."""
    where = f"{access.user + '@' if access.user else ''}{host}:{port}"
    sock, attempts = None, 1
    if not access.proxy_command:
        sock, attempts = await dial_soon(access.dial, host, port, limit_s)
    try:
        async with handshakes.total, handshakes.of(host, port):
            shell = SshShell(await _login(host, port, access, sock), where)
    except BaseException:
        if sock is not None:
            sock.close()
        raise
    return shell, attempts


async def _login(host: str, port: int, access: SshAccess, sock: socket.socket | None) -> asyncssh.SSHClientConnection:
    where = f"{access.user + '@' if access.user else ''}{host}:{port}"
    try:
        connection, _ = await asyncio.wait_for(
            asyncssh.create_connection(_client(access), host, port, sock=sock, options=_options(access, host, port)),
            LOGIN_TIMEOUT_S,
        )
    except TimeoutError:
        raise ShellError(f"{where}: no SSH login within {LOGIN_TIMEOUT_S:.0f} s") from None
    except asyncssh.HostKeyNotVerifiable:
        store = access.known_hosts or "~/.ssh/known_hosts"
        raise ShellError(
            f"{where}: host key not in {store}; check it and add it, or set `host_key: accept-new`"
        ) from None
    except asyncssh.PermissionDenied:
        raise ShellError(f"{where}: login refused; check `user` and `key` of the scenario's tenants") from None
    except (asyncssh.Error, OSError) as error:
        raise ShellError(f"{where}: {str(error) or type(error).__name__}") from None
    return connection


def _client(access: SshAccess) -> Callable[[], asyncssh.SSHClient]:
    if access.host_key == "accept-new":
        return lambda: _KeepsNewKeys(Path(access.known_hosts).expanduser())
    return asyncssh.SSHClient


def _options(access: SshAccess, host: str, port: int) -> asyncssh.SSHClientConnectionOptions:
    extra: dict[str, object] = {}
    if access.user:
        extra["username"] = access.user
    if access.key:
        extra["client_keys"] = [str(Path(access.key).expanduser())]
    if access.known_hosts:
        path = Path(access.known_hosts).expanduser()
        extra["known_hosts"] = str(path) if path.exists() else ()
    if access.proxy_command:
        extra["proxy_command"] = [w.replace("%h", host).replace("%p", str(port)) for w in access.proxy_command.split()]
    if access.own_config:
        extra |= {"config": None, "agent_path": None}
    return asyncssh.SSHClientConnectionOptions(
        **extra, keepalive_interval=1, keepalive_count_max=3, connect_timeout=10, login_timeout=LOGIN_TIMEOUT_S
    )
