# SPDX-License-Identifier: Apache-2.0
"""A walk's record on disk: the journal, a copy of the runbook, and what commands printed. One folder each (0700)."""

import os
from dataclasses import dataclass
from pathlib import Path

from csworkbench.recording.on_disk import append, keep, take_lock

from .entry import Entry, EntryError, decode, encode

JOURNAL = "journal.jsonl"
KEPT = "runbook.yaml"
SIZE_LIMIT = 64 << 20


class RecordBusy(Exception):
    """Another process walks this record."""


@dataclass(slots=True)
class Record:
    """The folder of one walk. `damaged` counts lines of the journal that could not be read, as after a power cut."""

    path: Path
    damaged: int = 0
    _lock: int = -1

    @property
    def journal(self) -> Path:
        """JSON lines, each on disk before the walk goes on."""
        return self.path / JOURNAL

    @property
    def kept(self) -> Path:
        """The runbook as it was when the walk began."""
        return self.path / KEPT

    def lock(self) -> None:
        """Keep others from walking it until this process ends. Raises RecordBusy."""
        try:
            self._lock = take_lock(self.path / "lock")
        except BlockingIOError:
            raise RecordBusy(f"{self.path.name} is being walked by another process; wait for it or end it") from None

    def unlock(self) -> None:
        """Let others in."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def append(self, entry: Entry) -> None:
        """Write one entry; returns when it is on disk. Raises OSError."""
        append(self.journal, encode(entry), mend=True)

    def entries(self) -> list[Entry]:
        """All that can be read, oldest first. Raises OSError."""
        self.damaged = 0
        if not self.journal.exists():
            return []
        found = []
        with self.journal.open("rb") as file:
            data = file.read(SIZE_LIMIT)
        for line in data.split(b"\n"):
            if not line.strip():
                continue
            try:
                found.append(decode(line))
            except EntryError:
                self.damaged += 1
        return found


def make_record(path: Path, runbook: bytes) -> Record:
    """Keep the runbook in a folder that is there already. Raises OSError."""
    record = Record(path)
    keep(record.kept, runbook)
    return record


def all_records(base: Path) -> list[Record]:
    """Every record that has begun, newest first."""
    return [Record(p.parent) for p in sorted(base.glob(f"*/{JOURNAL}"), key=lambda p: p.parent.name, reverse=True)]
