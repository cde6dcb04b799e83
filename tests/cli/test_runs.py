# SPDX-License-Identifier: Apache-2.0
"""The list of runs: what became of each."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from csworkbench.cli.runs import runs
from csworkbench.model import event as ev
from csworkbench.recording.library import new_run, runs_dir
from csworkbench.recording.writer import RunFileWriter


def test_a_run_whose_engine_was_killed_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSWORKBENCH_DATA_DIR", str(tmp_path))
    opened = ev.RunOpened("r", "n", "v", "lab", "op", "")
    ended = (ev.VerdictReached(ev.Verdict.MEASURED, False), ev.RunClosed(0))
    for name, bodies in (("killed", (opened, ev.PhaseEntered(ev.Phase.CHANGE))), ("ended", (opened, *ended))):
        folder = new_run(name, runs_dir())
        writer = RunFileWriter(folder.file, {"run": folder.name})
        for body in bodies:
            writer.write(body)
        writer.close()
    done = CliRunner().invoke(runs, ["--json"])
    listed = {row["run"].rpartition("-")[2]: row["verdict"] for row in map(json.loads, done.output.splitlines())}
    assert listed == {"killed": "interrupted", "ended": "measured"}
