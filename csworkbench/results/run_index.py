# SPDX-License-Identifier: Apache-2.0
"""What a list of runs shows of each, kept so that a thousand run files need not be read again.

The run files are the truth: an entry counts only while its file has the size and time it had, and an index that is
damaged, or of another version, is made anew.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from csworkbench import __version__
from csworkbench.recording.labels import replace_text
from csworkbench.recording.library import RunFolder
from csworkbench.recording.reader import RunFileError

from .run_result import RunResult, load_result

INDEX_FILE = ".index.json"
INDEX_VERSION = f"2 {__version__}"  # of the entries, and of what made their figures
MOST_BYTES = 64 * 2**20
Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One run in a list. `down_s` and `bounds_s` (low, high) per service; `started_ns`: since 1970.

    `closed`: its engine ended in order.
    """

    run: str
    name: str
    verdict: str
    over_budget: bool
    closed: bool
    phase: str
    started_ns: int
    down_s: dict[str, float]
    problem: str = ""  # why the file cannot be read
    bounds_s: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def worst(self) -> tuple[str, float] | None:
        """The service that was down longest; None without one."""
        return max(self.down_s.items(), key=lambda item: item[1]) if self.down_s else None


_KEPT: TypeAdapter[dict[str, tuple[Stamp, Entry]]] = TypeAdapter(dict[str, tuple[Stamp, Entry]])


def entry_of(result: RunResult) -> Entry:
    """What the list shows of a run."""
    state, verdict, services = result.state, result.state.verdict, result.services()
    return Entry(
        result.run, state.opened.name if state.opened else "", str(verdict.verdict) if verdict else "unfinished",
        verdict is not None and verdict.over_budget, state.closed is not None, str(state.phase),
        state.started_wall_ns, {str(s): round(r.down_ns / 1e9, 3) for s, r in services.items()},
        bounds_s={str(s): (round(r.low_ns / 1e9, 3), round(r.high_ns / 1e9, 3)) for s, r in services.items()},
    )  # fmt: skip


class RunIndex:
    """Entries of the runs in one folder. `save` keeps what was read; a folder that cannot be written is left alone."""

    def __init__(self, base: Path) -> None:
        self._file = base / INDEX_FILE
        self._kept = self._load()
        self._changed = False
        self.read = 0  # run files that had to be read

    def entry(self, folder: RunFolder) -> Entry:
        """A run's entry, from the index while its file is as it was."""
        stamp = _stamp(folder.file)
        kept = self._kept.get(folder.name)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        self.read += 1
        try:
            entry = entry_of(load_result(folder.file))
        except RunFileError as error:
            return Entry(folder.name, "", "unreadable", False, False, "", 0, {}, str(error))
        self._kept[folder.name] = stamp, entry
        self._changed = True
        return entry

    def save(self, runs: Sequence[RunFolder]) -> None:
        """Keep the entries of `runs`, which are all there are."""
        names = {run.name for run in runs}
        kept = {name: found for name, found in self._kept.items() if name in names}
        if not self._changed and len(kept) == len(self._kept):
            return
        entries = {name: (stamp, asdict(entry)) for name, (stamp, entry) in kept.items()}
        try:
            replace_text(self._file, json.dumps({"version": INDEX_VERSION, "runs": entries}))
        except OSError:
            return  # the next list reads the files again

    def _load(self) -> dict[str, tuple[Stamp, Entry]]:
        try:
            with self._file.open("rb") as file:
                data = json.loads(file.read(MOST_BYTES))
            if data["version"] != INDEX_VERSION:
                return {}
            return _KEPT.validate_python(data["runs"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError, ValidationError):
            return {}


def _stamp(path: Path) -> Stamp:
    """(size, mtime in ns) of the run file and of its log, where the newest of a run that is going on may lie."""
    found = []
    for file in (path, path.with_name(f"{path.name}-wal")):
        try:
            stat = file.stat()
            found += [stat.st_size, stat.st_mtime_ns]
        except OSError:
            found += [0, 0]
    return found[0], found[1], found[2], found[3]
