# SPDX-License-Identifier: Apache-2.0
"""The journal of a test bed: JSON lines on disk, safe before and after each call that makes something.

Lines, by `e`: `bed` (the first: `spec`, `cloud`, `endpoint`), `begin` (`key`, `command`, `name`), `made` (`key`, `id`,
`job`: the reply came), `ready` (`key`: the job is done), `failed` (`key`, `text`), `refused` (`key`, `text`: the
server said no, nothing was made), `gone` (`key`). A last line without its end is what a crash leaves, and is dropped.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from .plan import BedSpec

FILE = "journal.jsonl"


class LedgerError(Exception):
    """The journal cannot be used; one line that says why and what to do."""


class Progress(StrEnum):
    """How far a step came, as far as the journal knows."""

    BEGUN = "begun"  # sent, perhaps: no reply is known
    MADE = "made"
    READY = "ready"
    FAILED = "failed"
    REFUSED = "refused"
    GONE = "gone"


_AFTER = {
    "begin": Progress.BEGUN, "made": Progress.MADE, "ready": Progress.READY, "failed": Progress.FAILED,
    "refused": Progress.REFUSED, "gone": Progress.GONE,
}  # fmt: skip


@dataclass(slots=True)
class Made:
    """One step in the journal. `id` and `job` are empty when no reply told them."""

    key: str
    command: str
    name: str = ""
    progress: Progress = Progress.BEGUN
    id: str = ""
    job: str = ""
    text: str = ""


@dataclass(slots=True)
class Bed:
    """A bed as its journal tells it."""

    spec: BedSpec
    cloud: str
    endpoint: str
    steps: dict[str, Made] = field(default_factory=dict)

    def ids(self, kind: str) -> dict[str, str]:
        """Key by id, of the steps of one kind whose id is known."""
        return {made.id: key for key, made in self.steps.items() if made.id and key.split(":")[0] == kind}

    def pending(self, kind: str) -> int:
        """How many steps of a kind may have been done without telling us an id."""
        return sum(made.progress is Progress.BEGUN and key.split(":")[0] == kind for key, made in self.steps.items())


def read_ledger(file: Path) -> Bed:
    """The bed in a journal. Raises LedgerError, FileNotFoundError."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LedgerError(f"{file}: cannot be read ({error.strerror})") from None
    return _bed(file, _lines(file, data))


def _lines(file: Path, data: bytes) -> Iterable[dict[str, Any]]:
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise LedgerError(f"{file}:{number}: no line of a test bed's journal; mend or remove it")
        yield entry


def _bed(file: Path, entries: Iterable[dict[str, Any]]) -> Bed:
    bed: Bed | None = None
    for number, entry in enumerate(entries, 1):
        try:
            kind = entry["e"]
            if kind == "bed":
                bed = Bed(BedSpec(**entry["spec"]), str(entry["cloud"]), str(entry["endpoint"]))
            elif bed is None:
                raise LedgerError(f"{file}: its first line must tell the bed")
            elif kind == "begin":
                bed.steps[entry["key"]] = Made(entry["key"], entry["command"], entry["name"])
            else:
                step = bed.steps[entry["key"]]
                step.progress = _AFTER[kind]
                step.id, step.job = entry.get("id", step.id), entry.get("job", step.job)
                step.text = entry.get("text", step.text)
        except (KeyError, TypeError) as error:
            raise LedgerError(f"{file}:{number}: not understood ({error}); mend or remove it") from None
    if bed is None:
        # Killed before its first line was on disk: so nothing was asked for.
        raise FileNotFoundError(file)
    return bed


class Ledger:
    """A journal that is being written, and the bed it tells. Only one process at a time may hold it."""

    def __init__(self, file: Path, descriptor: int, bed: Bed) -> None:
        self.file, self.bed = file, bed
        self._descriptor = descriptor

    @classmethod
    def begin(cls, file: Path, bed: Bed) -> Self:
        """A new journal in an existing folder. Raises LedgerError, FileExistsError."""
        descriptor = _locked(file, os.O_CREAT)
        try:
            if b"\n" in file.read_bytes():
                raise FileExistsError(errno.EEXIST, "a bed's journal is there already", str(file))
            os.ftruncate(descriptor, 0)  # of a first line that never got to its end
            ledger = cls(file, descriptor, bed)
            ledger._write({"e": "bed", "spec": bed.spec.as_dict(), "cloud": bed.cloud, "endpoint": bed.endpoint})
            _sync_folder(file.parent)
        except BaseException:
            os.close(descriptor)
            raise
        return ledger

    @classmethod
    def again(cls, file: Path) -> Self:
        """A journal that exists. Raises LedgerError, FileNotFoundError."""
        descriptor = _locked(file, 0)
        try:
            data = file.read_bytes()
            bed = _bed(file, _lines(file, data))
            os.ftruncate(descriptor, data.rfind(b"\n") + 1)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(file, descriptor, bed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def began(self, key: str, command: str, name: str) -> None:
        """Before the call."""
        self._write({"e": "begin", "key": key, "command": command, "name": name})
        self.bed.steps[key] = Made(key, command, name)

    def note(self, key: str, progress: Progress, **told: str) -> None:
        """After a reply, a job's end, or a removal; `told`: `id`, `job`, `text`."""
        kind = next(kind for kind, after in _AFTER.items() if after is progress)
        self._write({"e": kind, "key": key, **told})
        step = self.bed.steps[key]
        step.progress = progress
        for name, value in told.items():
            setattr(step, name, value)

    def _write(self, entry: dict[str, Any]) -> None:
        line = (json.dumps(entry) + "\n").encode()
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            os.fsync(self._descriptor)
        except OSError as error:
            raise LedgerError(f"{self.file}: cannot be written ({error.strerror}): nothing more is asked for") from None


def _locked(file: Path, flags: int) -> int:
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | flags, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LedgerError(f"{file}: cannot be opened ({error.strerror})") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise LedgerError(f"{file} is in use: another `csworkbench testbed` works on this bed; wait for it") from None
    return descriptor


def _sync_folder(folder: Path) -> None:
    for path in (folder, folder.parent):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
