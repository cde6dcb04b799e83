# SPDX-License-Identifier: Apache-2.0
"""Reading what a probe program recorded (probes/FORMAT.md, version 1). Everything in it is untrusted."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from csworkbench.model.event import Announced, Body, LateArrived, RemoteClock, SamplesArrived, SecondOwner
from csworkbench.model.sample import MOST, Sample, sample_of

MAGIC = b"CSWSPOOL"
VERSION = 1
HEADER = struct.Struct("<8sHHIQQ16s16s")
RECORD = struct.Struct("<IHBBBBHIQQQQQ")
NO_LANE = 0xFFFF

SAMPLE, CLOCK, END, LATE, SECOND_OWNER, ANNOUNCEMENT = 1, 2, 3, 4, 5, 6
_OF_A_LANE = (SAMPLE, LATE, SECOND_OWNER, ANNOUNCEMENT)
END_REASONS = {0: "time was up", 1: "asked to stop", 2: "the prober failed"}


class SpoolError(Exception):
    """The bytes are not a spool of this version."""


@dataclass(slots=True)
class SpoolReader:
    """Turns spool bytes, in order and cut anywhere, into events. `vantage` and `lanes` say what may appear.

    `offset` is where to go on after a lost channel: it only counts whole records. Raises SpoolError on a spool that is
    not ours; records for lanes that the vantage was not given are counted and dropped. `taken` counts all records.
    `first` and `shift_ns` are those of the session (ProberStarted): they are added to sample numbers and stamps.
    """

    vantage: str
    lanes: frozenset[int]
    run: bytes
    offset: int = 0
    records: int = 0
    gaps: int = 0
    strange: int = 0
    taken: int = 0
    ended: str = ""
    first: Mapping[int, int] = field(default_factory=dict)
    shift_ns: int = 0
    _rest: bytes = b""

    def unread(self, size: int) -> int:
        """How many records a spool of that many bytes holds beyond what was read."""
        return max(size - max(self.offset, HEADER.size), 0) // RECORD.size

    def feed(self, offset: int, data: bytes) -> list[Body]:
        """Take the bytes from `offset` on; what has been read already is skipped. Raises SpoolError."""
        have = self.offset + len(self._rest)
        if offset > have:
            raise SpoolError(f"{self.vantage}: the tail skipped from byte {have} to {offset}")
        data = self._rest + data[have - offset :]
        if self.offset == 0:
            if len(data) < HEADER.size:
                self._rest = data
                return []
            self._check_header(data)
            self.offset, data = HEADER.size, data[HEADER.size :]
        whole = len(data) // RECORD.size * RECORD.size
        self._rest = data[whole:]
        self.offset += whole
        return self._bodies(data[:whole])

    def _check_header(self, data: bytes) -> None:
        magic, version, size, _pid, _mono, _real, run, _ = HEADER.unpack_from(data)
        if magic != MAGIC or version != VERSION or size != RECORD.size:
            raise SpoolError(f"{self.vantage}: not a spool of version {VERSION}")
        if run != self.run:
            raise SpoolError(f"{self.vantage}: the spool belongs to another run")

    def _bodies(self, data: bytes) -> list[Body]:
        samples: dict[int, list[Sample]] = {}
        late: dict[int, list[Sample]] = {}
        others: list[Body] = []
        lanes, shift, first = self.lanes, self.shift_ns, self.first
        moved = bool(shift or first)
        for record in RECORD.iter_unpack(data):
            number, lane, kind, outcome, reason, _flags, detail, seq, intended, sent, received, value, aux = record
            if number != self.records:
                self.gaps += max(number - self.records, 0)
            self.records = number + 1
            if moved:
                seq += first.get(lane, 0)
                intended, sent, received = (at and max(at + shift, 1) for at in (intended, sent, received))
            if kind in _OF_A_LANE and (lane not in lanes or outcome > 2):
                self.strange += 1
            elif kind in (SAMPLE, LATE):
                if intended > MOST or sent > MOST or received > MOST or value > MOST:
                    intended, sent, received, value = map(_fit, (intended, sent, received, value))
                row = seq, intended, sent, received, outcome, reason, detail, value
                (samples if kind == SAMPLE else late).setdefault(lane, []).append(sample_of(row))
            elif kind == CLOCK:
                others.append(RemoteClock(self.vantage, _fit(sent), _fit(aux)))
            elif kind == SECOND_OWNER:
                others.append(SecondOwner(lane, seq, _fit(received), value & 0xFFFF_FFFF_FFFF))
            elif kind == ANNOUNCEMENT:
                others.append(Announced(lane, _fit(received), _fit(value), detail))
            elif kind == END:
                self.ended = END_REASONS.get(reason, "the prober failed")
            else:
                self.strange += 1
        self.taken += len(data) // RECORD.size
        bodies: list[Body] = [SamplesArrived(lane, tuple(rows)) for lane, rows in samples.items()]
        bodies += [LateArrived(lane, tuple(rows)) for lane, rows in late.items()]
        return bodies + others


def _fit(number: int) -> int:
    return min(number, MOST)
