# SPDX-License-Identifier: Apache-2.0
"""Naming and finding runs."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from csworkbench.recording.library import RunFolder, RunNotFound, all_runs, find_run, new_run, runs_dir

NOW = datetime(2026, 11, 20, 14, 3, 11, tzinfo=UTC)


def recorded(name: str, base: Path, now: datetime = NOW) -> RunFolder:
    run = new_run(name, base, now)
    run.file.touch()
    return run


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("parallel restart of an isolated network", "20261120-140311-parallel-restart-of-an"),
        ("../../etc/passwd", "20261120-140311-etc-passwd"),
        ("\x1b[2J=cmd", "20261120-140311-2j-cmd"),
        ("перезапуск", "20261120-140311-run"),
        ("", "20261120-140311-run"),
        ("x" * 500, "20261120-140311-" + "x" * 40),
        ("x" * 39 + " yy", "20261120-140311-" + "x" * 39),
    ],
)
def test_a_run_is_named_by_utc_time_and_scenario(tmp_path: Path, name: str, run: str) -> None:
    folder = new_run(name, tmp_path / "runs", NOW)
    assert folder.name == run
    assert folder.path.parent == tmp_path / "runs"
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_runs_of_one_second_do_not_collide(tmp_path: Path) -> None:
    names = [new_run("x", tmp_path, NOW).name for _ in range(12)]
    assert names[:3] == ["20261120-140311-x", "20261120-140311-x-2", "20261120-140311-x-3"]
    assert len(set(names)) == 12


def test_newest_first_and_only_folders_with_a_run_file(tmp_path: Path) -> None:
    old = recorded("a", tmp_path, datetime(2025, 1, 1, tzinfo=UTC))
    new = recorded("b", tmp_path)
    new_run("empty", tmp_path)
    (tmp_path / "stray").touch()
    assert all_runs(tmp_path) == [new, old]
    assert all_runs(tmp_path / "none") == []
    assert find_run("last", tmp_path) == new


def test_a_run_is_found_by_id_beginning_folder_or_file(tmp_path: Path) -> None:
    base = tmp_path / "runs"
    run, longer = recorded("alpha", base), recorded("alpha beta", base)
    other = recorded("gamma", base, datetime(2025, 1, 1, tzinfo=UTC))
    assert find_run(run.name, base) == run, "an id, though it is the beginning of another"
    assert find_run(longer.name[:-1], base) == longer
    assert find_run("2025", base) == other
    assert find_run(str(run.path), base).file == run.file
    assert find_run(str(run.file), base).file == run.file


@pytest.mark.parametrize(("text", "says"), [("2026", "fits 2 runs"), ("2027", "no run called '2027'; the newest is")])
def test_what_is_not_found_says_what_there_is(tmp_path: Path, text: str, says: str) -> None:
    recorded("alpha", tmp_path)
    recorded("beta", tmp_path)
    with pytest.raises(RunNotFound, match=says):
        find_run(text, tmp_path)


def test_without_any_run_it_says_so(tmp_path: Path) -> None:
    for text in ("last", "x", "\x00"):
        with pytest.raises(RunNotFound, match="no runs yet"):
            find_run(text, tmp_path)


def test_the_folder_of_all_runs_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSWORKBENCH_DATA_DIR", str(tmp_path / "mine"))
    assert runs_dir() == tmp_path / "mine" / "runs"
    monkeypatch.delenv("CSWORKBENCH_DATA_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert runs_dir() == tmp_path / "xdg" / "csworkbench" / "runs"
