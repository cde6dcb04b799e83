# SPDX-License-Identifier: Apache-2.0
"""One way to run things on a vantage, whether over SSH, through a prefix of words, or on this host."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

OUTPUT_LIMIT = 65_536


class ShellError(Exception):
    """The vantage could not be reached, or a command could not be run; one clear line."""


class LoginRefused(ShellError):
    """Somebody answered, but not with the right host key, or would not let us in: trying again soon will not help."""


class Reader(Protocol):
    """Where the output of a command is read from."""

    async def read(self, n: int, /) -> bytes:
        """The next bytes, empty at the end."""
        ...


def one_line(text: str, limit: int = 300) -> str:
    """What somebody else said, as one bounded line."""
    return " ".join(text.split())[:limit]


async def read_bounded(reader: Reader) -> str:
    """All output. Raises ShellError beyond OUTPUT_LIMIT: who talks without end must not fill our memory."""
    data = b""
    while more := await reader.read(OUTPUT_LIMIT):
        data += more
        if len(data) > OUTPUT_LIMIT:
            raise ShellError(f"a command said more than {OUTPUT_LIMIT >> 10} KiB")
    return data.decode("utf-8", "replace")


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
            _kill(process)

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
        assert process.stdout is not None and process.stderr is not None  # noqa: S101 - opened with PIPE
        try:
            async with asyncio.timeout(timeout_s):
                out, err, _ = await asyncio.gather(
                    read_bounded(process.stdout), read_bounded(process.stderr), _feed(process, data)
                )
                status = await process.wait()
        except TimeoutError:
            raise ShellError(f"no end after {timeout_s:.0f} s: {script[:80]}") from None
        finally:
            _kill(process)
        return Completed(status, out, err)


def _kill(process: asyncio.subprocess.Process) -> None:
    """Not with its own method: that one may reap the process, and asyncio then complains that it is gone."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


async def _feed(process: asyncio.subprocess.Process, data: bytes | None) -> None:
    assert process.stdin is not None  # noqa: S101 - opened with PIPE
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it need not read what we say
        process.stdin.write(data or b"")
        await process.stdin.drain()
    process.stdin.close()


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
        _kill(self._process)
