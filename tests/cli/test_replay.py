# SPDX-License-Identifier: Apache-2.0
"""`replay` without a terminal, and what it refuses."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from csworkbench.cli import cli
from csworkbench.recording.writer import RunFileWriter
from tests.measurement.synthetic_run import Plan, SyntheticRun


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    """A recorded run of 20 s."""
    path = tmp_path / "colleague" / "run.db"
    path.parent.mkdir()
    writer = RunFileWriter(path, {"run": "x", "name": "x"})
    for event in SyntheticRun(Plan(vms=1, downs={0: ((9.0, 10.0),)})).events():
        writer.write(event.body)
    writer.close()
    return path


def test_plain_tells_it_at_once_and_ends_with_the_runs_own_code(run_file: Path) -> None:
    began = time.monotonic()
    done = CliRunner().invoke(cli, ["replay", str(run_file), "--plain"])
    assert done.exit_code == 0
    assert "phase: change" in done.output
    assert "vm00 egress icmp: down" in done.output
    assert "verdict: restarted" in done.output
    assert time.monotonic() - began < 15


def test_what_cannot_be_replayed_is_said_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "run.db"
    broken.write_bytes(b"not a database")
    for words, code in ((["replay", str(broken)], 1), (["replay", str(tmp_path / "nothing")], 2)):
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == code
        assert len(done.output.strip().splitlines()) == 1
