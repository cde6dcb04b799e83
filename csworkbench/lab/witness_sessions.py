# SPDX-License-Identifier: Apache-2.0
"""Long TCP sessions that the witness keeps while it probes, and the echo server that one of them talks to."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from csworkbench.lab.witness_loop import Loop

PERIOD_NS = 20_000_000
_USER = "ops"
_REMOTE = {
    "types": "cat",
    "pushes": "bash -c 'while :; do read -rt 0.02; [ $? -gt 128 ] || exit; echo .; done'",
}
"""What runs behind an ssh session. `read` that times out waits without starting a process each time."""


class Session:
    """Bytes that should come every 20 ms. A kind says where from; `close` ends it."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._last_ns = self._longest_ns = self._stalled_ns = 0
        self._ended = False
        self.stop_ns: int | None = None
        """When probing was stopped: bytes after it show that the session lives."""

    @property
    def answered(self) -> bool:
        """Whether bytes have ever come."""
        return self._last_ns > 0

    def is_over(self, silence_ns: int) -> bool:
        """Whether it is known how it ended: bytes after the stop, no connection any more, or silence for so long."""
        lives = self.stop_ns is not None and self._last_ns > self.stop_ns
        return self._ended or lives or self._gap_ns() > silence_ns

    def report(self) -> dict[str, Any]:
        """`reset`: the connection ended; `stalled`: nothing came any more."""
        alive = self.answered and not self._ended and (self.stop_ns is None or self._last_ns > self.stop_ns)
        reason = None if alive else "reset" if self._ended else "stalled"
        silent_ns = 0 if alive or self._ended else self._gap_ns()
        return {"alive": alive, "reason": reason, "longest_gap_ms": round(max(self._longest_ns, silent_ns) / 1e6, 3)}

    def _came(self, data: bytes) -> None:
        if self.answered:
            self._longest_ns = max(self._longest_ns, self._gap_ns())
        if not data:
            self._ended = True
            return
        self._last_ns, self._stalled_ns = time.monotonic_ns(), self._loop.stalled_ns

    def _gap_ns(self) -> int:
        """Since the last bytes, less what this process itself slept through."""
        return max(0, time.monotonic_ns() - self._last_ns - (self._loop.stalled_ns - self._stalled_ns))

    def close(self) -> None:
        """End it."""
        raise NotImplementedError


class SshSession(Session):
    """`ssh ADDRESS`: either types every 20 ms and sees it echoed, or listens to what the other end pushes."""

    def __init__(self, loop: Loop, address: str, port: int, kind: str, key: Path) -> None:
        super().__init__(loop)
        words = ["ssh", "-F", "none", "-T", "-i", str(key), "-p", str(port), "-l", _USER]
        for option in (
            *("BatchMode=yes", "IdentitiesOnly=yes", "TCPKeepAlive=no", "ServerAliveInterval=0", "LogLevel=ERROR"),
            *("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"),  # a namespace of our own: no stranger in it
        ):
            words += ["-o", option]
        their_input, self._input = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._output, their_output = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(their_input, True)
        actions = [(os.POSIX_SPAWN_DUP2, their_input, 0), (os.POSIX_SPAWN_DUP2, their_output, 1)]
        self._pid = os.posix_spawnp(
            "ssh", [*words, address, _REMOTE[kind]], dict(os.environ), file_actions=actions, setsid=True
        )
        os.close(their_input)
        os.close(their_output)
        loop.watch(self._output, self._read)
        if kind == "types":
            loop.every(PERIOD_NS, self._type)

    def _type(self) -> None:
        with suppress(OSError):  # full while the session is stalled, closed when it has ended
            os.write(self._input, b".\n")

    def _read(self) -> None:
        data = os.read(self._output, 65536)
        if not data:
            self._loop.forget(self._output)
        self._came(data)

    def close(self) -> None:
        """Kill the client."""
        self._loop.forget(self._output)
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


class EchoSession(Session):
    """A TCP connection to an `EchoServer`, to which we write every 20 ms."""

    def __init__(self, loop: Loop, address: str, port: int) -> None:
        super().__init__(loop)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        code = self._socket.connect_ex((address, port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.watch(self._socket.fileno(), self._read)
        loop.every(PERIOD_NS, self._write)

    def _write(self) -> None:
        with suppress(OSError):  # not connected yet, full while stalled; an end is seen where it is read
            self._socket.send(b".")

    def _read(self) -> None:
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.forget(self._socket.fileno())
        self._came(data)

    def close(self) -> None:
        """Close the connection."""
        self._loop.forget(self._socket.fileno())
        self._socket.close()


class EchoServer:
    """Sends back what it gets. Raises OSError when the port is taken."""

    def __init__(self, loop: Loop, port: int) -> None:
        self._loop = loop
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("", port))
        self._listener.listen()
        loop.watch(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        client.setblocking(False)
        self._loop.watch(client.fileno(), self._echo(client), select.EPOLLIN)

    def _echo(self, client: socket.socket) -> Callable[[], None]:
        def echo() -> None:
            try:
                data = client.recv(65536)
                if data:
                    client.send(data)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._loop.forget(client.fileno())
                client.close()

        return echo
