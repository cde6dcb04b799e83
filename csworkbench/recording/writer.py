# SPDX-License-Identifier: Apache-2.0
"""Writing a run's history."""

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from csworkbench.model.codec import body_to_json, kind_of
from csworkbench.model.event import Body, Event, LateArrived, SamplesArrived

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
        self.path = path
        self._clock_ns, self._wall_ns = clock_ns, wall_ns
        self._listeners: list[Listener] = []
        self._seq = 0
        path.touch(mode=0o600, exist_ok=False)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        rows = {"format": str(FORMAT), **header}
        self._db.executemany("INSERT INTO header VALUES (?, ?)", sorted(rows.items()))

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with each event after it has been committed."""
        self._listeners.append(listener)

    def write(self, body: Body) -> None:
        """Append one event, commit it, then tell the listeners."""
        event = Event(self._seq + 1, self._clock_ns(), self._wall_ns(), body)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            if isinstance(body, SamplesArrived | LateArrived):
                text = json.dumps({"lane": body.lane, "count": len(body.samples)})
                self._db.executemany(
                    "INSERT INTO samples VALUES (?,?,?,?,?,?,?,?,?,?)",
                    [(event.seq, body.lane, *map(int, sample)) for sample in body.samples],
                )
            else:
                text = json.dumps(body_to_json(body), separators=(",", ":"))
            self._db.execute(
                "INSERT INTO journal VALUES (?,?,?,?,?)", (event.seq, event.at_ns, event.wall_ns, kind_of(body), text)
            )
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk has ended it already
                self._db.execute("ROLLBACK")
            raise
        self._seq = event.seq
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
