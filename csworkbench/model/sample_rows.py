# SPDX-License-Identifier: Apache-2.0
"""Many samples in little memory: 50 bytes each, where a list of Sample takes about 280."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from .sample import Sample, sample_of

ROW = struct.Struct("<4q2B2q")
CHUNK = 4096


class SampleRows(Sequence[Sample]):
    """Samples in order of arrival; grows at its end only. Integers must fit into 64 bits with a sign."""

    __slots__ = ("_rows",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self._rows = bytearray()
        self.extend(samples)

    def append(self, sample: Sample) -> None:
        """Add one. Raises struct.error for an integer that does not fit."""
        self._rows += ROW.pack(*sample)

    def extend(self, samples: Iterable[Sample]) -> None:
        """Add more. Raises struct.error for an integer that does not fit."""
        pack = ROW.pack
        self._rows += b"".join([pack(*sample) for sample in samples])

    def __len__(self) -> int:
        return len(self._rows) // ROW.size

    @overload
    def __getitem__(self, place: int) -> Sample: ...

    @overload
    def __getitem__(self, place: slice) -> list[Sample]: ...

    def __getitem__(self, place: int | slice) -> Sample | list[Sample]:
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step != 1:
                return [self[at] for at in range(start, stop, step)]
            return self._read(start, stop)
        at = place + len(self) if place < 0 else place
        if not 0 <= at < len(self):
            raise IndexError("no such sample")
        return self._read(at, at + 1)[0]

    def __iter__(self) -> Iterator[Sample]:
        at = 0
        while at < len(self):
            yield from (chunk := self._read(at, at + CHUNK))
            at += len(chunk)

    def __eq__(self, other: object) -> bool:
        return self._rows == other._rows if isinstance(other, SampleRows) else NotImplemented

    def __repr__(self) -> str:
        return f"<{len(self)} samples>"

    def raw(self, start: int, stop: int) -> bytes:
        """The packed rows from `start` to before `stop`."""
        return bytes(self._rows[start * ROW.size : stop * ROW.size])

    def since(self, start: int) -> Iterator[Sample]:
        """From that place on, without a list of them all."""
        for at in range(start, len(self), CHUNK):
            yield from self._read(at, at + CHUNK)

    def _read(self, start: int, stop: int) -> list[Sample]:
        return [sample_of(row) for row in ROW.iter_unpack(self.raw(start, stop))]
