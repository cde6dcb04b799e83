# SPDX-License-Identifier: Apache-2.0
"""A copy of a run file that may be passed on, and a state folded without names."""

import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from csworkbench.model.event import Event, RunOpened
from csworkbench.model.redaction import Redaction
from csworkbench.model.state import RunState, apply

from .reader import RunFileReader
from .writer import RunFileWriter


def learned(paths: Iterable[Path]) -> Redaction:
    """A redaction that knows every name of these run files. Raises RunFileError."""
    redaction = Redaction()
    for path in paths:
        reader = RunFileReader(path)
        try:
            for event in reader.without_samples():
                redaction.learn(event)
        finally:
            reader.close()
    return redaction


def redacted_states(paths: Sequence[Path]) -> list[RunState]:
    """Each file's state without names; a name has one pseudonym in all of them. Raises RunFileError."""
    redaction = learned(paths)
    states = []
    for path in paths:
        state, reader = RunState(), RunFileReader(path)
        try:
            for event in reader:
                apply(state, redaction.redact(event))
        finally:
            reader.close()
        states.append(state)
    return states


def redact_file(source: Path, target: Path) -> None:
    """Write a copy without names. The target must not exist. Raises RunFileError, OSError, sqlite3.Error.

    The copy is vacuumed into a fresh file: free pages of one that was written to may hold what was there before.
    """
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    redaction = learned([source])
    reader = RunFileReader(source)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".redact-") as folder:
            draft, fresh = Path(folder) / "draft.db", Path(folder) / "fresh.db"
            _write(draft, reader, redaction)
            db = sqlite3.connect(draft)
            try:
                db.execute("VACUUM INTO ?", (str(fresh),))
            finally:
                db.close()
            fresh.chmod(0o600)
            target.hardlink_to(fresh)  # unlike a move, it never replaces what somebody made in the meantime
    finally:
        reader.close()


def _write(draft: Path, reader: RunFileReader, redaction: Redaction) -> None:
    stamps: list[Event] = []
    first = next((redaction.redact(event).body for event in reader), None)
    header = {"run": first.run, "name": first.name} if isinstance(first, RunOpened) else {}
    writer = RunFileWriter(draft, header, clock_ns=lambda: stamps[-1].at_ns, wall_ns=lambda: stamps[-1].wall_ns)
    try:
        # Events of one commit share their stamps.
        for _, group in groupby(map(redaction.redact, reader), key=lambda event: (event.at_ns, event.wall_ns)):
            events = list(group)
            stamps[:] = events[:1]
            writer.write(*(event.body for event in events))
    finally:
        writer.close()
