# SPDX-License-Identifier: Apache-2.0
"""A jump host: one SSH connection for all vantages behind it, opened again when it has died."""

import asyncio
import contextlib
import socket
from dataclasses import replace

import asyncssh

from csworkbench.model.hop import Hop

from .handshakes import Handshakes
from .shell import ShellError
from .ssh import SshAccess, SshRoute, SshShell

OPEN_LIMIT_S = 1.5  # less than an attempt through it has, so that its own trouble is what is told
KEEPALIVE_S = 0.5  # all vantages behind it wait until it is known to be dead
BLOCK_BYTES = 65_536

Reader = asyncssh.SSHReader[bytes] | asyncio.StreamReader
Writer = asyncssh.SSHWriter[bytes] | asyncio.StreamWriter


class JumpHost:
    """`dial` connects through it; its own host key is checked like that of any vantage."""

    def __init__(self, route: SshRoute) -> None:
        self._route = route
        self._opening: asyncio.Task[tuple[SshShell, int]] | None = None
        self._relays: set[asyncio.Task[None]] = set()

    async def dial(self, host: str, port: int) -> socket.socket:
        """A socket to that port, as the jump host reaches it. Raises ShellError, LoginRefused when it is its own."""
        shell = await self._connection()
        # Never cancelled: a channel that opens when nobody waits any more would stay open, and its sshd wait for it.
        opening = asyncio.create_task(shell.forward(host, port))
        try:
            reader, writer = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        relay = asyncio.create_task(_relay(far, reader, writer), name=f"jump to {host}:{port}")
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)
        return near

    async def close(self) -> None:
        """Drop its connection, and with it all that runs through it."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            if not opening.cancelled() and opening.exception() is None:
                await opening.result()[0].close()
        for relay in list(self._relays):
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    async def _connection(self) -> SshShell:
        """The one that is open, or the one that is being opened: attempts that are given up do not end it."""
        opening = self._opening
        if opening is None or (opening.done() and not _alive(opening)):
            self._opening = opening = asyncio.create_task(self._route.open(OPEN_LIMIT_S))
            opening.add_done_callback(_heard)
        try:
            return (await asyncio.shield(opening))[0]
        except ShellError as error:
            raise type(error)(f"jump host {error}") from None


def _alive(opening: asyncio.Task[tuple[SshShell, int]]) -> bool:
    return not opening.cancelled() and opening.exception() is None and not opening.result()[0].closed


def _heard(task: asyncio.Task[tuple[SshShell, int]]) -> None:
    """Also when nobody waits for it any more."""
    if not task.cancelled():
        task.exception()


def _close_late(task: asyncio.Task[tuple[Reader, Writer]]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result()[1].close()


async def _relay(far: socket.socket, reader: Reader, writer: Writer) -> None:
    """Both ways until one of them ends; then both are closed."""
    own_reader, own_writer = await asyncio.open_connection(sock=far)
    ways = [asyncio.create_task(_copy(own_reader, writer)), asyncio.create_task(_copy(reader, own_writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for side in (writer, own_writer):
            with contextlib.suppress(OSError, asyncssh.Error):
                side.close()


async def _copy(source: Reader, sink: Writer) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await source.read(BLOCK_BYTES):
            sink.write(data)
            await sink.drain()


def jump_chain(hops: tuple[Hop, ...], access: SshAccess, handshakes: Handshakes) -> list[JumpHost]:
    """The jump hosts, each reached through the one before it, the first as `access` says. The last one dials."""
    chain: list[JumpHost] = []
    for hop in hops:
        dial = chain[-1].dial if chain else access.dial
        own = replace(access, user=hop.user or access.user, dial=dial, proxy_command="", keepalive_s=KEEPALIVE_S)
        chain.append(JumpHost(SshRoute(hop.host, hop.port, own, handshakes)))
    return chain
