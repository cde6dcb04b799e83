# SPDX-License-Identifier: Apache-2.0
"""`lab truth`: one witness per cloud, started and stopped by command; what it saw stays until the next one starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from csworkbench.lab import wire
from csworkbench.lab.hosts import Host, LabError
from csworkbench.lab.records import Network
from csworkbench.lab.witness import Truth, Witness
from csworkbench.lab.witness_paths import paths_of, sessions_of


class Witnessing:
    """The cloud's witness. All raise LabError."""

    def __init__(self, host: Callable[[str], Host], network: Network, key_file: Path) -> None:
        self._host, self._network, self._key_file = host, network, key_file
        self._witness: Witness | None = None
        self._last: Truth | None = None
        self._turn = asyncio.Lock()

    async def obey(self, message: wire.Message) -> list[dict[str, Any]]:
        """The command in that message; the lines to print."""
        async with self._turn:
            match message.get("action"):
                case None:
                    return await self._known()
                case "watch":
                    await self._watch(str(message["vantage"]), everything=bool(message["everything"]))
                    return []
                case "stop":
                    return await self._stop()
        raise LabError("unknown action")

    async def _known(self) -> list[dict[str, Any]]:
        truth = self._last if self._witness is None else await self._witness.known()
        return [] if truth is None else truth.lines()

    async def _watch(self, vantage: str, *, everything: bool) -> None:
        if self._witness is not None:
            raise LabError("a witness is watching already (end it with `csworkbench lab truth --stop`)")
        try:
            paths = paths_of(self._network, vantage, everything=everything)
            sessions = sessions_of(self._network, vantage)
        except ValueError as error:
            raise LabError(str(error)) from error
        witness = Witness(self._host, paths, sessions, self._key_file)
        await witness.start()
        self._witness, self._last = witness, None

    async def _stop(self) -> list[dict[str, Any]]:
        if self._witness is None:
            raise LabError("no witness is watching (start one with `csworkbench lab truth --watch`)")
        witness, self._witness = self._witness, None
        self._last = await witness.stop()
        return self._last.lines()
