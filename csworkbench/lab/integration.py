# SPDX-License-Identifier: Apache-2.0
"""The listener of `integration.api.port`: opened and closed by the starts of the management server."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from aiohttp import web

from csworkbench.lab.api.server import integration_application
from csworkbench.lab.hosts import LabError

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

SETTING = "integration.api.port"
_HOST = "127.0.0.1"
_PORTS = range(1, 65536)


class IntegrationPort:
    """Unsigned calls for who can reach the loopback; off as long as the setting is 0."""

    def __init__(self, server: Management) -> None:
        self._server = server
        self._serving: asyncio.Task[None] | None = None
        self.port = 0
        """Where it listens; 0 is off."""

    def follow(self) -> None:
        """Listen where the setting in force says, or nowhere. Raises LabError when that port is taken."""
        wanted = self._server.settings.number(SETTING)
        if wanted == self.port:
            return
        if self._serving is not None:
            self._serving.cancel()
            self._serving = None
        self.port = 0
        if wanted not in _PORTS:
            return
        listener = socket.socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((_HOST, wanted))
            listener.listen()  # whoever connects from now on waits until it is served
        except OSError as error:
            listener.close()
            raise LabError(f"{SETTING} {wanted}: {error.strerror}") from error
        self.port = wanted
        self._serving = asyncio.create_task(self._serve(listener), name=SETTING)

    async def close(self) -> None:
        """Stop listening."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
            self._serving = None
        self.port = 0

    async def _serve(self, listener: socket.socket) -> None:
        runner = web.AppRunner(integration_application(self._server), access_log=None, shutdown_timeout=0.5)
        try:
            await runner.setup()
            await web.SockSite(runner, listener).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()
            listener.close()
