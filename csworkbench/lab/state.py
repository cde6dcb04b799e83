# SPDX-License-Identifier: Apache-2.0
"""The state directory: the only thing of a cloud that outlives it. Keys and seed stay valid."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import random
import secrets
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from csworkbench.lab.hosts import LabError
from csworkbench.lab.tenant import SshKeys

_SOCKET_PATH_LIMIT = 107
"""Bytes of a Unix socket's path that the kernel takes."""


class StateDirectory:
    """Paths and contents of one state directory."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.info_file = self.path / "lab.json"
        self.log_file = self.path / "lab.log"
        self.control_socket = self.path / "control.sock"
        self.connect_socket = self.path / "connect.sock"
        self.user_key = self.path / "id_ed25519"
        self.known_hosts = self.path / "known_hosts"
        self._host_keys = self.path / "hosts"
        self._lock: IO[str] | None = None

    def prepare(self) -> None:
        """Create it, private to this user. Raises LabError when its path cannot hold a socket or it is not ours."""
        if len(os.fsencode(self.connect_socket)) > _SOCKET_PATH_LIMIT:
            raise LabError(f"the path of the state directory is too long for a Unix socket: {self.path}")
        try:
            self._host_keys.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as error:
            raise LabError(f"the state directory cannot be used: {error}") from error

    def lock(self) -> None:
        """Hold the directory until this process ends. Raises LabError when another cloud is up in it."""
        self._lock = (self.path / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(f"a cloud is already up in {self.path} (end it with `csworkbench lab down`)") from None
        for stale in (self.control_socket, self.connect_socket, self.info_file):
            stale.unlink(missing_ok=True)

    def rng(self) -> random.Random:
        """The source of ids and MAC addresses: the same sequence at each start."""
        file = self.path / "seed"
        if not file.exists():
            _write_private(file, str(secrets.randbits(64)))
        return random.Random(int(file.read_text()))  # noqa: S311 - addresses and ids, nothing secret

    def api_keys(self) -> tuple[str, str]:
        """API key and secret."""
        file = self.path / "api.json"
        if not file.exists():
            _write_private(file, json.dumps([secrets.token_urlsafe(64), secrets.token_urlsafe(64)]))
        key, secret = json.loads(file.read_text())
        return key, secret

    async def ssh_keys(self, addresses: dict[str, str]) -> dict[str, SshKeys]:
        """Keys per tenant, `{name: public address}`; made where missing. Writes known_hosts."""
        files = {name: self._host_keys / name for name in addresses}
        missing = [file for file in (self.user_key, *files.values()) if not (file.exists() and _public(file).exists())]
        for file in missing:
            file.unlink(missing_ok=True)
        await asyncio.gather(*(_make_key(file) for file in missing))
        authorized = _public(self.user_key).read_text()
        lines = [
            f"{addresses[name]} {' '.join(_public(file).read_text().split()[:2])}\n" for name, file in files.items()
        ]
        _write_private(self.known_hosts, "".join(lines))
        return {name: SshKeys(file.read_text(), authorized) for name, file in files.items()}

    def write_info(self, info: dict[str, Any]) -> None:
        """Publish the info object; it holds the API secret."""
        _write_private(self.info_file, json.dumps(info))

    def clear(self) -> None:
        """Remove what means that a cloud is up."""
        for file in (self.info_file, self.control_socket, self.connect_socket):
            with suppress(OSError):
                file.unlink(missing_ok=True)


def _public(file: Path) -> Path:
    return file.with_name(f"{file.name}.pub")


async def _make_key(file: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "csworkbench lab", "-f", str(file)),
        stdin=asyncio.subprocess.DEVNULL,
    )
    if await process.wait() != 0:
        raise LabError(f"ssh-keygen could not write {file}")


def _write_private(file: Path, text: str) -> None:
    """Replace a file at once; readable by its owner only."""
    fresh = file.with_name(f".{file.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    fresh.replace(file)
