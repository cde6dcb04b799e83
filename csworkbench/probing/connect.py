# SPDX-License-Identifier: Apache-2.0
"""TCP to a tenant's sshd: directly, or as a connected socket handed over by a Unix socket."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

from .shell import LoginRefused, ShellError

ATTEMPT_EVERY_S = 0.4  # S10: new connections each 250-500 ms rather than wait for an old SYN's back-off
ATTEMPTS_AT_ONCE = 6
ATTEMPT_TIMEOUT_S = 2.0

Dial = Callable[[str, int], Awaitable[socket.socket]]


async def dial_tcp(host: str, port: int) -> socket.socket:
    """A connected, non-blocking TCP socket. Raises OSError."""
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, proto, _, address = infos[0]
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK, proto)
    try:
        await loop.sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def dial_through(path: str) -> Dial:
    """Connect by asking a Unix socket: `CONNECT host port`, answered with `OK` and the socket itself (SCM_RIGHTS).

    This is what OpenSSH's ProxyUseFdpass does with a ProxyCommand, without a process for each attempt.
    """

    async def dial(host: str, port: int) -> socket.socket:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as control:
            await loop.sock_connect(control, path)
            await loop.sock_sendall(control, f"CONNECT {host} {port}\n".encode())
            await _readable(control)
            answer, fds, _, _ = socket.recv_fds(control, 1024, 1)
        if not fds:
            raise OSError(answer.decode("utf-8", "replace").strip().removeprefix("ERR ") or "no answer")
        sock = socket.socket(fileno=fds[0])
        sock.setblocking(False)
        return sock

    return dial


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


async def dial_soon(dial: Dial, host: str, port: int, limit_s: float) -> tuple[socket.socket, int]:
    """Race attempts started every ATTEMPT_EVERY_S until one is connected: (socket, attempts made).

    Only the winner goes on to speak SSH, so sshd never sees the others. Raises ShellError after `limit_s`.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + limit_s
    pending: set[asyncio.Task[socket.socket]] = set()
    attempts, last = 0, "no answer"
    try:
        while True:
            next_s = loop.time() + ATTEMPT_EVERY_S
            if len(pending) < ATTEMPTS_AT_ONCE:
                pending.add(asyncio.create_task(_attempt(dial, host, port)))
                attempts += 1
            while pending and (left_s := next_s - loop.time()) > 0:
                done, pending = await asyncio.wait(pending, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                connected = [task.result() for task in done if task.exception() is None]
                for spare in connected[1:]:
                    spare.close()
                if connected:
                    return connected[0], attempts
                for error in (task.exception() for task in done):
                    if isinstance(error, LoginRefused):  # a jump host's: it counts those
                        raise error
                    last = _why(error)
            if loop.time() >= give_up:
                raise ShellError(f"{host}:{port} cannot be reached: {last}")
            if not pending:  # refused at once: do not spin
                await asyncio.sleep(next_s - loop.time())
    finally:
        for task in pending:  # nothing is awaited here: a cancellation in between would lose the winner
            task.add_done_callback(_close_late)
            task.cancel()


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _why(error: BaseException | None) -> str:
    """In the system's words; asyncio puts the address in their place, which the line has already."""
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


async def _attempt(dial: Dial, host: str, port: int) -> socket.socket:
    try:
        async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
            return await dial(host, port)
    except TimeoutError:
        raise OSError("timed out") from None
