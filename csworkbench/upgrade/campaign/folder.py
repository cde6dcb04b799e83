# SPDX-License-Identifier: Apache-2.0
"""A campaign on disk: its journal and a copy of its plan. One folder (0700), one writer."""

import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from csworkbench.recording.on_disk import append, is_locked, keep, take_lock

from .record import Body, Entry, EntryError, decode, encode

JOURNAL, PLAN, LOCK, SOCKET, SLOTS = "journal.jsonl", "plan.yaml", "lock", "control.sock", "api-slots"

TRIES, TRY_S = 4, 0.05


class CampaignBusy(Exception):
    """Another process conducts this campaign."""


class JournalDamaged(Exception):
    """A line in the midst of the journal cannot be read: what it said is not known."""


@dataclass(slots=True)
class CampaignFolder:
    """The folder of one campaign. Reading needs no lock; `append` does."""

    path: Path
    _lock: int = -1

    @property
    def name(self) -> str:
        """The campaign's id."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """JSON lines, each on disk before what it says is done."""
        return self.path / JOURNAL

    @property
    def plan(self) -> Path:
        """The plan as it was when the campaign began."""
        return self.path / PLAN

    @property
    def socket(self) -> Path:
        """Where the conducting process takes commands."""
        return self.path / SOCKET

    @property
    def slots(self) -> Path:
        """What the runs share the rate of API calls by."""
        return self.path / SLOTS

    def lock(self) -> None:
        """Be the only writer until this process ends. Raises CampaignBusy, OSError."""
        for tries_left in reversed(range(TRIES)):  # somebody may just be looking whether it is held
            try:
                self._lock = take_lock(self.path / LOCK)
            except BlockingIOError:
                if not tries_left:
                    raise CampaignBusy(f"{self.name} is conducted by another process") from None
                time.sleep(TRY_S)
            else:
                return

    def unlock(self) -> None:
        """Let others in."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def busy(self) -> bool:
        """Whether some process holds the lock."""
        return is_locked(self.path / LOCK)

    def keep_plan(self, text: bytes) -> None:
        """Keep the plan. Raises OSError."""
        keep(self.plan, text)

    def entries(self) -> list[Entry]:
        """All entries, oldest first; a last line that was not written to its end is left out.

        Raises JournalDamaged, OSError.
        """
        return self._read()[0]

    def mend(self) -> None:
        """Cut off a last line that was not written to its end; its writer never acted on it. Needs the lock."""
        good = self._read()[1]
        if self.journal.exists() and self.journal.stat().st_size > good:
            with self.journal.open("r+b") as file:
                file.truncate(good)
                os.fsync(file.fileno())

    def append(self, entries: list[Entry]) -> None:
        """Write entries; returns when they are on disk. Raises OSError."""
        append(self.journal, b"".join(map(encode, entries)))

    def _read(self) -> tuple[list[Entry], int]:
        """(the entries, how many bytes they take)."""
        found: list[Entry] = []
        good = 0
        data = self.journal.read_bytes() if self.journal.exists() else b""
        for number, line in enumerate(data.splitlines(keepends=True), 1):
            if not line.endswith(b"\n"):
                break
            try:
                entry = decode(line)
            except EntryError as error:
                raise JournalDamaged(f"{self.journal}:{number}: {error}") from None
            if entry.seq != len(found) + 1:
                raise JournalDamaged(f"{self.journal}:{number}: entry {entry.seq} after {len(found)}")
            found.append(entry)
            good += len(line)
        return found, good


def numbered(bodies: list[Body], after: int, now: datetime) -> list[Entry]:
    """Entries for these, with the next numbers."""
    return [Entry(seq, now, body) for seq, body in enumerate(bodies, after + 1)]
