# SPDX-License-Identifier: Apache-2.0
"""The management server's port for agents: a system VM's agent is Up as long as its connection lives and pings come."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress

from csworkbench.lab.calls_systemvm import STARTUP
from csworkbench.lab.hosts import Host
from csworkbench.lab.systemvm_services import AGENT_PORT, MANAGEMENT_SERVER

_LONGEST_LINE = 256
_PING_LIMIT_S = 10.0
"""An agent that has not pinged for so long is lost. The real one waits 150 s (`ping.interval` x `ping.timeout`)."""
_STARTUP = re.compile(rf"{STARTUP} ([0-9][0-9A-Za-z.-]{{0,31}})\n")


class AgentPort:
    """Listens in the fabric's namespace; who calls is known by the address, what release it runs by its first line."""

    def __init__(self, on_up: Callable[[str, str], None], on_lost: Callable[[str], None]) -> None:
        self._on_up, self._on_lost = on_up, on_lost
        self._connections: dict[str, asyncio.StreamWriter] = {}
        self._first: dict[str, asyncio.Event] = {}
        self._server: asyncio.Server | None = None

    async def open(self, fab: Host) -> None:
        """Listen. Raises LabError."""
        listening = await fab.listen(MANAGEMENT_SERVER, AGENT_PORT)
        self._server = await asyncio.start_server(self._serve, sock=listening, limit=_LONGEST_LINE)

    async def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is not None:
            self._server.close()
        for address in list(self._connections):
            self.forget(address)

    async def connected(self, address: str) -> None:
        """Wait until an agent at that address has said which release it runs."""
        await self._first.setdefault(address, asyncio.Event()).wait()

    def forget(self, address: str) -> None:
        """Hang up on the agent at that address, whose machine was powered off: its end of the connection is gone."""
        connection = self._connections.pop(address, None)
        if connection is not None:
            connection.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = str(writer.get_extra_info("peername")[0])
        try:
            first = _STARTUP.fullmatch((await _line(reader)).decode("ascii", "replace"))
            if first is None:
                return
            self.forget(address)
            self._connections[address] = writer
            self._on_up(address, first[1])
            self._first.setdefault(address, asyncio.Event()).set()
            while await _line(reader):
                pass
        except (TimeoutError, ValueError, OSError):
            pass
        finally:
            if self._connections.get(address) is writer:
                del self._connections[address]
                self._on_lost(address)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Raises TimeoutError when nothing comes, ValueError when it is too long; empty at the end."""
    async with asyncio.timeout(_PING_LIMIT_S):
        return await reader.readline()
