# SPDX-License-Identifier: Apache-2.0
"""The team's store: PostgreSQL, through psycopg 3 (the extra `postgres`)."""

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from . import postgres_address
from .entry import MOST_BODY, Entry, checked, public
from .labels import BadLabel, Labels, labels_from, labels_json
from .postgres_schema import LOCK, MIGRATIONS, MIGRATIONS_TABLE
from .store import AT_ONCE, CLOSING, NoSuchRun, Stored, StoreError, StoreLost, checked_name, is_name, names_from

Db = Connection[tuple[Any, ...]]
_DEFAULTS = {
    "connect_timeout": "10", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3",
    "tcp_user_timeout": "30000", "application_name": "csworkbench",
}  # fmt: skip
_LOCK_WAIT = "30s"
_SAMPLE_TYPES = ("int8", "int8", "int4", *["int8"] * 5, "int2", "int2", "int8", "int8")
_RUN = "SELECT id, position FROM csworkbench.runs WHERE name = %s"


class PostgresStore:
    """Runs in the schema `csworkbench` of one database. Connects when it is first asked; see Store.

    The tables are made, and brought up to date, by the first who writes. After StoreLost the next call connects again.
    """

    def __init__(self, address: str) -> None:
        self._address = postgres_address.check(address)
        self._db: Db | None = None
        self._ready = False  # the tables are those of this version

    @property
    def shown(self) -> str:
        """The address without a password."""
        return postgres_address.shown(self._address)

    def create(self, name: str, origin: str, header: Mapping[str, str]) -> str:
        """See Store."""
        with self._transaction(write=True) as db:
            kept = json.dumps(public(header))
            found = db.execute("SELECT name FROM csworkbench.runs WHERE origin = %s", (origin,)).fetchone()
            if found is not None:
                return str(found[0])
            for tried in names_from(name):
                # Whoever else adds this run, or one of this name, is waited for.
                db.execute(
                    "INSERT INTO csworkbench.runs (name, origin, header) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                    (tried, origin, kept),
                )
                found = db.execute("SELECT name FROM csworkbench.runs WHERE origin = %s", (origin,)).fetchone()
                if found is not None:
                    return str(found[0])
        raise AssertionError  # names_from has raised

    def append(self, name: str, entries: Sequence[Entry]) -> int:
        """See Store."""
        try:
            for entry in entries:
                checked(entry)
        except ValueError as error:
            raise StoreError(f"{name} is damaged: {error}") from None
        with self._transaction(write=True) as db:
            run, position = self._run(db, name, lock=True)
            new = [entry for entry in entries if entry.seq > position]
            if not new:
                return position
            with db.cursor() as cursor:
                with cursor.copy("COPY csworkbench.journal FROM STDIN") as copy:
                    for entry in new:
                        copy.write_row((run, *entry[:5]))
                if any(entry.samples for entry in new):
                    with cursor.copy("COPY csworkbench.samples FROM STDIN (FORMAT BINARY)") as copy:
                        copy.set_types(_SAMPLE_TYPES)
                        for entry in new:
                            for place, row in enumerate(entry.samples):
                                copy.write_row((run, entry.seq, place, *row))
            closed = any(entry.kind == CLOSING for entry in new)
            db.execute(
                "UPDATE csworkbench.runs SET position = %s, closed = closed OR %s, updated_at = now() WHERE id = %s",
                (new[-1].seq, closed, run),
            )
            return new[-1].seq

    def position(self, name: str) -> int:
        """See Store."""
        with self._transaction() as db:
            return self._run(db, name)[1]

    def entries(self, name: str, after: int = 0, limit: int = AT_ONCE) -> list[Entry]:
        """See Store."""
        with self._transaction() as db, db.cursor(binary=True) as cursor:
            run, _ = self._run(db, name)
            rows = cursor.execute(
                "SELECT seq, at_ns, wall_ns, left(kind, 1001), left(body, %s) FROM csworkbench.journal"
                " WHERE run_id = %s AND seq > %s ORDER BY seq LIMIT %s",
                (MOST_BODY + 1, run, after, limit),
            ).fetchall()
            if not rows:
                return []
            samples = cursor.execute(
                "SELECT batch, lane, seq, intended_ns, sent_ns, received_ns, outcome, reason, detail, value"
                " FROM csworkbench.samples WHERE run_id = %s AND batch BETWEEN %s AND %s ORDER BY batch, place",
                (run, rows[0][0], rows[-1][0]),
            )
            by_batch = {batch: tuple(row[1:] for row in group) for batch, group in groupby(samples, key=itemgetter(0))}
        found = []
        for row in rows:
            try:
                found.append(checked(Entry(*row)._replace(samples=by_batch.get(row[0], ()))))
            except ValueError as error:
                raise StoreError(f"{name} is damaged in {self.shown}: {error}") from None
        return found

    def header(self, name: str) -> dict[str, str]:
        """See Store."""
        with self._transaction() as db:
            run, _ = self._run(db, name)
            text = db.execute("SELECT header FROM csworkbench.runs WHERE id = %s", (run,)).fetchone()
        try:
            data = json.loads(text[0]) if text is not None else {}
        except (ValueError, RecursionError):
            data = {}
        return public({str(k): str(v) for k, v in data.items()}) if isinstance(data, dict) else {}

    def runs(self) -> list[Stored]:
        """See Store; none in a database in which nobody has written yet."""
        with self._transaction() as db:
            if not self._exists(db):
                return []
            rows = db.execute(
                "SELECT name, origin, position, closed, extract(epoch FROM now() - updated_at)::float8, labels"
                ' FROM csworkbench.runs WHERE position > 0 ORDER BY name COLLATE "C" DESC'
            ).fetchall()
        return [
            Stored(name, origin, position, closed, max(age_s, 0.0), labels_from(labels))
            for name, origin, position, closed, age_s, labels in rows
            if is_name(name) and is_name(origin)
        ]

    def change_labels(self, name: str, change: Callable[[Labels], Labels]) -> Labels:
        """See Store."""
        with self._transaction(write=True) as db:
            run, _ = self._run(db, name, lock=True)
            row = db.execute("SELECT labels FROM csworkbench.runs WHERE id = %s", (run,)).fetchone()
            labels = change(labels_from(row[0] if row is not None else ""))
            db.execute("UPDATE csworkbench.runs SET labels = %s WHERE id = %s", (labels_json(labels), run))
            return labels

    def delete(self, name: str) -> None:
        """See Store."""
        with self._transaction(write=True) as db:
            run, _ = self._run(db, name, lock=True)
            for table, column in (("samples", "run_id"), ("journal", "run_id"), ("runs", "id")):
                db.execute(f"DELETE FROM csworkbench.{table} WHERE {column} = %s", (run,))  # noqa: S608 - our words

    def close(self) -> None:
        """Let go of the connection."""
        db, self._db, self._ready = self._db, None, False
        if db is not None:
            with contextlib.suppress(Exception):
                db.close()

    def _run(self, db: Db, name: str, *, lock: bool = False) -> tuple[int, int]:
        """(id, position) of a run."""
        if not self._exists(db):
            raise NoSuchRun(f"{self.shown}: no run {name}")
        found = db.execute(_RUN + (" FOR UPDATE" if lock else ""), (checked_name(name),)).fetchone()
        if found is None:
            raise NoSuchRun(f"{self.shown}: no run {name}")
        return found[0], found[1]

    @contextmanager
    def _transaction(self, *, write: bool = False) -> Iterator[Db]:
        """One transaction; whatever goes wrong on the way to the server ends the connection."""
        try:
            db = self._connected()
            if write and not self._ready:
                migrate(db)
                self._ready = True
            with db.transaction():
                yield db
        except psycopg.errors.InsufficientPrivilege as error:
            self.close()
            raise StoreError(f"{self.shown}: {_line(error)}") from None
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as error:
            self.close()
            raise StoreLost(f"{self.shown}: {_line(error)}") from None
        except psycopg.Error as error:
            self.close()
            raise StoreError(f"{self.shown}: {_line(error)}") from None
        except (StoreError, BadLabel):
            raise
        except BaseException:
            self.close()
            raise

    def _connected(self) -> Db:
        if self._db is None or self._db.closed:
            self._ready = False
            self._db = psycopg.connect(_conninfo(self._address), autocommit=True)
            self._db.execute(f"SET lock_timeout = '{_LOCK_WAIT}'")
        return self._db

    def _exists(self, db: Db) -> bool:
        """Whether the tables are there, as this version reads them. Raises StoreError for those of another."""
        if self._ready:
            return True
        found = db.execute("SELECT to_regclass(%s)", ("csworkbench.migrations",)).fetchone()
        if found is None or found[0] is None:
            return False
        version = _version(db)
        if version != len(MIGRATIONS):
            raise StoreError(f"{self.shown}: {_other_version(version)}")
        self._ready = True
        return True


def migrate(db: Db) -> None:
    """Bring the tables up to date; whoever else does so at the same time is waited for. Raises psycopg.Error."""
    with db.transaction():
        found = db.execute("SELECT to_regclass(%s)", ("csworkbench.migrations",)).fetchone()
        if found is not None and found[0] is not None and _version(db) == len(MIGRATIONS):
            return
        db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        for statement in _statements(MIGRATIONS_TABLE):
            db.execute(statement)
        version = _version(db)
        if version > len(MIGRATIONS):
            raise StoreError(_other_version(version))
        for number, step in enumerate(MIGRATIONS[version:], version + 1):
            for statement in _statements(step):
                db.execute(statement)
            who = f"csworkbench on {socket.gethostname()}, process {os.getpid()}"
            db.execute("INSERT INTO csworkbench.migrations (version, applied_by) VALUES (%s, %s)", (number, who))


def _version(db: Db) -> int:
    found = db.execute("SELECT coalesce(max(version), 0) FROM csworkbench.migrations").fetchone()
    return int(found[0]) if found is not None else 0


def _other_version(version: int) -> str:
    if version > len(MIGRATIONS):
        return f"its tables are of version {version}, this csworkbench knows {len(MIGRATIONS)}: use a newer one"
    return f"its tables are of version {version}, this csworkbench wants {len(MIGRATIONS)}: any `push` updates them"


def _statements(script: str) -> list[bytes]:
    return [part.encode() for part in script.split(";\n") if part.strip()]


def _conninfo(address: str) -> str:
    """With our timeouts where the address gives none. Raises StoreError."""
    try:
        given = conninfo_to_dict(address)
    except Exception:  # its text would quote the address
        raise StoreError(f"this is no address of a team store; write {postgres_address.EXAMPLE}") from None
    return make_conninfo(**{**_DEFAULTS, **{k: str(v) for k, v in given.items() if v is not None}})


def _line(error: Exception) -> str:
    """The first line of what the server or libpq said; neither ever quotes a password."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
