# SPDX-License-Identifier: Apache-2.0
"""The library behind the screen of runs: real run files, labels, exports, reports, comparisons, deletion."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from csworkbench.cli.run_library import FolderLibrary
from csworkbench.cli.run_list import Wanted
from csworkbench.recording.labels import Labels, read_labels
from csworkbench.recording.library import RunFolder, runs_dir
from csworkbench.results.comparison import compare
from csworkbench.results.run_index import RunIndex
from csworkbench.results.run_result import load_result
from csworkbench.tui.runs import LibraryError, RunRow

from .test_library import alive, call, made


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSWORKBENCH_DATA_DIR", str(tmp_path / "d"))


def rows(library: FolderLibrary) -> list[RunRow]:
    found: list[RunRow] = []

    def told(_read: int, _runs: int, some: Sequence[RunRow]) -> bool:
        found.extend(some)
        return True

    library.read(told)
    return found


def test_rows_have_bounds_and_come_from_the_index_the_second_time() -> None:
    folder, broken = made("a"), RunFolder(runs_dir() / "20260101-000000-broken")
    broken.path.mkdir()
    broken.file.write_text("nonsense")
    library = FolderLibrary(runs_dir())
    first, second = rows(library)
    assert (first.run, first.verdict, second.run) == (folder.name, "restarted", broken.name)
    down, low, high = first.figures["egress"]
    assert 0 < low < down < high
    assert "not a run file" in second.problem
    index = RunIndex(runs_dir())
    index.entry(folder)
    assert index.read == 0
    assert rows(library) == [first, second]
    assert rows(FolderLibrary(runs_dir(), Wanted(named="broken"))) == [second]
    assert library.rows([folder.name, "gone"]) == [first]


def test_labels_of_several_or_of_none() -> None:
    a, b = made("a"), made("b")
    library = FolderLibrary(runs_dir())
    library.tag([a.name, b.name], "+base -old x1")
    library.note(a.name, "one\nline")
    assert read_labels(a.path) == Labels(("base", "x1"), "one line")
    with pytest.raises(LibraryError, match="is no tag"):
        library.tag([a.name, b.name], "fine +N0")
    assert read_labels(b.path).tags == ("base", "x1")


def test_files(tmp_path: Path) -> None:
    a, b = made("a"), made("b")
    library = FolderLibrary(runs_dir())
    assert (Path(library.export(a.name)) / "summary.json").exists()
    page, table = tmp_path / "r.html", tmp_path / "c.csv"
    assert library.report([a.name, b.name], page) == str(page)
    assert page.read_text().startswith("<!")
    library.write(compare([load_result(a.file), load_result(b.file)]), table)
    assert table.read_text().startswith("service,")
    with pytest.raises(LibraryError, match="is there already"):
        library.report([a.name], page)
    with pytest.raises(LibraryError, match="is there already"):
        library.write(compare([load_result(a.file)]), table)
    with pytest.raises(LibraryError, match="what kind of report"):
        library.report([a.name], tmp_path / "r.pdf")
    with pytest.raises(LibraryError, match="No such file or directory"):
        library.report([a.name], tmp_path / "no" / "r.md")


def test_a_result_is_given_up_when_nobody_waits() -> None:
    library = FolderLibrary(runs_dir())
    name = made("a").name
    assert library.result(name, lambda _: True).verdict == "restarted"
    with pytest.raises(LibraryError):
        library.result(name, lambda _: False)


def test_a_run_that_goes_on_is_kept_and_no_name_leads_elsewhere(tmp_path: Path) -> None:
    a, b = made("a"), made("b")
    elsewhere = tmp_path / "d" / "kept"
    elsewhere.mkdir()
    library = FolderLibrary(runs_dir())
    with alive(a):
        found = library.removal([a.name, b.name])
        assert (found.doomed, found.kept) == ((b.name,), ((a.name, "it is going on"),))
        assert found.size_bytes >= b.file.stat().st_size
        live = next(row for row in rows(library) if row.run == a.name)
        assert live.live
        with pytest.raises(LibraryError, match="is going on"):
            library.delete([a.name])
    for name in ("../kept", "..", "", str(elsewhere)):
        with pytest.raises(LibraryError, match="is no run of"):
            library.delete([name])
    assert library.delete([b.name]) == [b.name]
    assert [row.run for row in rows(library)] == [a.name]
    assert elsewhere.exists()


def test_without_a_terminal_the_screen_says_so() -> None:
    done = call("runs", "--tui")
    assert done.exit_code == 2
    assert "needs a terminal" in done.output


@pytest.mark.slow
def test_ten_thousand_runs_are_quick_the_second_time() -> None:
    first = made("run-0")
    for n in range(1, 10_000):
        folder = RunFolder(runs_dir() / f"20261120-140311-run-{n}")
        folder.path.mkdir()
        folder.file.hardlink_to(first.file)
    index = RunIndex(runs_dir())
    entry = index.entry(first)
    for n in range(10_000):  # as if all had been read: that takes minutes
        folder = RunFolder(runs_dir() / f"20261120-140311-run-{n}")
        index._kept[folder.name] = index._kept[first.name][0], replace(entry, run=folder.name)
    index._changed = True
    index.save([RunFolder(runs_dir() / name) for name in index._kept])
    started = time.monotonic()
    assert len(rows(FolderLibrary(runs_dir()))) == 10_000
    took_s = time.monotonic() - started
    shutil.rmtree(runs_dir())
    assert took_s < 20  # about one on a machine with nothing else to do
