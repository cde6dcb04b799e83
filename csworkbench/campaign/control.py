# SPDX-License-Identifier: Apache-2.0
"""Commands to a campaign from another terminal: a Unix socket in its folder, one JSON object and one answer."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from csworkbench.engine.address import short_path

LINE_LIMIT = 1 << 16
ANSWER_LIMIT = 64 << 20
WAIT_S = 10.0
Answer = Callable[[dict[str, str]], dict[str, Any]]


class NotConducted(Exception):
    """No process answers: the campaign is not being conducted now."""


class ControlServer:
    """Takes commands while a campaign is conducted. `answer` is called with each; what it returns goes back."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self._path, self._answer = path, answer
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "ControlServer":
        self._path.unlink(missing_ok=True)
        with short_path(self._path) as path:
            self._server = await asyncio.start_unix_server(self._accept, path, limit=LINE_LIMIT)
        self._path.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.close()
        self._path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            async with asyncio.timeout(WAIT_S):
                line = await reader.readline()
                asked = json.loads(line)
                if isinstance(asked, dict):
                    reply = self._answer({str(k): str(v) for k, v in asked.items()})
                    writer.write(json.dumps(reply).encode() + b"\n")
                    await writer.drain()
        except (ValueError, OSError, TimeoutError, RecursionError):
            return  # not one of ours, or it has gone
        finally:
            self._open.discard(writer)
            with contextlib.suppress(OSError):
                writer.close()


def ask(path: Path, do: str, **args: str) -> dict[str, Any]:
    """Send a command and wait for the answer: `text`, or `error`; of `status` the figures. Raises NotConducted."""
    try:
        with short_path(path) as short, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(WAIT_S)
            connection.connect(short)
            connection.sendall(json.dumps({"do": do, **args}).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n") and len(data) < ANSWER_LIMIT:
                part = connection.recv(1 << 16)
                if not part:
                    break
                data += part
        found = json.loads(data)
    except (OSError, ValueError) as error:
        raise NotConducted(f"nobody conducts this campaign now ({error})") from None
    return found if isinstance(found, dict) else {}
