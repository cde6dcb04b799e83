# SPDX-License-Identifier: Apache-2.0
"""Run files of other people."""

import sqlite3
from pathlib import Path

import pytest

from csworkbench.model import event as ev
from csworkbench.model.event import Event
from csworkbench.recording import importing
from csworkbench.recording.importing import ImportRefused, import_run, run_files
from csworkbench.recording.reader import RunFileError, RunFileReader
from tests.recording.run_files import write_events

OPENED = ev.RunOpened("20261120-140311-theirs", "theirs", "0.1.0", "lab", "restart", "{}")


def made(path: Path, *bodies: ev.Body, close: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_events(path, [Event(n, n, n, body) for n, body in enumerate(bodies, 1)], close=close)
    return path


def test_it_is_copied_under_its_own_id_and_never_twice(tmp_path: Path) -> None:
    source = made(tmp_path / "theirs.db", OPENED, ev.RunClosed(0))
    folder = import_run(source, tmp_path / "runs")
    assert folder.name == OPENED.run
    reader = RunFileReader(folder.file)
    assert [event.body for event in reader] == [OPENED, ev.RunClosed(0)]
    reader.close()
    with pytest.raises(ImportRefused, match="already here"):
        import_run(source, tmp_path / "runs")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [OPENED.run], "no draft is left"


def test_what_lies_in_its_log_comes_with_it_and_triggers_do_not(tmp_path: Path) -> None:
    source = made(tmp_path / "theirs.db", OPENED, ev.RunClosed(0), close=False)
    db = sqlite3.connect(source)
    db.execute("CREATE TRIGGER theirs AFTER INSERT ON journal BEGIN DELETE FROM journal; END")
    db.commit()
    folder = import_run(source, tmp_path / "runs")
    db.close()
    copy = sqlite3.connect(folder.file)
    assert copy.execute("SELECT count(*) FROM journal").fetchone() == (2,)
    assert copy.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").fetchone() == (0,)
    copy.close()


@pytest.mark.parametrize("run", ["../../etc", "20261120-140311-x/../y", "", "x", "20261120-140311-" + "x" * 61])
def test_an_id_that_is_none_of_ours_is_refused(tmp_path: Path, run: str) -> None:
    source = made(tmp_path / "theirs.db", ev.RunOpened(run, "n", "v", "lab", "op", ""))
    with pytest.raises(ImportRefused, match="run id"):
        import_run(source, tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_is_no_run_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.db").write_text("hello")
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE t (x)").connection.close()
    for name in ("text.db", "other.db"):
        with pytest.raises(ImportRefused):
            import_run(tmp_path / name, tmp_path / "runs")
    source = made(tmp_path / "long.db", OPENED, ev.Notice(ev.Level.INFO, "x" * 300))
    monkeypatch.setattr(importing, "_TEXTS", (("journal", "body", 299),))
    with pytest.raises(ImportRefused, match="at most 299"):
        import_run(source, tmp_path / "runs")
    monkeypatch.undo()
    db = sqlite3.connect(source)
    db.execute("UPDATE header SET value = '99' WHERE key = 'format'")
    db.commit()
    db.close()
    with pytest.raises(RunFileError, match="format 99"):
        import_run(source, tmp_path / "runs")


def test_a_folder_gives_all_its_run_files(tmp_path: Path) -> None:
    a, b = made(tmp_path / "a.db", OPENED), made(tmp_path / "deep" / "run.db", OPENED)
    (tmp_path / "notes.txt").touch()
    assert run_files(tmp_path) == [a, b]
    assert run_files(a) == [a]
