# SPDX-License-Identifier: Apache-2.0
"""Samples that lie in a file instead of in memory, for runs of many millions."""

from collections.abc import Iterable
from typing import BinaryIO

from .sample import Sample
from .sample_rows import ROW, SampleRows

BLOCK = 512 * ROW.size  # a lane writes so much at a time


class Spill:
    """A file that rows of all lanes share, block by block. It is opened for reading and writing in binary."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = 0

    def add(self, block: bytes) -> int:
        """Append and return where it lies. Raises OSError."""
        at = self._end
        self._file.seek(at)
        self._file.write(block)
        self._end += len(block)
        return at

    def read(self, at: int, size: int) -> bytes:
        """What lies there. Raises OSError."""
        self._file.seek(at)
        return self._file.read(size)


class SpilledRows(SampleRows):
    """As SampleRows; its memory is one block. Each method may raise OSError."""

    __slots__ = ("_blocks", "_spill")

    def __init__(self, spill: Spill) -> None:
        self._spill = spill
        self._blocks: list[int] = []
        super().__init__()

    def append(self, sample: Sample) -> None:
        """Add one. Raises struct.error for an integer that does not fit."""
        super().append(sample)
        self._write()

    def extend(self, samples: Iterable[Sample]) -> None:
        """Add more. Raises struct.error for an integer that does not fit."""
        super().extend(samples)
        self._write()

    def __len__(self) -> int:
        return (len(self._blocks) * BLOCK + len(self._rows)) // ROW.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SampleRows) and list(self) == list(other)

    __hash__ = None

    def raw(self, start: int, stop: int) -> bytes:
        """The packed rows from `start` to before `stop`."""
        first, last = start * ROW.size, min(stop, len(self)) * ROW.size
        found = bytearray()
        while first < last:
            block, offset = divmod(first, BLOCK)
            size = min(BLOCK - offset, last - first)
            if block < len(self._blocks):
                found += self._spill.read(self._blocks[block] + offset, size)
            else:
                found += self._rows[offset : offset + size]
            first += size
        return bytes(found)

    def _write(self) -> None:
        while len(self._rows) >= BLOCK:
            self._blocks.append(self._spill.add(bytes(self._rows[:BLOCK])))
            del self._rows[:BLOCK]
