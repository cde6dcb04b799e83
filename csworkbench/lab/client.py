# SPDX-License-Identifier: Apache-2.0
"""Talking to a running cloud from a command: small and synchronous, because `lab nc` and `lab exec` must start fast."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from csworkbench.lab import wire

_CHUNK = 65536


class NotUpError(Exception):
    """No cloud is up in that state directory."""


class RefusedError(Exception):
    """The cloud refused; the text is its one line."""


def info(state: Path) -> dict[str, Any]:
    """The info object of the cloud that is up there; raises NotUpError."""
    with suppress(OSError, ValueError):
        published = json.loads((state / "lab.json").read_text())
        if _alive(published):
            return dict(published)
    raise NotUpError(f"no cloud is up in {state} (start one with `csworkbench lab up`)")


def ask(state: Path, message: wire.Message, descriptors: Sequence[int] = ()) -> Iterator[wire.Message]:
    """Send one command and yield the replies; raises NotUpError or RefusedError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
        try:
            channel.connect(str(state / "control.sock"))
        except OSError as error:
            raise NotUpError(f"no cloud is up in {state} (start one with `csworkbench lab up`)") from error
        wire.send(channel, message, descriptors)
        while True:
            received = wire.receive(channel)
            if received is None:
                raise RefusedError("the cloud ended")
            reply, _ = received
            if "error" in reply:
                raise RefusedError(str(reply["error"]))
            yield reply
            if reply.get("done", False):
                return


def down(state: Path) -> None:
    """End the cloud and wait until its processes are gone; raises NotUpError."""
    published = info(state)
    watched = [os.pidfd_open(published["pid"])]
    with suppress(ProcessLookupError):
        watched.append(os.pidfd_open(published["supervisor_pid"]))
    try:
        for _ in ask(state, {"op": "down"}):
            pass
    except (NotUpError, RefusedError, OSError):
        signal.pidfd_send_signal(watched[0], signal.SIGKILL)
    for descriptor in watched:
        if not _ended(descriptor, 5.0):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            _ended(descriptor, 5.0)
    wire.close_all(watched)


def connect(state: Path, host: str, port: int) -> socket.socket:
    """A TCP connection made by the cloud's outside host; raises NotUpError or RefusedError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        try:
            channel.connect(str(state / "connect.sock"))
        except OSError as error:
            raise NotUpError(f"no cloud is up in {state} (start one with `csworkbench lab up`)") from error
        channel.sendall(f"CONNECT {host} {port}\n".encode())
        data, descriptors, _, _ = socket.recv_fds(channel, 512, 1, socket.MSG_CMSG_CLOEXEC)
        if not descriptors:
            raise RefusedError(data.decode(errors="replace").removeprefix("ERR ").strip() or "the cloud ended")
        return socket.socket(fileno=descriptors[0])


def pass_or_pump(connection: socket.socket) -> None:
    """Give the connection to ssh (ProxyUseFdpass), else copy bytes between it and standard input and output."""
    if _is_fdpass():
        with socket.socket(fileno=os.dup(1)) as parent:
            socket.send_fds(parent, [b"\0"], [connection.fileno()])
        return
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        with suppress(PermissionError):  # a regular file: epoll refuses it
            selector.register(0, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is connection:
                    data = connection.recv(_CHUNK)
                    if not data:
                        return
                    _write_all(data)
                elif data := os.read(0, _CHUNK):
                    connection.sendall(data)
                else:
                    selector.unregister(0)
                    connection.shutdown(socket.SHUT_WR)


def _is_fdpass() -> bool:
    """With ProxyUseFdpass ssh gives one Unix socket as both standard input and output."""
    read, write = os.fstat(0), os.fstat(1)
    return stat.S_ISSOCK(write.st_mode) and (read.st_dev, read.st_ino) == (write.st_dev, write.st_ino)


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def _ended(descriptor: int, limit_s: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(limit_s))


def _alive(published: dict[str, Any]) -> bool:
    text = Path(f"/proc/{published['pid']}/stat").read_text()
    started = int(text.rpartition(")")[2].split()[19])
    return started == int(published["start_time"])
