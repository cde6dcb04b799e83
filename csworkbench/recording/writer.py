# SPDX-License-Identifier: Apache-2.0
"""Writing a run's history."""

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from csworkbench.model.codec import body_to_json, kind_of
from csworkbench.model.event import Body, ChangeSent, Event, LateArrived, SamplesArrived

from .schema import FORMAT, SCHEMA

Listener = Callable[[Event], None]
Clock = Callable[[], int]


class RunFileWriter:
    """The one writer of a run file; implements the Journal protocol. Use from one thread.

    An event is committed before the listeners hear of it (S16). Raises sqlite3.Error when the disk is full or the file
    cannot be written: a run that cannot be recorded must not go on.
    """

    def __init__(
        self, path: Path, header: dict[str, str], *, clock_ns: Clock = time.monotonic_ns, wall_ns: Clock = time.time_ns
    ) -> None:
        path.touch(mode=0o600, exist_ok=False)
        self._open(path, clock_ns, wall_ns)
        self._db.executescript(SCHEMA)
        rows = {"format": str(FORMAT), **header}
        self._db.executemany("INSERT INTO header VALUES (?, ?)", sorted(rows.items()))

    def _open(self, path: Path, clock_ns: Clock, wall_ns: Clock) -> None:
        self.path = path
        self._clock_ns, self._wall_ns = clock_ns, wall_ns
        self._listeners: list[Listener] = []
        self._seq = 0
        self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")

    @classmethod
    def reopen(
        cls, path: Path, *, clock_ns: Clock = time.monotonic_ns, wall_ns: Clock = time.time_ns
    ) -> "RunFileWriter":
        """Go on with a file whose writer is gone, after its last event. Raises sqlite3.Error."""
        writer = cls.__new__(cls)
        writer._open(path, clock_ns, wall_ns)
        writer._seq = writer._db.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone()[0]
        return writer

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with each event after it has been committed."""
        self._listeners.append(listener)

    def write(self, *bodies: Body) -> None:
        """Append events and commit them together, then tell the listeners."""
        now_ns, wall_ns = self._clock_ns(), self._wall_ns()
        events = [Event(seq, now_ns, wall_ns, body) for seq, body in enumerate(bodies, self._seq + 1)]
        samples: list[tuple[int, ...]] = []
        entries = [(e.seq, e.at_ns, e.wall_ns, kind_of(e.body), _entry(e, samples)) for e in events]
        lasting = any(isinstance(body, ChangeSent) for body in bodies)
        if lasting:  # also through a loss of power
            self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            if samples:
                self._db.executemany("INSERT INTO samples VALUES (?,?,?,?,?,?,?,?,?,?)", samples)
            self._db.executemany("INSERT INTO journal VALUES (?,?,?,?,?)", entries)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk has ended it already
                self._db.execute("ROLLBACK")
            raise
        finally:
            if lasting:
                self._db.execute("PRAGMA synchronous=NORMAL")
        self._seq += len(events)
        for event in events:
            for listener in self._listeners:
                listener(event)

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it: one file to copy, readable from a read-only place.

        While somebody else has it open, or on a full disk, it stays in WAL mode.
        """
        try:
            self._db.execute("PRAGMA busy_timeout=0")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError:
            return  # somebody reads it, or the disk is full: everything is in the file and its log
        finally:
            self._db.close()


def _entry(event: Event, samples: list[tuple[int, ...]]) -> str:
    """The event's JSON for the journal; bulk samples go into their own table, of which these rows are added."""
    body = event.body
    if not isinstance(body, SamplesArrived | LateArrived):
        return json.dumps(body_to_json(body), separators=(",", ":"))
    head = event.seq, body.lane
    samples += [(*head, *sample[:4], int(sample.outcome), int(sample.reason), *sample[6:]) for sample in body.samples]
    return json.dumps({"lane": body.lane, "count": len(body.samples)})
