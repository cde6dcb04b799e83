# SPDX-License-Identifier: Apache-2.0
"""The store that is a folder of run files. An engine writes through RunFileWriter; this copies whole entries."""

import contextlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from .entry import Entry, checked, origin_of
from .labels import Labels, change_labels, read_labels
from .library import RUN_FILE, RunFolder, all_runs
from .schema import FORMAT, SCHEMA
from .store import AT_ONCE, CLOSING, NoSuchRun, Stored, StoreError, checked_name, names_from

ORIGIN = "origin"  # in the header of a copy, which has no first entry in the beginning
_LAST = 50  # the entry that ends a run is among so many


class FolderStore:
    """Run files under `base`, each in a folder of its own."""

    def __init__(self, base: Path) -> None:
        self._base = base

    @property
    def shown(self) -> str:
        """The folder."""
        return str(self._base)

    def create(self, name: str, origin: str, header: Mapping[str, str]) -> str:
        """See Store."""
        for tried in names_from(name):
            folder = RunFolder(self._base / tried)
            with _clear(folder.file):
                folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
                if not folder.file.exists():
                    self._make(folder, {"format": str(FORMAT), **header, ORIGIN: origin})
                if self._origin(tried) == origin:
                    return tried
        raise AssertionError  # names_from has raised

    def append(self, name: str, entries: Sequence[Entry]) -> int:
        """See Store. Never for a run whose engine lives: that has the only writer."""
        with self._open(name) as db:
            db.execute("BEGIN IMMEDIATE")
            position = _position(db)
            new = [entry for entry in (_kept(entry, name) for entry in entries) if entry.seq > position]
            db.executemany(
                "INSERT INTO samples VALUES (?,?,?,?,?,?,?,?,?,?)",
                [(entry.seq, *row) for entry in new for row in entry.samples],
            )
            db.executemany("INSERT INTO journal VALUES (?,?,?,?,?)", [entry[:5] for entry in new])
            db.execute("COMMIT")
            return max([position, *(entry.seq for entry in new)])

    def position(self, name: str) -> int:
        """See Store."""
        with self._open(name) as db:
            return _position(db)

    def entries(self, name: str, after: int = 0, limit: int = AT_ONCE) -> list[Entry]:
        """See Store."""
        with self._open(name) as db:
            return file_entries(db, after, limit, name)

    def header(self, name: str) -> dict[str, str]:
        """See Store."""
        with self._open(name) as db:
            return {str(key): str(value) for key, value in db.execute("SELECT key, value FROM header")}

    def runs(self) -> list[Stored]:
        """See Store; a file that cannot be read is left out."""
        found = []
        for folder in all_runs(self._base):
            with contextlib.suppress(StoreError):
                found.append(self._stored(folder))
        return found

    def change_labels(self, name: str, change: Callable[[Labels], Labels]) -> Labels:
        """See Store."""
        folder = self._folder(name)
        with _clear(folder.path):
            return change_labels(folder.path, change)

    def delete(self, name: str) -> None:
        """See Store."""
        folder = self._folder(name)
        with _clear(folder.path):
            shutil.rmtree(folder.path)

    def close(self) -> None:
        """Nothing stays open."""

    def _folder(self, name: str) -> RunFolder:
        folder = RunFolder(self._base / checked_name(name))
        if not folder.file.is_file():
            raise NoSuchRun(f"{self._base}: no run {name}")
        return folder

    @contextmanager
    def _open(self, name: str) -> Iterator[sqlite3.Connection]:
        """Every transaction ends with the connection, so a reader here never holds up the engine's checkpoints."""
        folder = self._folder(name)
        with _clear(folder.file), closing(sqlite3.connect(folder.file, isolation_level=None, timeout=10)) as db:
            yield db

    def _make(self, folder: RunFolder, header: Mapping[str, str]) -> None:
        """Whole or not at all; another process may be making it too."""
        with tempfile.TemporaryDirectory(dir=folder.path, prefix=".make-") as place:
            draft = Path(place) / RUN_FILE
            draft.touch(mode=0o600)
            with closing(sqlite3.connect(draft)) as db:
                db.executescript(SCHEMA)
                db.executemany("INSERT INTO header VALUES (?, ?)", sorted(header.items()))
                db.commit()
            with contextlib.suppress(FileExistsError):
                folder.file.hardlink_to(draft)

    def _origin(self, name: str) -> str:
        with self._open(name) as db:
            kept = db.execute("SELECT value FROM header WHERE key = ?", (ORIGIN,)).fetchone()
            if kept is not None:
                return str(kept[0])
            first = file_entries(db, 0, 1, name)
            return origin_of(first[0]) if first else ""

    def _stored(self, folder: RunFolder) -> Stored:
        with self._open(folder.name) as db:
            position = _position(db)
            last = db.execute("SELECT kind FROM journal WHERE seq > ?", (position - _LAST,)).fetchall()
        changed = max(p.stat().st_mtime for p in folder.path.glob(f"{RUN_FILE}*"))
        age_s = max(time.time() - changed, 0.0)
        return Stored(
            folder.name, self._origin(folder.name), position, (CLOSING,) in last, age_s, read_labels(folder.path)
        )


def file_entries(db: sqlite3.Connection, after: int, limit: int, name: str) -> list[Entry]:
    """The next entries of an open run file. Raises StoreError, sqlite3.Error."""
    db.execute("BEGIN")  # journal and samples of one moment
    try:
        rows = db.execute(
            "SELECT seq, at_ns, wall_ns, kind, body FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
        ).fetchall()
        if not rows:
            return []
        samples = db.execute(
            "SELECT batch, lane, seq, intended_ns, sent_ns, received_ns, outcome, reason, detail, value FROM samples"
            " WHERE batch BETWEEN ? AND ? ORDER BY batch, rowid",
            (rows[0][0], rows[-1][0]),
        )
        by_batch = {batch: tuple(row[1:] for row in group) for batch, group in groupby(samples, key=itemgetter(0))}
        return [_kept(Entry(*row)._replace(samples=by_batch.get(row[0], ())), name) for row in rows]
    finally:
        db.execute("COMMIT")


def _kept(entry: Entry, name: str) -> Entry:
    try:
        return checked(entry)
    except ValueError as error:
        raise StoreError(f"{name} is damaged: {error}") from None


def _position(db: sqlite3.Connection) -> int:
    found = db.execute("SELECT max(seq) FROM journal").fetchone()[0]
    return found if isinstance(found, int) else 0


@contextmanager
def _clear(path: Path) -> Iterator[None]:
    """What the disk says, as one line."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"{path}: {reason}") from None
