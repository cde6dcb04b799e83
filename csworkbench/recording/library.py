# SPDX-License-Identifier: Apache-2.0
"""Where runs live: one folder each (0700) under the platform's data directory."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from .by_name import by_name
from .labels import Labels, change_labels, read_labels

RUN_FILE = "run.db"
SOCKET = "engine.sock"


class RunNotFound(Exception):
    """No such run; the message says what there is."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's folder: run file, viewer socket, engine log, exports."""

    path: Path
    file_name: str = RUN_FILE  # another one for a file that somebody passed on

    @property
    def name(self) -> str:
        """The run's id; of a file that was passed on, its name."""
        return self.path.name if self.file_name == RUN_FILE else Path(self.file_name).stem

    @property
    def file(self) -> Path:
        """The run file."""
        return self.path / self.file_name

    @property
    def socket(self) -> Path:
        """The viewers' socket; there while the engine lives."""
        return self.path / SOCKET

    @property
    def exports(self) -> Path:
        """Where the workbench writes its CSV files."""
        return self.path / "export"

    @property
    def labels(self) -> Labels:
        """Tags and note."""
        return read_labels(self.path)

    def change_labels(self, change: Callable[[Labels], Labels]) -> Labels:
        """Replace them by what `change` makes of them. Raises BadLabel, OSError."""
        return change_labels(self.path, change)


def runs_dir() -> Path:
    """The folder of all runs; `CSWORKBENCH_DATA_DIR` overrides the platform's data directory."""
    base = os.environ.get("CSWORKBENCH_DATA_DIR") or platformdirs.user_data_dir("csworkbench")
    return Path(base) / "runs"


def new_run(name: str, base: Path, now: datetime | None = None) -> RunFolder:
    """Make the folder of a new run, named by UTC time and the scenario's name."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    words = re.findall(r"[a-z0-9]+", name.lower())[:4] or ["run"]
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
        path = base / f"{stamp}-{'-'.join(words)[:40].rstrip('-')}{suffix}"
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return RunFolder(path)
    raise FileExistsError(f"{base}: a thousand runs in one second")


def all_runs(base: Path) -> list[RunFolder]:
    """Every run, newest first."""
    found = [RunFolder(p.parent) for p in base.glob(f"*/{RUN_FILE}")]
    return sorted(found, key=lambda r: r.name, reverse=True)


def find_run(text: str, base: Path) -> RunFolder:
    """A run by id, unique beginning of an id, `last`, or path to its folder or file. Raises RunNotFound."""
    path = Path(text)
    if path.name == RUN_FILE and path.is_file():
        return RunFolder(path.parent)
    if path.suffix == ".db" and path.is_file():
        return RunFolder(path.parent, path.name)
    if (path / RUN_FILE).is_file():
        return RunFolder(path)
    try:
        return by_name(all_runs(base), text, where=f" under {base}", hint=" (`csworkbench runs` lists all)")
    except LookupError as error:
        raise RunNotFound(str(error)) from None
