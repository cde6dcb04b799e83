# SPDX-License-Identifier: Apache-2.0
"""The frames of a tail (probes/FORMAT.md). Pure: bytes in, frames out. The sender is untrusted."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEAD = struct.Struct("<BI")
_ECHO = struct.Struct("<QQQ")
_BEAT = struct.Struct("<QB")
MAX_PAYLOAD = 65_536


class FrameError(Exception):
    """The stream is not a tail's."""


@dataclass(frozen=True, slots=True)
class Data:
    """Spool bytes from `offset` on."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Echo:
    """Answer to a clock echo: the vantage's clocks, ns."""

    token: int
    remote_ns: int
    remote_real_ns: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How long the spool is, and whether its prober lives."""

    size: int
    alive: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """Why the tail ends."""

    text: str


Frame = Data | Echo | Heartbeat | Ended


class FrameParser:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes and yield each frame that is whole. Raises FrameError."""
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(self._buffer)
            if size > MAX_PAYLOAD or kind not in b"DEHX":
                raise FrameError("not a tail's frame")
            if len(self._buffer) < _HEAD.size + size:
                return
            payload = bytes(self._buffer[_HEAD.size : _HEAD.size + size])
            del self._buffer[: _HEAD.size + size]
            yield _frame(kind, payload)


def _frame(kind: int, payload: bytes) -> Frame:
    try:
        if kind == ord("D"):
            return Data(int.from_bytes(payload[:8], "little"), payload[8:])
        if kind == ord("E"):
            return Echo(*_ECHO.unpack(payload))
        if kind == ord("H"):
            size, alive = _BEAT.unpack(payload)
            return Heartbeat(size, bool(alive))
    except struct.error as error:
        raise FrameError(f"a frame of the wrong length: {error}") from None
    return Ended(payload.decode("utf-8", "replace")[:500])
