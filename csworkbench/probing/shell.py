# SPDX-License-Identifier: Apache-2.0
"""One way to run things on a vantage, whether over SSH, through a prefix of words, or on this host."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

OUTPUT_LIMIT = 65_536


class ShellError(Exception):
    """The vantage could not be reached, or a command could not be run; one clear line."""


@dataclass(frozen=True, slots=True)
class Completed:
    """Exit status and bounded output of a finished command."""

    status: int
    out: str
    err: str


class Pipe(Protocol):
    """A running command with its standard input and output."""

    async def read(self) -> bytes:
        """The next bytes, empty at the end. May raise OSError or ShellError when the channel broke."""
        ...

    async def write(self, data: bytes) -> None:
        """Write to the command. May raise OSError or ShellError."""
        ...

    def abort(self) -> None:
        """Drop it now, without waiting for the other side."""
        ...


class Shell(Protocol):
    """A vantage that can be talked to. Scripts are POSIX sh; paths in `put` are relative to the user's home."""

    async def run(self, script: str, timeout_s: float = 30.0) -> Completed:
        """Run a script to its end. Raises ShellError."""
        ...

    async def put(self, data: bytes, path: str) -> None:
        """Write a file. Raises ShellError."""
        ...

    async def open(self, script: str) -> Pipe:
        """Start a script and keep its standard input and output. Raises ShellError."""
        ...

    def abort(self) -> None:
        """Drop the connection and all that runs over it, without waiting."""
        ...

    async def close(self) -> None:
        """Drop it and wait until it is gone here; never for the other side."""
        ...


class ExecShell:
    """A vantage reached by putting words before each command; with none, this host."""

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        self._prefix = tuple(prefix)
        self._processes: set[asyncio.subprocess.Process] = set()

    async def run(self, script: str, timeout_s: float = 30.0) -> Completed:
        """See Shell."""
        return await self._communicate(script, None, timeout_s)

    async def put(self, data: bytes, path: str) -> None:
        """See Shell."""
        done = await self._communicate(f'cat > "$HOME/{path}"', data, 60.0)
        if done.status:
            raise ShellError(f"could not write {path}: {done.err.strip()[:200]}")

    async def open(self, script: str) -> "ExecPipe":
        """See Shell."""
        return ExecPipe(await self._start(script, stderr=asyncio.subprocess.DEVNULL))

    def abort(self) -> None:
        """See Shell."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()

    async def close(self) -> None:
        """See Shell."""
        self.abort()
        await asyncio.gather(*(process.wait() for process in self._processes))

    async def _start(self, script: str, stderr: int) -> asyncio.subprocess.Process:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._prefix, "sh", "-c", script,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=stderr, limit=1 << 20,
            )  # fmt: skip
        except OSError as error:
            raise ShellError(f"could not start {self._prefix[0] if self._prefix else 'sh'}: {error.strerror}") from None
        self._processes = {p for p in self._processes if p.returncode is None} | {process}
        return process

    async def _communicate(self, script: str, data: bytes | None, timeout_s: float) -> Completed:
        process = await self._start(script, asyncio.subprocess.PIPE)
        try:
            out, err = await asyncio.wait_for(process.communicate(data), timeout_s)
        except TimeoutError:
            raise ShellError(f"no end after {timeout_s:.0f} s: {script[:80]}") from None
        finally:
            if process.returncode is None:
                process.kill()
        texts = [b[:OUTPUT_LIMIT].decode("utf-8", "replace") for b in (out, err)]
        return Completed(process.returncode or 0, *texts)


class ExecPipe:
    """The pipe of a local process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read(self) -> bytes:
        """See Pipe."""
        assert self._process.stdout is not None  # noqa: S101 - opened with PIPE
        return await self._process.stdout.read(65_536)

    async def write(self, data: bytes) -> None:
        """See Pipe."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    def abort(self) -> None:
        """See Pipe."""
        if self._process.returncode is None:
            self._process.kill()
