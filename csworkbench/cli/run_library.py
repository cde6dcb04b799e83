# SPDX-License-Identifier: Apache-2.0
"""The run library behind the screen that lists runs. Everything here may block: the screen calls it in threads."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from csworkbench.model.state import RunState, apply
from csworkbench.recording.labels import BadLabel, Labels, change_note, change_tags, read_labels, write_labels
from csworkbench.recording.library import RunFolder, all_runs
from csworkbench.recording.reader import RunFileError, RunFileReader
from csworkbench.recording.removal import remove, size_bytes
from csworkbench.results import comparison_tables as tables
from csworkbench.results.comparison import Comparison
from csworkbench.results.export import export_run
from csworkbench.results.run_index import RunIndex
from csworkbench.results.run_result import RunResult, analyse, load_result
from csworkbench.tui.runs import LibraryError, Removal, RunRow

from .live import is_live
from .report import FORMS, labels_line, report_text
from .run_list import Listed, Wanted

FIRST_S, NEXT_S, SAVE_S = 0.2, 1.0, 10.0  # until rows are shown, until more are, between two savings of the index


class FolderLibrary:
    """The runs of one folder that a list is narrowed to."""

    def __init__(self, base: Path, wanted: Wanted | None = None) -> None:
        self._base = base
        self._wanted = wanted or Wanted()

    @property
    def where(self) -> str:
        """The folder."""
        return str(self._base)

    def read(self, told: Callable[[int, int, Sequence[RunRow]], bool]) -> None:
        """All runs, newest first, from the index where it has them."""
        with _clear():
            folders, index = all_runs(self._base), RunIndex(self._base)
            fresh: list[RunRow] = []
            due, save_due = time.monotonic() + FIRST_S, time.monotonic() + SAVE_S
            for n, folder in enumerate(folders, 1):
                fresh += self._row(folder, index)
                if time.monotonic() < due:
                    continue
                if not told(n, len(folders), fresh):
                    break
                fresh, due = [], time.monotonic() + NEXT_S
                if time.monotonic() > save_due:
                    index.save(folders)
                    save_due = time.monotonic() + SAVE_S
            index.save(folders)
            told(len(folders), len(folders), fresh)

    def rows(self, runs: Sequence[str]) -> list[RunRow]:
        """Some runs anew."""
        with _clear():
            index = RunIndex(self._base)
            return [
                row for run in runs if self._folder(run).file.exists() for row in self._row(self._folder(run), index)
            ]

    def result(self, run: str, told: Callable[[int], bool]) -> RunResult:
        """All figures of a run."""
        with _clear():
            reader, state = RunFileReader(self._folder(run).file), RunState()
            try:
                after = 0
                while events := reader.read(after):
                    for event in events:
                        apply(state, event)
                    after = events[-1].seq
                    if not told(after):
                        raise LibraryError("nobody waits for it any more")
            finally:
                reader.close()
            return analyse(state)

    def export(self, run: str) -> str:
        """Its CSV files in its own folder."""
        with _clear():
            target = self._folder(run).path / "export"
            export_run(self._folder(run).file, target)
            return str(target)

    def report(self, runs: Sequence[str], to: Path) -> str:
        """A report in the form that the file's ending says."""
        if to.suffix not in FORMS:
            endings = ", ".join(f"{suffix} ({name})" for suffix, name in FORMS.items())
            raise LibraryError(f"{to.name}: what kind of report? End its name with {endings}")
        with _clear():
            _refuse_existing(to)
            folders = [self._folder(run) for run in runs]
            results = [load_result(folder.file) for folder in folders]
            said = {r.run: labels_line(folder) for r, folder in zip(results, folders, strict=True)}
            return _written(to, report_text(to.suffix, results, "", "", said))

    def tag(self, runs: Sequence[str], changes: str) -> None:
        """To all of them, or to none when a tag is none."""
        with _clear():
            self._label(runs, lambda labels: change_tags(labels, changes.split()))

    def note(self, run: str, text: str) -> None:
        """On one line."""
        with _clear():
            self._label([run], lambda labels: change_note(labels, text))

    def removal(self, runs: Sequence[str]) -> Removal:
        """What would go."""
        with _clear():
            folders = [self._folder(run) for run in runs]
            live = [folder for folder in folders if is_live(folder)]
            doomed = [folder for folder in folders if folder not in live]
            kept = tuple((folder.name, "it is going on") for folder in live)
            return Removal(tuple(f.name for f in doomed), sum(size_bytes(f) for f in doomed), kept)

    def delete(self, runs: Sequence[str]) -> list[str]:
        """One after the other; one that has been started meanwhile is kept."""
        gone = []
        with _clear():
            for run in runs:
                if is_live(self._folder(run)):
                    raise LibraryError(f"{run} is going on; it and those after it were kept")
                remove(self._folder(run))
                gone.append(run)
        return gone

    def write(self, comparison: Comparison, to: Path) -> str:
        """In the form that the file's ending says."""
        forms: dict[str, Callable[[], str]] = {
            ".md": lambda: tables.markdown(comparison),
            ".csv": lambda: tables.as_csv(comparison),
            ".json": lambda: json.dumps(tables.as_json(comparison), indent=2) + "\n",
            ".txt": lambda: tables.text(comparison) + "\n",
        }
        if to.suffix not in forms:
            raise LibraryError(f"{to.name}: in which form? End its name with {', '.join(forms)}")
        with _clear():
            _refuse_existing(to)
            return _written(to, forms[to.suffix]())

    def _folder(self, run: str) -> RunFolder:
        """Only of this folder: the name is not to lead elsewhere."""
        if run != Path(run).name or run in ("", ".", ".."):
            raise LibraryError(f"{run!r} is no run of {self._base}")
        return RunFolder(self._base / run)

    def _row(self, folder: RunFolder, index: RunIndex) -> list[RunRow]:
        """One row, or none when it is not wanted."""
        labels = read_labels(folder.path)
        live = folder.socket.exists() and is_live(folder)
        run = Listed(folder, index.entry(folder), labels, live)
        return [_shown(run)] if self._wanted.fits(run) else []

    def _label(self, runs: Sequence[str], change: Callable[[Labels], Labels]) -> None:
        folders = [self._folder(run) for run in runs]
        for folder, labels in [(folder, change(read_labels(folder.path))) for folder in folders]:
            write_labels(folder.path, labels)


def _shown(run: Listed) -> RunRow:
    entry = run.entry
    figures = {s: (down, *entry.bounds_s.get(s, (down, down))) for s, down in entry.down_s.items()}
    return RunRow(
        run.folder.name, entry.name, run.verdict, entry.over_budget, run.live, entry.started_ns, figures,
        run.labels.tags, run.labels.note, entry.problem,
    )  # fmt: skip


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise LibraryError(f"{path} is there already; choose another name")


def _written(path: Path, text: str) -> str:
    """Beside, then in place."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    return str(part.replace(path))


@contextmanager
def _clear() -> Iterator[None]:
    """All that can go wrong, in one line."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise LibraryError(f"{where}{error.strerror or error}") from None
    except (RunFileError, BadLabel, sqlite3.Error) as error:
        raise LibraryError(str(error)) from None
    except LookupError as error:
        raise LibraryError(str(error.args[0]) if error.args else "nothing to compare") from None
