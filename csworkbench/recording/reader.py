# SPDX-License-Identifier: Apache-2.0
"""Reading a run's history, while it is being written or long after."""

import json
import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from csworkbench.model.codec import CodecError, body_from_json, sample_from_row
from csworkbench.model.event import Event, LateArrived, SamplesArrived
from csworkbench.model.sample import Sample
from csworkbench.model.state import RunState, apply

from .schema import FORMAT

CHUNK = 500
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
_BULK: dict[str, type[SamplesArrived] | type[LateArrived]] = {
    "samples_arrived": SamplesArrived,
    "late_arrived": LateArrived,
}


class RunFileError(Exception):
    """The file is not a run file that this version can read; the message is one clear line."""


class RunFileReader:
    """Reads events in order. Never changes the file. Each method may raise RunFileError."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise RunFileError(f"{path}: no such run file")
        self.path = path
        try:
            # Not opened with mode=ro: a WAL left behind by a killed engine must be read too, and that needs its index.
            self._db = sqlite3.connect(path, check_same_thread=False, timeout=10)
            if not _readable(self._db) and not _has_log(path):
                # A WAL file wants to make its index; where nobody may write, a file without a log is read as it is.
                self._db.close()
                uri = f"{path.absolute().as_uri()}?immutable=1"
                self._db = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=10)
        except sqlite3.Error as error:
            raise RunFileError(f"{path}: cannot be opened ({error})") from None
        try:
            self._db.execute("PRAGMA query_only=ON")
            self.header: dict[str, str] = dict(self._db.execute("SELECT key, value FROM header"))
            version = int(self.header.get("format", "0"))
        except (sqlite3.Error, ValueError, TypeError) as error:
            self._db.close()
            raise RunFileError(f"{path}: not a run file ({error})") from None
        if version != FORMAT:
            self._db.close()
            raise RunFileError(f"{path}: run file format {version}; this version reads format {FORMAT}")

    def read(self, after_seq: int = 0, limit: int = CHUNK) -> list[Event]:
        """The next events after that number, at most `limit`; events of an unknown kind are left out.

        An empty list means that there is nothing more now.
        """
        found: list[Event] = []
        while not found:
            try:
                rows = self._db.execute(
                    "SELECT seq, at_ns, wall_ns, kind, body FROM journal WHERE seq > ? ORDER BY seq LIMIT ?",
                    (after_seq, limit),
                ).fetchall()
                if not rows:
                    break
                samples = self._samples(rows[0][0], rows[-1][0])
                found = [e for row in rows if (e := self._event(row, samples)) is not None]
            except (sqlite3.Error, CodecError, *MALFORMED) as error:
                raise RunFileError(f"{self.path}: damaged after entry {after_seq} ({error})") from None
            after_seq = rows[-1][0]
        return found

    def first_words(self) -> dict[str, Any]:
        """The entry that opened the run as it stands there, unchecked; empty without one. May raise RunFileError.

        For who needs a word of it at once: reading events takes what checks them, a tenth of a second to load.
        """
        try:
            row = self._db.execute("SELECT body FROM journal WHERE kind = 'run_opened' ORDER BY seq LIMIT 1").fetchone()
            found = json.loads(row[0]) if row is not None else {}
        except (sqlite3.Error, *MALFORMED) as error:
            raise RunFileError(f"{self.path}: damaged ({error})") from None
        return found if isinstance(found, dict) else {}

    def __iter__(self) -> Iterator[Event]:
        after = 0
        while events := self.read(after):
            yield from events
            after = events[-1].seq

    def without_samples(self) -> Iterator[Event]:
        """All events but the samples', which are most of a run. May raise RunFileError."""
        try:
            rows = self._db.execute(
                "SELECT seq, at_ns, wall_ns, kind, body FROM journal WHERE kind NOT IN (?, ?) ORDER BY seq",
                tuple(_BULK),
            )
            for row in rows:
                event = self._event(row, {})
                if event is not None:
                    yield event
        except (sqlite3.Error, CodecError, *MALFORMED) as error:
            raise RunFileError(f"{self.path}: damaged ({error})") from None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _samples(self, first: int, last: int) -> dict[int, tuple[Sample, ...]]:
        rows = self._db.execute(
            "SELECT batch, seq, intended_ns, sent_ns, received_ns, outcome, reason, detail, value FROM samples"
            " WHERE batch BETWEEN ? AND ? ORDER BY batch, rowid",
            (first, last),
        )
        return {b: tuple(sample_from_row(r[1:]) for r in group) for b, group in groupby(rows, key=itemgetter(0))}

    @staticmethod
    def _event(row: tuple[int, int, int, str, str], samples: dict[int, tuple[Sample, ...]]) -> Event | None:
        seq, at_ns, wall_ns, kind, text = row
        data: Any = json.loads(text)
        bulk = _BULK.get(kind)
        if bulk is None:
            body = body_from_json(kind, data)
        else:
            found = samples.get(seq, ())
            if len(found) != data["count"]:
                raise ValueError(f"{len(found)} of {data['count']} samples")
            body = bulk(int(data["lane"]), found)
        return None if body is None else Event(seq, at_ns, wall_ns, body)


def _readable(db: sqlite3.Connection) -> bool:
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
    except sqlite3.Error:
        pass  # said when the header is read
    return True


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def load_state(path: Path) -> RunState:
    """Fold a whole run file into a state. Raises RunFileError."""
    reader = RunFileReader(path)
    try:
        state = RunState()
        for event in reader:
            apply(state, event)
    finally:
        reader.close()
    return state
