# SPDX-License-Identifier: Apache-2.0
"""A viewer's end of the engine's socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

from csworkbench.model.codec import CodecError, decode
from csworkbench.model.event import Event

from .address import short_path

READ_SIZE = 1 << 18


class NoEngine(Exception):
    """No engine answers there: the run has ended or its engine was killed."""


class Viewer:
    """Reads a live run's events, from its beginning, and sends commands to its engine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def attach(cls, socket_path: Path, after_seq: int = 0) -> "Viewer":
        """Connect and ask for the events after that number. Raises NoEngine."""
        try:
            with short_path(socket_path) as path:
                reader, writer = await asyncio.open_unix_connection(path, limit=READ_SIZE)
            writer.write(json.dumps({"attach": after_seq}).encode() + b"\n")
            await writer.drain()
        except OSError as error:
            raise NoEngine(f"no engine answers at {socket_path} ({error.strerror or error})") from None
        return cls(reader, writer)

    async def events(self) -> AsyncIterator[list[Event]]:
        """Batches of events until the engine closes the connection. Raises CodecError for what is not an event."""
        rest = b""
        while data := await self._read():
            *lines, rest = (rest + data).split(b"\n")
            batch = [event for line in lines if (event := decode(line)) is not None]
            if batch:
                yield batch

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(READ_SIZE)
        except OSError:
            return b""

    async def send(self, command: str, **args: str) -> None:
        """Ask the engine for something. Raises NoEngine."""
        try:
            self._writer.write(json.dumps({"do": command, **args}).encode() + b"\n")
            await self._writer.drain()
        except OSError as error:
            raise NoEngine(str(error)) from None

    async def close(self) -> None:
        """Detach; the run goes on."""
        self._writer.close()


__all__ = ["CodecError", "NoEngine", "Viewer"]
