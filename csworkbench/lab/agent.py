# SPDX-License-Identifier: Apache-2.0
"""PID 1 of every host of the lab: starts programs, reaps them, and opens sockets inside its namespaces on request.

It is forked, never executed, so a host costs milliseconds. One thread, no event loop library: fork stays safe.
Requests arrive as `{"id", "op", ...}` and are answered with the same id; a program's end is told as
`{"event": "exit", "pid", "status"}`. End of the channel is the end of the host: its pid namespace dies with it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from csworkbench.lab import wire
from csworkbench.lab.calls import CALLS

_FIRST_FREE = 3
_STANDARD = (0, 1, 2)


class Agent:
    """The request loop; `run` returns at end of the channel."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._selector = selectors.DefaultSelector()
        self._pending: dict[socket.socket, tuple[int, float]] = {}
        self._wakeup, wakeup_writer = socket.socketpair()
        self._wakeup.setblocking(False)
        wakeup_writer.setblocking(False)
        self._wakeup_writer = wakeup_writer
        self._started: set[int] = set()
        self._operations: dict[str, Callable[[wire.Message, list[int]], wire.Message | None]] = {
            "spawn": self._spawn,
            "call": self._call,
            "kill": self._kill,
            "connect": self._connect,
            "listen": self._listen,
            "write": self._write,
            "open": self._open,
            "watch": lambda message, _: self._told(message["pid"]),
        }

    def add(self, name: str, operation: Callable[[wire.Message, list[int]], wire.Message | None]) -> None:
        """Offer one more operation; it returns its reply, or None when it answers by itself."""
        self._operations[name] = operation

    def run(self) -> None:
        """Serve until the other end of the channel is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup_writer.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._channel, selectors.EVENT_READ)
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select(self._nearest_deadline()):
                if key.fileobj is self._channel:
                    if not self._serve_one():
                        return
                elif key.fileobj is self._wakeup:
                    self._reap()
                else:
                    assert isinstance(key.fileobj, socket.socket)  # noqa: S101
                    self._finish_connect(key.fileobj)
            self._expire()

    def _serve_one(self) -> bool:
        try:
            received = wire.receive(self._channel)
        except ConnectionError:
            received = None
        if received is None:
            return False
        message, descriptors = received
        try:
            reply = self._operations[message["op"]](message, descriptors)
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        finally:
            wire.close_all(descriptors)
        if reply is not None:
            self._send({"id": message["id"], **reply})
        return True

    def _send(self, message: wire.Message, descriptors: Sequence[int] = ()) -> None:
        with contextlib.suppress(ConnectionError):  # the other end is gone: the next read ends the loop
            wire.send(self._channel, message, descriptors)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakeup.recv(4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid not in self._started:
                continue  # an orphan that came to PID 1
            self._started.discard(pid)
            self._send({"event": "exit", "pid": pid, "status": os.waitstatus_to_exitcode(status)})

    def _spawn(self, message: wire.Message, descriptors: list[int]) -> wire.Message:
        actions = [(os.POSIX_SPAWN_DUP2, source, target) for target, source in zip(_STANDARD, descriptors, strict=True)]
        pid = os.posix_spawnp(
            message["argv"][0],
            message["argv"],
            message["env"],
            file_actions=actions,
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
        )
        return self._told(pid)

    def _told(self, pid: int) -> wire.Message:
        self._started.add(pid)
        return {"pid": pid}

    def _call(self, message: wire.Message, descriptors: list[int]) -> wire.Message:
        """Run a registered function of this program in a child: no interpreter start, and its own failure only."""
        function = CALLS[message["function"]]
        pid = os.fork()
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.setpgid(pid, pid)  # as what is spawned: a group of its own, before anybody may kill it
            return self._told(pid)
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for target, source in zip(_STANDARD, descriptors, strict=True):
                os.dup2(source, target)
            os.closerange(_FIRST_FREE, 1024)
            os.write(1, function(**message["arguments"]).encode())
            status = 0
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(status)

    def _kill(self, message: wire.Message, _descriptors: list[int]) -> wire.Message:
        with contextlib.suppress(ProcessLookupError):
            if message["group"]:
                os.killpg(message["pid"], message["signal"])
            else:
                os.kill(message["pid"], message["signal"])
        return {}

    def _write(self, message: wire.Message, _descriptors: list[int]) -> wire.Message:
        for path, text in message["files"].items():
            Path(path).write_text(text, errors="surrogateescape")
        return {}

    def _open(self, message: wire.Message, _descriptors: list[int]) -> None:
        """A file or FIFO of the host, for the outer process."""
        opened = os.open(message["path"], message["flags"] | os.O_CLOEXEC)
        self._send({"id": message["id"]}, [opened])
        os.close(opened)

    def _connect(self, message: wire.Message, _descriptors: list[int]) -> wire.Message | None:
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        opened.setblocking(False)
        code = opened.connect_ex((message["host"], message["port"]))
        if code not in (0, errno.EINPROGRESS):
            opened.close()
            return {"error": os.strerror(code)}
        self._pending[opened] = (message["id"], time.monotonic() + message["timeout"])
        self._selector.register(opened, selectors.EVENT_WRITE)
        return None

    def _listen(self, message: wire.Message, _descriptors: list[int]) -> None:
        with socket.create_server((message["host"], message["port"]), backlog=128) as opened:
            self._send({"id": message["id"]}, [opened.fileno()])

    def _finish_connect(self, opened: socket.socket) -> None:
        code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._answer_connect(opened, os.strerror(code) if code else None)

    def _expire(self) -> None:
        now = time.monotonic()
        for opened in [opened for opened, (_, deadline) in self._pending.items() if deadline <= now]:
            self._answer_connect(opened, os.strerror(errno.ETIMEDOUT))

    def _answer_connect(self, opened: socket.socket, error: str | None) -> None:
        identity, _ = self._pending.pop(opened)
        self._selector.unregister(opened)
        if error is None:
            opened.setblocking(True)
            self._send({"id": identity}, [opened.fileno()])
        else:
            self._send({"id": identity, "error": error})
        opened.close()

    def _nearest_deadline(self) -> float | None:
        if not self._pending:
            return None
        return max(0.0, min(deadline for _, deadline in self._pending.values()) - time.monotonic())


def detach_standard() -> None:
    """Point 0, 1 and 2 at /dev/null, so that descriptors which arrive later never take these numbers."""
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open("/dev/null", os.O_RDWR)
    for target in _STANDARD:
        os.dup2(null, target)
    if null not in _STANDARD:
        os.close(null)
