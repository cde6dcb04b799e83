# SPDX-License-Identifier: Apache-2.0
"""Taking in run files that somebody else made: nothing in them is believed before it has been read."""

import contextlib
import re
import shutil
import sqlite3
import tempfile
from pathlib import Path

from csworkbench.model.event import RunOpened

from .library import RUN_FILE, RunFolder, all_runs
from .reader import RunFileReader
from .schema import SCHEMA

MOST_BYTES = 16 * 2**30
MOST_TEXT = 4 * 2**20  # characters of one journal entry; an inventory of a large network is the longest
MOST_WORD = 1000  # of a kind, or in the header
_TEXTS: tuple[tuple[str, str, int], ...] = (
    ("journal", "body", MOST_TEXT), ("journal", "kind", MOST_WORD),
    ("header", "key", MOST_WORD), ("header", "value", MOST_WORD),
)  # fmt: skip
_NAME = re.compile(r"\d{8}-\d{6}-[a-z0-9-]{1,60}")


class ImportRefused(Exception):
    """The file is not taken in; the message says why in one line."""


def run_files(source: Path) -> list[Path]:
    """The file itself, or all `*.db` in a folder and in its folders, by name."""
    return [source] if source.is_file() else sorted(p for p in source.glob("**/*.db") if p.is_file())


def import_run(source: Path, base: Path) -> RunFolder:
    """Copy a run file into the library and return its folder. Raises ImportRefused, RunFileError, OSError."""
    if source.stat().st_size > MOST_BYTES:
        raise ImportRefused(f"{source}: larger than {MOST_BYTES // 2**30} GiB")
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=base, prefix=".import-") as name:
        draft = Path(name) / "draft.db"
        _copy(source, draft)
        run = _checked(draft, source)
        folder = base / run
        if any(found.name == run for found in all_runs(base)) or folder.exists():
            raise ImportRefused(f"{source}: run {run} is already here")
        folder.mkdir(mode=0o700)
        try:
            draft.chmod(0o600)
            draft.rename(folder / RUN_FILE)
        except BaseException:
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
            raise
    return RunFolder(folder)


def _copy(source: Path, draft: Path) -> None:
    """With the newest of its log: the copy is one file. Whatever else somebody put into it stays behind."""
    try:
        reader = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
        try:
            wanted = ("header", "journal", "samples")
            tables = {row[0] for row in reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not set(wanted) <= tables:
                raise ImportRefused(f"{source}: not a run file")
            for table, column, most in _TEXTS:
                found = reader.execute(f"SELECT max(length({column})) FROM {table}").fetchone()  # noqa: S608 - our words
                if (found[0] or 0) > most:
                    raise ImportRefused(
                        f"{source}: a text of {found[0]} characters in {table}; at most {most} are taken"
                    )
            made = sqlite3.connect(draft)
            try:
                made.executescript(SCHEMA)
                for table, columns in zip(wanted, (2, 5, 10), strict=True):
                    marks = ",".join("?" * columns)
                    rows = reader.execute(f"SELECT * FROM {table} ORDER BY rowid")  # noqa: S608 - one of three words
                    made.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
                made.commit()
            finally:
                made.close()
        finally:
            reader.close()
    except sqlite3.Error as error:
        raise ImportRefused(f"{source}: cannot be read as a run file ({error})") from None


def _checked(draft: Path, source: Path) -> str:
    """The run's id, once all of it could be read. Raises RunFileError, ImportRefused."""
    reader = RunFileReader(draft)
    try:
        run = ""
        for event in reader:
            if isinstance(event.body, RunOpened) and not run:
                run = event.body.run
    finally:
        reader.close()
    if not _NAME.fullmatch(run):
        raise ImportRefused(f"{source}: its run id {run[:60]!r} is not one that csworkbench gives")
    return run
