# SPDX-License-Identifier: Apache-2.0
"""The outer process's handle on a host of the lab: run programs there, open connections from there, end it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from csworkbench.lab import wire

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of everything inside the lab: the system's own programs, never a virtual environment's or pyenv's."""


class LabError(Exception):
    """Something of the lab failed; the text is one line for a person."""


def first_error(error: BaseException) -> BaseException:
    """The first one that is no group: a group of errors has no text that helps a person."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program left: exit status (negative: signal) and its output."""

    status: int
    output: str
    errors: str


class Channel:
    """Requests to one agent and its answers, in asyncio."""

    def __init__(self, name: str, end: socket.socket) -> None:
        self.name = name
        self._end = end
        self._end.setblocking(False)
        self._next = 0
        self._answers: dict[int, asyncio.Future[tuple[wire.Message, list[int]]]] = {}
        self._exits: dict[int, asyncio.Future[int]] = {}
        self._send_lock = asyncio.Lock()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._end, self._on_readable)

    async def request(self, message: wire.Message, descriptors: Sequence[int] = ()) -> tuple[wire.Message, list[int]]:
        """Ask and wait for the answer; raises LabError when the agent reports an error or is gone."""
        self._next += 1
        identity = self._next
        answer: asyncio.Future[tuple[wire.Message, list[int]]] = asyncio.get_running_loop().create_future()
        self._answers[identity] = answer
        try:
            await self._send({"id": identity, **message}, descriptors)
            reply, received = await answer
        finally:
            self._answers.pop(identity, None)
        if "error" in reply:
            wire.close_all(received)
            raise LabError(f"{self.name}: {reply['error']}")
        return reply, received

    def exit_of(self, pid: int) -> asyncio.Future[int]:
        """Resolves to the exit status of a program that this agent started; ask once, after its start was answered."""
        early = self._exits.pop(pid, None)
        if early is not None:
            return early
        return self._exits.setdefault(pid, asyncio.get_running_loop().create_future())

    def close(self) -> None:
        """End the channel, and with it the host behind it."""
        if self._end.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._end)
        self._end.close()
        gone = LabError(f"{self.name} is gone")
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(gone)
        for exit_status in self._exits.values():
            if not exit_status.done():
                exit_status.set_result(-signal.SIGKILL)
        if not self.ready.done():
            self.ready.set_exception(gone)
            self.ready.exception()  # retrieved: nobody may be waiting
        if not self.closed.done():
            self.closed.set_result(None)

    async def _send(self, message: wire.Message, descriptors: Sequence[int]) -> None:
        async with self._send_lock:
            while True:
                try:
                    wire.send(self._end, message, descriptors)
                    return
                except BlockingIOError:
                    await _writable(self._end)
                except OSError as error:
                    raise LabError(f"{self.name} is gone") from error

    def _on_readable(self) -> None:
        try:
            received = wire.receive(self._end)
        except BlockingIOError:
            return
        except OSError:
            received = None
        if received is None:
            self.close()
            return
        message, descriptors = received
        match message.get("event"):
            case "exit":
                exit_status = self._exits.pop(message["pid"], None)
                if exit_status is None:  # the answer to its start has not been consumed yet
                    exit_status = self._exits.setdefault(message["pid"], asyncio.get_running_loop().create_future())
                exit_status.set_result(message["status"])
            case "ready" if not self.ready.done():
                if "error" in message:
                    self.ready.set_exception(LabError(f"{self.name}: {message['error']}"))
                else:
                    self.ready.set_result(None)
            case _:
                answer = self._answers.get(message["id"])
                if answer is None or answer.done():
                    wire.close_all(descriptors)
                else:
                    answer.set_result((message, descriptors))


async def _writable(end: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def on_writable() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_writer(end, on_writable)
    try:
        await ready
    finally:
        loop.remove_writer(end)


@dataclass(slots=True)
class Running:
    """A program on a host."""

    pid: int
    exited: asyncio.Future[int]
    _channel: Channel

    async def ended(self) -> int:
        """Its exit status, when it has ended; to give up waiting leaves `exited` as it is."""
        return await asyncio.shield(self.exited)

    async def signal(self, number: int) -> None:
        """Signal its first process alone. Nothing happens when that has ended."""
        await self._signal(number, group=False)

    async def kill(self) -> None:
        """End it and its children; what made a session of its own lives on. Nothing happens when it has ended."""
        await self._signal(signal.SIGKILL, group=True)

    async def _signal(self, number: int, *, group: bool) -> None:
        if not self.exited.done():
            with suppress(LabError):
                await self._channel.request({"op": "kill", "pid": self.pid, "signal": number, "group": group})


@dataclass(slots=True)
class Host:
    """One host: a tenant, a router, `gateway`, `outside`, or the fabric itself."""

    name: str
    pid: int
    channel: Channel
    gone: asyncio.Future[int]
    """Resolves when its PID 1, and with it every process of it, has ended."""
    environment: Mapping[str, str] = field(default_factory=lambda: {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"})

    async def spawn(
        self, argv: Sequence[str], descriptors: Sequence[int], environment: Mapping[str, str] | None = None
    ) -> Running:
        """Start a program with these three standard descriptors. Raises LabError when it cannot be started."""
        message = {"op": "spawn", "argv": list(argv), "env": {**self.environment, **(environment or {})}}
        reply, _ = await self.channel.request(message, descriptors)
        return Running(reply["pid"], self.channel.exit_of(reply["pid"]), self.channel)

    async def run(self, *argv: str, text: str = "", check: bool = True) -> Completed:
        """Run a program to its end; raises LabError with its last error line when it fails and `check` is set."""
        message = {"op": "spawn", "argv": list(argv), "env": dict(self.environment)}
        done = await self._to_the_end(message, text)
        if check and done.status != 0:
            last = (done.errors.strip().splitlines() or ["no error text"])[-1]
            raise LabError(f"{self.name}: {argv[0]} failed ({done.status}): {last}")
        return done

    async def serve(self, function: str, descriptors: Sequence[int], **arguments: object) -> Running:
        """Start one of `calls.CALLS` that does not return; it lives as a process of this host."""
        message = {"op": "call", "function": function, "arguments": arguments}
        reply, _ = await self.channel.request(message, descriptors)
        return Running(reply["pid"], self.channel.exit_of(reply["pid"]), self.channel)

    async def call(self, function: str, **arguments: object) -> dict[str, Any]:
        """Run one of `calls.CALLS` inside the host; raises LabError with its error."""
        done = await self._to_the_end({"op": "call", "function": function, "arguments": arguments}, "")
        if done.status != 0:
            raise LabError(f"{self.name}: {function}: {done.errors.strip()}")
        return dict(json.loads(done.output))

    async def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """A TCP connection made from inside the host; raises LabError (refused, timed out, unreachable)."""
        message = {"op": "connect", "host": host, "port": port, "timeout": timeout}
        _, descriptors = await self.channel.request(message)
        return socket.socket(fileno=descriptors[0])

    async def open(self, path: str, flags: int) -> int:
        """A descriptor, now the caller's, of a file inside the host; raises LabError. A FIFO: with O_NONBLOCK only."""
        _, descriptors = await self.channel.request({"op": "open", "path": path, "flags": flags})
        return descriptors[0]

    async def listen(self, host: str, port: int) -> socket.socket:
        """A TCP socket that listens inside the host; raises LabError (in use, no such address)."""
        _, descriptors = await self.channel.request({"op": "listen", "host": host, "port": port})
        return socket.socket(fileno=descriptors[0])

    async def write(self, files: Mapping[str, str]) -> None:
        """Write small files inside the host; what is not text comes with surrogate escapes."""
        await self.channel.request({"op": "write", "files": dict(files)})

    async def _to_the_end(self, message: wire.Message, text: str) -> Completed:
        """Memory files as standard descriptors: nothing has to be pumped while the program runs."""
        files = [os.memfd_create(name, os.MFD_CLOEXEC) for name in ("stdin", "stdout", "stderr")]
        try:
            if text:
                os.write(files[0], text.encode())
                os.lseek(files[0], 0, os.SEEK_SET)
            reply, _ = await self.channel.request(message, files)
            running = Running(reply["pid"], self.channel.exit_of(reply["pid"]), self.channel)
            try:
                status = await running.ended()
            except asyncio.CancelledError:
                await running.kill()
                raise
            return Completed(status, _content(files[1]), _content(files[2]))
        finally:
            wire.close_all(files)


def _content(descriptor: int) -> str:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")
