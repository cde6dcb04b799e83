# SPDX-License-Identifier: Apache-2.0
"""The recorded runs that come with the program: small, readable anywhere, and with the figures they always had."""

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from csworkbench.cli import cli
from csworkbench.recording.reader import load_state
from csworkbench.results.run_result import load_result
from csworkbench.results.summary import summarise

RUNS = sorted((Path(__file__).resolve().parents[2] / "samples" / "runs").glob("*/run.db"))
NOBODY = 65534


@pytest.mark.parametrize("run", RUNS, ids=lambda path: path.parent.name)
def test_a_sample_run_is_small_whole_and_gives_its_golden_figures(run: Path) -> None:
    assert run.stat().st_size < 1_500_000
    assert run.read_bytes()[18:20] == b"\x01\x01", "one file, not in WAL mode"
    golden = json.loads((run.parent / "summary.json").read_text(encoding="utf-8"))
    now = json.loads(json.dumps(summarise(load_result(run))))
    wrong = list(differing(golden, now))
    assert not wrong, f"{wrong[:5]}; if that is meant: csworkbench show {run.parent} --json > {run.parent}/summary.json"
    assert golden["missing_records"] == 0
    done = CliRunner().invoke(cli, ["replay", str(run.parent), "--plain"])
    assert done.exit_code == 0
    assert f"verdict: {golden['verdict']}" in done.output
    assert sorted(p.name for p in run.parent.iterdir()) == ["run.db", "summary.json"], "reading leaves nothing"


def differing(golden: Any, now: Any, where: str = "") -> Iterator[str]:
    """Where they differ; keys are only ever added, so one more is no difference."""
    if isinstance(golden, dict) and isinstance(now, dict):
        for key, value in golden.items():
            yield from differing(value, now.get(key), f"{where}.{key}")
    elif isinstance(golden, list) and isinstance(now, list) and len(golden) == len(now):
        for place, (value, other) in enumerate(zip(golden, now, strict=True)):
            yield from differing(value, other, f"{where}[{place}]")
    elif golden != now:
        yield f"{where}: {golden!r} became {now!r}"


def test_a_difference_is_found() -> None:
    assert list(differing({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3, "c": 4}]})) == [".a[1].b: 2 became 3"]
    assert list(differing([1], [1, 2])) == [": [1] became [1, 2]"]
    assert list(differing({"a": 1}, {})) == [".a: 1 became None"]


def test_there_are_three_of_them() -> None:
    assert [run.parent.name for run in RUNS] == ["destroy-first-restart", "live-patch", "parallel-restart"]


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_run_is_read_from_where_nobody_may_write(mode: str) -> None:
    if os.getuid() != 0:
        pytest.fail("needs root, as the test cloud does")
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    try:
        run = folder / "run.db"
        shutil.copy(RUNS[-1], run)
        db = sqlite3.connect(run)
        db.execute(f"PRAGMA journal_mode={mode}")
        db.close()
        assert [path.name for path in folder.iterdir()] == ["run.db"]
        run.chmod(0o444)
        folder.chmod(0o555)
        assert _as_nobody(run) == 0
        assert [path.name for path in folder.iterdir()] == ["run.db"]
    finally:
        shutil.rmtree(folder)


def _as_nobody(run: Path) -> int:
    """Read it in a child without rights; 0 when that works."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            code = 0 if load_state(run).verdict is not None else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
