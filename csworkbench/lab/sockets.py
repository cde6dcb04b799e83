# SPDX-License-Identifier: Apache-2.0
"""The cloud's two Unix sockets: `connect.sock` hands out TCP connections, `control.sock` takes `lab`'s commands."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from csworkbench.lab import wire
from csworkbench.lab.cloud import Cloud
from csworkbench.lab.hosts import LabError
from csworkbench.lab.mac_swap import swap_mac
from csworkbench.lab.manage import manage

_log = logging.getLogger(__name__)
CONNECT_LIMIT_S = 10.0
_LONGEST_LINE = 300
_BACKLOG = 256
_PORTS = range(1, 65536)


class Listener:
    """Accepts on a Unix socket and runs one task per client."""

    def __init__(self, path: Path, kind: socket.SocketKind, serve: Callable[[socket.socket], Awaitable[None]]) -> None:
        self._serve = serve
        self._clients: set[asyncio.Task[None]] = set()
        self._socket = socket.socket(socket.AF_UNIX, kind)
        self._socket.setblocking(False)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._socket.listen(_BACKLOG)
        self._task = asyncio.create_task(self._accept(), name=f"accept {path.name}")

    async def close(self) -> None:
        """Stop accepting and end the clients."""
        tasks = [self._task, *self._clients]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._socket.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self._socket)
            task = asyncio.create_task(self._run(client))
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)

    async def _run(self, client: socket.socket) -> None:
        with client:
            client.setblocking(False)
            try:
                await self._serve(client)
            except (OSError, ValueError, KeyError, TypeError) as error:
                _log.debug("client: %s", error)


def connector(cloud: Cloud) -> Callable[[socket.socket], Awaitable[None]]:
    """Serves `CONNECT host port`: one line in, one line and a connected socket out."""

    async def serve(client: socket.socket) -> None:
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                host, port = _parse(await _line(client))
                connected = await cloud.host("outside").connect(host, port, CONNECT_LIMIT_S)
        except (LabError, ValueError, TimeoutError) as error:
            text = " ".join(str(error).split()) or "timed out"
            client.send(f"ERR {text}\n".encode()[:_LONGEST_LINE])
            return
        with connected:
            socket.send_fds(client, [b"OK\n"], [connected.fileno()])

    return serve


async def _line(client: socket.socket) -> str:
    data = b""
    while b"\n" not in data:
        more = await asyncio.get_running_loop().sock_recv(client, _LONGEST_LINE)
        data += more
        if not more or len(data) > _LONGEST_LINE:
            raise ValueError("expected `CONNECT host port`")
    return data.split(b"\n", 1)[0].decode("ascii", "replace")


def _parse(line: str) -> tuple[str, int]:
    words = line.split()
    if len(words) != 3 or words[0] != "CONNECT" or not words[2].isdigit() or int(words[2]) not in _PORTS:
        raise ValueError("expected `CONNECT host port`")
    try:
        return str(ipaddress.IPv4Address(words[1])), int(words[2])
    except ValueError:
        raise ValueError(f"not an IPv4 address: {words[1][:40]}") from None


def controller(
    cloud: Cloud, info: dict[str, object], stop: Callable[[], None]
) -> Callable[[socket.socket], Awaitable[None]]:
    """Serves one command per connection: a message in, messages out, the last one with `done`."""

    async def serve(client: socket.socket) -> None:
        message, descriptors = await _receive(client)
        try:
            match message.get("op"):
                case "status":
                    _send(client, {"done": True, "info": info})
                case "down":
                    _send(client, {"done": True})
                    stop()
                case "exec":
                    await _execute(cloud, client, message, descriptors)
                case "break":
                    made = await asyncio.shield(cloud.cut(str(message["path"]), int(message["ms"])))
                    _send(client, {"done": True, "made": made})
                case "swap-mac":
                    swapping = swap_mac(
                        cloud,
                        str(message["network"]),
                        int(message["gap_ms"]),
                        garp=bool(message.get("garp", True)),
                        follow_s=float(message.get("follow_s", 0.0)),
                    )
                    _send(client, {"done": True, "made": await asyncio.shield(swapping)})
                case "fault":
                    if message.get("name") is not None:
                        await cloud.faults.change(str(message["name"]), on=not message.get("off", False))
                    _send(client, {"done": True, "faults": cloud.faults.listing()})
                case "manage":
                    _send(client, {"done": True, "text": await manage(cloud.management, message)})
                case "truth":
                    await _tell_truth(cloud, client, message)
                case _:
                    _send(client, {"done": True, "error": "unknown operation"})
        except LabError as error:
            _send(client, {"done": True, "error": str(error)})
        finally:
            wire.close_all(descriptors)

    return serve


async def _tell_truth(cloud: Cloud, client: socket.socket, message: wire.Message) -> None:
    if "action" not in message:
        for made in [*cloud.truth, *cloud.management.orchestrator.routers.handovers]:
            _send(client, {"made": made})
    for line in await asyncio.shield(cloud.witnessing.obey(message)):
        _send(client, {"made": line})
    _send(client, {"done": True})


async def _execute(cloud: Cloud, client: socket.socket, message: wire.Message, descriptors: list[int]) -> None:
    """Run a program with the client's own descriptors; it ends when the client does."""
    host = cloud.host(str(message["host"]))
    if len(descriptors) != 3 or not message["argv"]:
        raise LabError("exec needs a command and three descriptors")
    running = await host.spawn([str(word) for word in message["argv"]], descriptors)
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    gone = asyncio.create_task(_receive(client))
    gone.add_done_callback(lambda _: _settle(over))
    running.exited.add_done_callback(lambda _: _settle(over))
    try:
        await over
        if running.exited.done():
            _send(client, {"done": True, "status": running.exited.result()})
    finally:
        await running.kill()
        gone.cancel()
        with suppress(asyncio.CancelledError, OSError, ValueError):
            await gone


async def _receive(client: socket.socket) -> tuple[wire.Message, list[int]]:
    """The next message; raises EOFError-like ValueError when the client is gone."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            received = wire.receive(client)
        except BlockingIOError:
            readable: asyncio.Future[None] = loop.create_future()
            loop.add_reader(client, _settle, readable)
            try:
                await readable
            finally:
                loop.remove_reader(client)
            continue
        if received is None:
            raise ValueError("the client is gone")
        return received


def _settle(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _send(client: socket.socket, message: wire.Message) -> None:
    wire.send(client, message)
