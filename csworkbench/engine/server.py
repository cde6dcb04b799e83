# SPDX-License-Identifier: Apache-2.0
"""The viewers' socket. Each viewer is served from the run file at its own pace, so a stalled one disturbs nobody."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path

from csworkbench.model.codec import encode
from csworkbench.model.event import Event
from csworkbench.recording.reader import RunFileError, RunFileReader

from .address import short_path

LINE_LIMIT = 8192
Command = Callable[[str, dict[str, str]], None]


class ViewerServer:
    """Serves a run's events to any number of viewers. `command` is called with what a viewer asks for."""

    def __init__(self, run_file: Path, socket_path: Path, command: Command) -> None:
        self._run_file, self._socket_path, self._command = run_file, socket_path, command
        self._server: asyncio.Server | None = None
        self._attached: set[_Attached] = set()
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    @property
    def viewers(self) -> int:
        """How many are attached now."""
        return len(self._attached)

    def tell(self, _event: Event) -> None:
        """There is something new in the run file."""
        for viewer in self._attached:
            viewer.idle.clear()
            viewer.news.set()

    async def __aenter__(self) -> "ViewerServer":
        self._socket_path.unlink(missing_ok=True)
        with short_path(self._socket_path) as path:
            self._server = await asyncio.start_unix_server(self._accept, path, limit=LINE_LIMIT)
        self._socket_path.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(TimeoutError):  # a viewer that does not read must not hold up the end
            async with asyncio.timeout(2):
                await asyncio.gather(*(viewer.idle.wait() for viewer in self._attached))
        # Closing a viewer's connection ends its handler; cancelling the handler makes asyncio log an error (3.11).
        # Whoever connected and said nothing is let go too.
        handlers = list(self._open.values())
        for writer in self._open:
            writer.close()
        await asyncio.gather(*handlers, return_exceptions=True)
        self._socket_path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this in a task
        self._open[writer] = task
        try:
            hello = json.loads(await reader.readline() or b"{}")
            await self._serve(int(hello["attach"]), reader, writer)
        except (ValueError, KeyError, TypeError, OSError, RecursionError):
            return  # not a viewer
        finally:
            writer.close()
            del self._open[writer]

    async def _serve(self, after: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        viewer = _Attached(writer)
        self._attached.add(viewer)
        sender = asyncio.create_task(self._send(after, viewer))
        try:
            await self._listen(reader)
        finally:
            self._attached.discard(viewer)
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def _send(self, after: int, viewer: "_Attached") -> None:
        file = await asyncio.to_thread(RunFileReader, self._run_file)
        try:
            while True:
                viewer.news.clear()  # before reading: what is written while we read is news
                # Reading and encoding a long history takes a while: in a thread, so that the run is not held up.
                text, last = await asyncio.to_thread(_next_lines, file, after)
                if last == after:
                    if not viewer.news.is_set():
                        viewer.idle.set()
                    await viewer.news.wait()
                    continue
                after = last
                viewer.writer.write(text)
                await viewer.writer.drain()
        except (OSError, RunFileError):
            return  # the viewer went away, or its file
        finally:
            file.close()
            viewer.writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await reader.readline()
            except (OSError, ValueError):
                return
            if not line:
                return
            try:
                asked = json.loads(line)
            except (ValueError, RecursionError):
                continue  # not ours: ignore the line
            if isinstance(asked, dict):
                self._command(str(asked.pop("do", "")), {str(k): str(v) for k, v in asked.items()})


class _Attached:
    """A viewer: `news` when the run file has grown since it last looked, `idle` when it has been sent everything."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.news = asyncio.Event()
        self.idle = asyncio.Event()


def _next_lines(file: RunFileReader, after: int) -> tuple[bytes, int]:
    events = file.read(after)
    return b"".join(map(encode, events)), events[-1].seq if events else after
