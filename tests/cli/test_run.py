# SPDX-License-Identifier: Apache-2.0
"""`run` and `watch`: exit codes, what goes to stdout and what to stderr, Ctrl-C, and disks that are full."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from csworkbench.cli import cli
from csworkbench.engine.prepared import Proof
from csworkbench.recording.writer import RunFileWriter

from .support import Cloud, cloud, scenario

__all__ = ["cloud", "scenario"]
pytestmark = pytest.mark.lab
Write = Callable[..., str]


def csworkbench(*words: str) -> Result:
    result = CliRunner().invoke(cli, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "Traceback" not in result.output
    return result


def test_json_is_alone_on_stdout_and_progress_on_stderr(cloud: Cloud, scenario: Write) -> None:
    done = csworkbench("run", scenario(), "--json")
    assert done.exit_code == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["verdict"] == "restarted"
    assert summary["missing_records"] == 0
    for line in ("phase: baseline", "phase: change", "verdict: restarted · r-2-VM is new", "run file: "):
        assert line in done.stderr


def test_the_report_is_for_people(cloud: Cloud, scenario: Write, tmp_path: Path) -> None:
    done = csworkbench("run", scenario(), "--out", str(tmp_path / "out"))
    assert done.exit_code == 0
    assert "verdict: restarted" in done.stdout
    assert "ingress" in done.stdout
    assert (tmp_path / "out/summary.json").exists()
    assert csworkbench("show").stdout == done.stdout


@pytest.mark.parametrize(
    ("refuses", "code"), [(("the API refused", 1), 1), (("no such network", 2), 2), (("no vantage", 4), 4)]
)
def test_what_cannot_be_prepared(cloud: Cloud, scenario: Write, refuses: tuple[str, int], code: int) -> None:
    cloud.refuses = refuses
    done = csworkbench("run", scenario())
    assert done.exit_code == code
    assert refuses[0] in done.stderr
    assert done.stdout == ""


def test_over_budget_and_changed_nothing(cloud: Cloud, scenario: Write) -> None:
    assert csworkbench("run", scenario(budget="budget: {ingress: 100ms}")).exit_code == 3
    cloud.proof = Proof(False, True, ("no router differs from before",))
    assert csworkbench("run", scenario(budget="budget: {ingress: 100ms}")).exit_code == 5


def test_a_bad_scenario_is_one_line(scenario: Write, tmp_path: Path) -> None:
    done = csworkbench("run", scenario(network="netwrok: loop-net"))
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert csworkbench("run", str(tmp_path / "nowhere.yaml")).exit_code == 2
    assert csworkbench("watch", scenario(), "--for", "soon").exit_code == 2


def test_repeated_runs_give_one_document_and_the_worst_code(cloud: Cloud, scenario: Write) -> None:
    cloud.outage_s = (0.1, 1.5)
    done = csworkbench("run", scenario(budget="budget: {ingress: 700ms}"), "--repeat", "2", "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 3
    assert [run["verdict"] for run in document["runs"]] == ["restarted", "restarted over budget"]
    assert "summary" in document


def test_ctrl_c_ends_a_series(cloud: Cloud, scenario: Write) -> None:
    cloud.interrupt_after_s = 0.5
    done = csworkbench(
        "run", scenario(phases="phases: {warmup: 100ms, baseline: 60s, calibrate: 0s}"), "--repeat", "3", "--json"
    )
    assert (done.exit_code, cloud.runs) == (1, 1)
    assert "nothing was operated" in json.loads(done.stdout)["reasons"][0]


def test_watch_without_an_end_gives_its_result_at_ctrl_c(cloud: Cloud, scenario: Write) -> None:
    cloud.interrupt_after_s = 6.0
    done = csworkbench("watch", scenario(), "--json")
    assert done.exit_code == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["verdict"] == "measured"
    assert summary["missing_records"] == 0
    assert all(lane["sent"] for lane in summary["lanes"])


def test_an_export_that_fails_costs_only_the_export(cloud: Cloud, scenario: Write, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = csworkbench("run", scenario(), "--json", "--out", str(tmp_path / "file" / "out"))
    assert done.exit_code == 1
    assert json.loads(done.stdout)["verdict"] == "restarted"
    assert "cannot export to" in done.stderr.splitlines()[-1]


def test_a_full_disk_is_one_line(cloud: Cloud, scenario: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write, left = RunFileWriter.write, [20]

    def full(self: RunFileWriter, *bodies: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise sqlite3.OperationalError("database or disk is full")
        write(self, *bodies)  # type: ignore[arg-type]

    monkeypatch.setattr(RunFileWriter, "write", full)
    done = csworkbench("run", scenario(), "--json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "run.db cannot be written (database or disk is full)" in done.stderr.splitlines()[-1]


def test_a_folder_for_runs_that_cannot_be_made(cloud: Cloud, scenario: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSWORKBENCH_DATA_DIR", "/proc/nowhere")
    done = csworkbench("run", scenario())
    assert done.exit_code == 1
    assert done.stderr.startswith("csworkbench: cannot keep runs under /proc/nowhere/runs: ")
