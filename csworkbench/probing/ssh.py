# SPDX-License-Identifier: Apache-2.0
"""A vantage reached over SSH with asyncssh and checked host keys."""

import asyncio
import contextlib
import shlex
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from .compression import ALGORITHMS, bound_packets
from .connect import Dial, dial_soon, dial_tcp
from .handshakes import LOGIN_TIMEOUT_S, Entry, Handshakes
from .shell import Completed, LoginRefused, ShellError, one_line, read_bounded

LOGIN_ALONE_S = 1.0  # a handshake that takes longer may hang on a path that broke again: let another one begin
KEEPALIVE_EVERY_S, KEEPALIVES_LOST = 1.0, 3  # asyncssh has none by default: a read from a vanished peer hangs for ever
SSH_PORT = 22
OWN_KNOWN_HOSTS = "~/.ssh/known_hosts"

bound_packets()


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
    keepalive_s: float = KEEPALIVE_EVERY_S


class SshShell:
    """A logged-in SSH connection; see shell.Shell."""

    def __init__(self, connection: asyncssh.SSHClientConnection, where: str) -> None:
        self._connection = connection
        self._where = where

    async def run(self, script: str, timeout_s: float = 30.0) -> Completed:
        """See Shell."""
        try:
            async with asyncio.timeout(timeout_s):
                process = await self._connection.create_process(script, encoding=None)
                try:
                    process.stdin.write_eof()
                    out, err = await asyncio.gather(read_bounded(process.stdout), read_bounded(process.stderr))
                    await process.wait_closed()
                finally:
                    process.close()
        except TimeoutError:
            raise ShellError(f"{self._where}: no end after {timeout_s:.0f} s: {script[:80]}") from None
        except (asyncssh.Error, OSError) as error:
            raise ShellError(f"{self._where}: {_said(error)}") from None
        return Completed(-1 if process.exit_status is None else process.exit_status, out, err)

    async def put(self, data: bytes, path: str) -> None:
        """See Shell; over SFTP, and where there is none (dropbear, a shell-only image) through `cat`."""
        try:
            async with asyncio.timeout(60):
                try:
                    sftp = await self._connection.start_sftp_client()
                except (asyncssh.ChannelOpenError, asyncssh.SFTPError):
                    await self._put_through_cat(data, path)
                    return
                async with sftp, sftp.open(path, "wb") as file:
                    await file.write(data)
        except TimeoutError:
            raise ShellError(f"{self._where}: writing {path} took over 60 s") from None
        except (asyncssh.Error, OSError) as error:
            raise ShellError(f"{self._where}: cannot write {path} over SFTP: {_said(error)}") from None

    async def _put_through_cat(self, data: bytes, path: str) -> None:
        process = await self._connection.create_process(f'cat > "$HOME"/{shlex.quote(path)}', encoding=None)
        try:
            process.stdin.write(data)
            process.stdin.write_eof()
            _, err = await asyncio.gather(read_bounded(process.stdout), read_bounded(process.stderr))
            await process.wait_closed()
        finally:
            process.close()
        if process.exit_status:
            raise ShellError(f"{self._where}: cannot write {path}: {one_line(err) or process.exit_status}")

    @property
    def closed(self) -> bool:
        """True once the connection has ended, or was found to be dead."""
        return self._connection.is_closed()

    async def forward(self, host: str, port: int) -> tuple["asyncssh.SSHReader[bytes]", "asyncssh.SSHWriter[bytes]"]:
        """A TCP connection that the other side makes (direct-tcpip). Raises ShellError."""
        try:
            return await self._connection.open_connection(host, port, encoding=None)
        except (asyncssh.Error, OSError) as error:
            raise ShellError(f"{self._where}: {_said(error)}") from None

    async def open(self, script: str) -> "SshPipe":
        """See Shell."""
        try:
            async with asyncio.timeout(10):
                process = await self._connection.create_process(script, encoding=None, stderr=asyncssh.DEVNULL)
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise ShellError(f"{self._where}: {_said(error)}") from None
        return SshPipe(process)

    def abort(self) -> None:
        """See Shell."""
        self._connection.abort()

    async def close(self) -> None:
        """See Shell."""
        self._connection.abort()
        await self._connection.wait_closed()


def _said(error: Exception) -> str:
    """In one line; part of it may be the server's words."""
    return one_line(str(error)) or ("timed out" if isinstance(error, TimeoutError) else type(error).__name__)


class SshPipe:
    """The pipe of a remote process; see shell.Pipe."""

    def __init__(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._process = process

    async def read(self) -> bytes:
        """See Pipe."""
        try:
            return await self._process.stdout.read(65_536)
        except asyncssh.Error as error:
            raise ShellError(_said(error)) from None

    async def write(self, data: bytes) -> None:
        """See Pipe."""
        try:
            self._process.stdin.write(data)
        except (asyncssh.Error, OSError) as error:
            raise ShellError(_said(error)) from None

    def abort(self) -> None:
        """See Pipe."""
        with contextlib.suppress(asyncssh.Error, OSError):
            self._process.close()


class _KeepsNewKeys(asyncssh.SSHClient):
    """Trust on first use: an unknown host's key is kept in `known_hosts`; a changed one is refused."""

    def __init__(self, known_hosts: Path) -> None:
        self._known_hosts = known_hosts

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Called for a key that known_hosts does not have. Refuses when the host has another one there."""
        known = _keys(self._known_hosts, host, port)
        if any(known):
            return key in known[0]  # another login beside this one may just have kept it
        self._known_hosts.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._known_hosts.open("a") as file:
            file.write(f"{_entry(host, port)} {key.export_public_key().decode().strip()}\n")
        return True


def _entry(host: str, port: int) -> str:
    return host if port == SSH_PORT else f"[{host}]:{port}"


def _keys(known_hosts: Path, host: str, port: int) -> Sequence[Sequence[object]]:
    """What the file says of the host, its keys first; hashed and wildcard entries included."""
    try:
        return asyncssh.read_known_hosts(str(known_hosts)).match(_entry(host, port), "", None)
    except (OSError, ValueError):
        return ()


class SshRoute:
    """The way to one sshd. `open` may be called again while it has not returned: attempts take turns."""

    def __init__(self, host: str, port: int, access: SshAccess, handshakes: Handshakes) -> None:
        self._host, self._port, self._access, self._handshakes = host, port, access, handshakes
        self._where = f"{access.user + '@' if access.user else ''}{host}:{port}"
        # A proxy command logs in somewhere as well, as a rule at one bastion for all.
        self._servers = ((host, port), *([access.proxy_command] if access.proxy_command else []))
        self._turn = asyncio.Lock()

    async def open(self, limit_s: float = 5.0) -> tuple[SshShell, int]:
        """Log in: (shell, TCP attempts made). Tries TCP for `limit_s`. Raises ShellError with one clear line."""
        async with self._turn:
            entry = await self._handshakes.enter(*self._servers)
            sock, attempts = None, 1
            try:
                if not self._access.proxy_command:
                    sock, attempts = await dial_soon(self._access.dial, self._host, self._port, limit_s)
            except BaseException:
                entry.leave()
                raise
            login = asyncio.create_task(self._login(sock, entry))
            login.add_done_callback(lambda _: entry.leave())
            try:
                await asyncio.wait({login}, timeout=LOGIN_ALONE_S)
            except BaseException:
                _drop(login)
                raise
        try:
            return SshShell(await login, self._where), attempts
        except BaseException:
            _drop(login)
            raise

    async def _login(self, sock: socket.socket | None, entry: Entry) -> asyncssh.SSHClientConnection:
        host, port, where = self._host, self._port, self._where
        try:
            async with entry.handshake():
                options = _options(self._access, host, port)
                connection, _ = await asyncssh.create_connection(
                    _client(self._access), host, port, sock=sock, options=options
                )
        except BaseException as error:
            if sock is not None:
                sock.close()
            match error:
                case TimeoutError():
                    raise ShellError(f"{where}: it answers, but no SSH login came about") from None
                case asyncssh.HostKeyNotVerifiable():
                    raise LoginRefused(f"{where}: {_distrust(self._access, host, port)}") from None
                case asyncssh.PermissionDenied():
                    text = "login refused; check `user` and `key` of the scenario's tenants"
                    raise LoginRefused(f"{where}: {text}") from None
                case asyncssh.Error() | OSError() | ValueError():  # ValueError: an unreadable key or known_hosts
                    raise ShellError(f"{where}: {_said(error)}") from None
            raise
        return connection


def _drop(login: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
    """Nobody waits for it any more. It may be logging in, logged in, or have failed."""

    def close(task: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
        if not task.cancelled() and task.exception() is None:
            task.result().abort()

    login.add_done_callback(close)
    login.cancel()


def _distrust(access: SshAccess, host: str, port: int) -> str:
    store = access.known_hosts or OWN_KNOWN_HOSTS
    if any(_keys(Path(store).expanduser(), host, port)):
        return (
            f"its host key is not the one in {store}: the machine was built anew, or somebody stands in between;"
            f" check, then `ssh-keygen -R '{_entry(host, port)}' -f {store}`"
        )
    return f"host key not in {store}; check it and add it, or set `host_key: accept-new`"


def _client(access: SshAccess) -> Callable[[], asyncssh.SSHClient]:
    if access.host_key == "accept-new":
        return lambda: _KeepsNewKeys(Path(access.known_hosts or OWN_KNOWN_HOSTS).expanduser())
    return asyncssh.SSHClient


def _options(access: SshAccess, host: str, port: int) -> asyncssh.SSHClientConnectionOptions:
    extra: dict[str, object] = {}
    if access.user:
        extra["username"] = access.user
    if access.key:
        extra["client_keys"] = [str(Path(access.key).expanduser())]
    if access.known_hosts:
        path = Path(access.known_hosts).expanduser()
        # asyncssh takes whatever is empty for the user's own file, so a file that is not there yet is an object.
        extra["known_hosts"] = str(path) if path.exists() else asyncssh.import_known_hosts("")
    if access.proxy_command:
        words = shlex.split(access.proxy_command)
        extra["proxy_command"] = [w.replace("%h", host).replace("%p", str(port)) for w in words]
    if access.own_config:
        extra |= {"config": None, "agent_path": None}
    return asyncssh.SSHClientConnectionOptions(
        **extra,
        keepalive_interval=access.keepalive_s,
        keepalive_count_max=KEEPALIVES_LOST,
        connect_timeout=10,
        login_timeout=LOGIN_TIMEOUT_S,
        compression_algs=ALGORITHMS,
    )
