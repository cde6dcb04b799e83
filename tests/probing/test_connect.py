# SPDX-License-Identifier: Apache-2.0
"""Dialling: attempts race, only the winner speaks, and sockets come over a Unix socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from csworkbench.probing.connect import dial_soon, dial_tcp, dial_through
from csworkbench.probing.shell import ShellError


@pytest.fixture
async def server() -> AsyncIterator[tuple[int, list[asyncio.StreamReader]]]:
    seen: list[asyncio.StreamReader] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(reader)
        writer.write(b"hello\n")
        await writer.drain()

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1], seen
    listening.close()


async def test_dials_directly(server: tuple[int, list[asyncio.StreamReader]]) -> None:
    sock, attempts = await dial_soon(dial_tcp, "127.0.0.1", server[0], 5.0)
    assert attempts == 1
    assert await asyncio.get_running_loop().sock_recv(sock, 10) == b"hello\n"
    sock.close()


async def test_an_attempt_that_hangs_does_not_hold_up_the_next(
    server: tuple[int, list[asyncio.StreamReader]],
) -> None:
    calls = 0

    async def dial(host: str, port: int) -> socket.socket:
        nonlocal calls
        calls += 1
        if calls < 3:
            await asyncio.Event().wait()  # a SYN into a dead path
        return await dial_tcp(host, port)

    sock, attempts = await dial_soon(dial, "127.0.0.1", server[0], 30.0)
    assert attempts == calls == 3
    sock.close()


async def test_gives_up_with_the_reason() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ShellError, match=rf"127\.0\.0\.1:{port} cannot be reached: .*[Rr]efused"):
            await dial_soon(dial_tcp, "127.0.0.1", port, 0.1)


async def test_a_socket_is_handed_over(server: tuple[int, list[asyncio.StreamReader]], tmp_path: Path) -> None:
    """What the test cloud does: connect elsewhere, hand the connected socket over."""
    path = tmp_path / "connect.sock"
    asked: list[bytes] = []

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        if b"refuse" in asked[-1]:
            writer.write(b"ERR connection refused\n")
            await writer.drain()
        else:
            connected = await dial_tcp("127.0.0.1", server[0])
            plain = socket.socket(fileno=writer.get_extra_info("socket").fileno())
            socket.send_fds(plain, [b"OK\n"], [connected.fileno()])
            plain.detach()
            connected.close()
        writer.close()

    listening = await asyncio.start_unix_server(broker, str(path))
    sock = await dial_through(str(path))("198.51.100.11", 22)
    assert await asyncio.get_running_loop().sock_recv(sock, 10) == b"hello\n"
    sock.close()
    with pytest.raises(OSError, match="connection refused"):
        await dial_through(str(path))("refuse", 22)
    assert asked[0] == b"CONNECT 198.51.100.11 22\n"
    listening.close()
