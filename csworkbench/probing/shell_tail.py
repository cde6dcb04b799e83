# SPDX-License-Identifier: Apache-2.0
"""The tail of a shell agent's spool: asks for what is new, and says it in the frames of a Python prober's tail.

The agent's `answer` speaks text, and only when it is asked: it ends with the channel, and two answers never mix.
"""

import asyncio
import contextlib
import re
import struct
from collections.abc import Iterator

from .frames import FrameError
from .shell import Pipe, ShellError
from .shell_spool import STEP_NS

ASK_EVERY_S = 0.4
END_OF_DATA = b"\n.\n"
BLOCK_BYTES = 32_768
LINE_BYTES = 300
_ECHO = re.compile(rb"E (\d{1,19}) (\d{1,11}) ([01]) +(\d{1,15})")
_DATA = re.compile(rb"D (\d{1,15})")


class AnswerParser:
    """The agent's answers, cut anywhere, as frames. `size` is how many bytes of the spool have been handed on."""

    def __init__(self, offset: int) -> None:
        self.size = offset
        self.asked = False
        self.full = False
        self._buffer = b""
        self._data_from: int | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes and yield each frame that is whole. Raises FrameError."""
        self._buffer += data
        while (part := self._next()) is not None:
            yield part
        if len(self._buffer) > (LINE_BYTES if self._data_from is None else BLOCK_BYTES + LINE_BYTES):
            raise FrameError("not a shell agent's answer")

    def _next(self) -> bytes | None:
        if self._data_from is not None:
            data, end, rest = self._buffer.partition(END_OF_DATA)
            if not end:
                return None
            offset, self._data_from, self._buffer = self._data_from, None, rest
            self.asked, self.full = False, len(data) >= BLOCK_BYTES
            self.size = offset + len(data)
            return _frame(b"D", struct.pack("<Q", offset) + data) if data else b""
        line, end, rest = self._buffer.partition(b"\n")
        if not end:
            return None
        self._buffer = rest
        if found := _DATA.fullmatch(line):
            self._data_from = int(found[1])
            return b""
        if found := _ECHO.fullmatch(line):
            token, now, alive, size = (int(group) for group in found.groups())
            echo = _frame(b"E", struct.pack("<QQQ", token % (1 << 64), now * STEP_NS, 0))
            return echo if alive else echo + _frame(b"H", struct.pack("<QB", size, 0))
        if line.startswith(b"X "):
            return _frame(b"X", line[2:])
        raise FrameError("not a shell agent's answer")


def _frame(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("<I", len(payload)) + payload


class AskingPipe:
    """A running `agent.sh answer` as a Pipe that gives frames."""

    def __init__(self, pipe: Pipe, offset: int) -> None:
        self._pipe = pipe
        self._parser = AnswerParser(offset)
        self._asking = asyncio.create_task(self._ask(), name="ask a shell agent")

    async def read(self) -> bytes:
        """The next frames, empty at the end of the channel. Raises what the pipe raises, and FrameError."""
        while data := await self._pipe.read():
            frames = b"".join(self._parser.feed(data))
            if self._parser.full:
                await self._ask_once()
            if frames:
                return frames
        return b""

    async def write(self, data: bytes) -> None:
        """Echo requests, as they are."""
        await self._pipe.write(data)

    def abort(self) -> None:
        """See Pipe."""
        self._asking.cancel()
        self._pipe.abort()

    async def _ask(self) -> None:
        with contextlib.suppress(ShellError, OSError):  # the reader finds out that the channel is gone
            while True:
                await self._ask_once()
                await asyncio.sleep(ASK_EVERY_S)

    async def _ask_once(self) -> None:
        if not self._parser.asked:
            self._parser.asked, self._parser.full = True, False
            await self._pipe.write(b"D %d\n" % self._parser.size)
