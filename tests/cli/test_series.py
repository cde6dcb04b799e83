# SPDX-License-Identifier: Apache-2.0
"""A series of runs that was stopped goes on where it was; what does not count is done again."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from csworkbench.cli import cli, run
from csworkbench.cli import experiment as runner
from csworkbench.cli.experiment import remaining, run_experiment
from csworkbench.cli.series import last_series, new_series
from csworkbench.config.experiment_file import Experiment, check_experiment
from csworkbench.config.yaml12 import parse
from csworkbench.model import event as ev
from csworkbench.model.scenario import Scenario
from csworkbench.recording.library import RunFolder, all_runs, new_run, runs_dir
from csworkbench.recording.writer import RunFileWriter
from tests.measurement.synthetic_run import HOST, WALL, Plan, SyntheticRun

TEXT = """\
name: two ways
repeat: 3
common: {network: n, cloud: lab, operation: {restart: {cleanup: true}}}
environments:
  fast:
    lab: {scale: 0.1}
  slow:
    lab: {scale: 0.3}
arms:
  old: {lab: {settings: {network.rolling.restart: false}}}
  new:
"""
PLAN = check_experiment(parse(TEXT, "x.yaml"))


class Runs:
    """Runs an arm as a synthetic run in the library. `stop_at`: the number of the run that is interrupted."""

    def __init__(self, stop_at: int = 0, fail_at: int = 0) -> None:
        self.stop_at, self.fail_at, self.made = stop_at, fail_at, list[str]()

    def __call__(self, scenario: Scenario) -> tuple[int, RunFolder]:
        self.made.append(f"{scenario.environment} {scenario.strategy}")
        number = len(self.made)
        at = datetime(2026, 11, 20, 14, 0, 0, tzinfo=UTC) + timedelta(seconds=len(all_runs(runs_dir())))
        folder = new_run(scenario.name, runs_dir(), at)
        verdict = ev.Verdict.FAILED if number == self.fail_at else ev.Verdict.RESTARTED
        down = 2.0 if scenario.strategy == "old" else 1.0
        made = SyntheticRun(Plan(vms=1, downs={0: ((9.0, 9.0 + down),)}, verdict=verdict))
        header = {"run": folder.name, "name": scenario.name}
        writer = RunFileWriter(folder.file, header, clock_ns=lambda: HOST, wall_ns=lambda: WALL)
        for event in made.events():
            body = event.body
            if isinstance(body, ev.RunOpened):
                told = json.dumps(asdict(scenario))
                body = replace(body, run=folder.name, name=scenario.name, scenario=told)
            if isinstance(body, ev.VerdictReached) and number == self.stop_at:
                writer.write(ev.OperatorActed("stop", "SIGINT"))
            writer.write(body)
        writer.close()
        return 0, folder


def go(plan: Experiment, runs: Runs) -> list[str]:
    series = new_series(datetime(2026, 11, 20, 14, 3, 11, tzinfo=UTC))
    run_experiment(plan, runs, series)
    return runs.made


def test_a_stopped_series_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    go(PLAN, Runs(stop_at=6))
    assert "stopped; --resume goes on with series-20261120-140311" in capsys.readouterr().err
    series = last_series(PLAN, runs_dir())
    assert (series.tag, len(series.folders)) == ("series-20261120-140311", 6)
    more = Runs()
    run_experiment(PLAN, more, series)
    assert more.made == ["slow old", "slow new", "fast old", "fast new", "slow old", "slow new"]
    assert set(last_series(PLAN, runs_dir()).done.values()) == {3}
    assert remaining(PLAN, last_series(PLAN, runs_dir()).done) == []


def test_what_failed_is_done_again_and_named() -> None:
    plan = replace(PLAN, repeat=1)
    go(plan, Runs(fail_at=2))
    series = last_series(plan, runs_dir())
    assert [line for line in series.told if line.endswith("the operation failed; it is done again")]
    more = Runs()
    run_experiment(plan, more, series)
    assert more.made == ["fast new"]


def test_runs_of_another_scenario_are_not_gone_on_with() -> None:
    plan = replace(PLAN, repeat=1)
    go(plan, Runs())
    changed = check_experiment(parse(TEXT.replace("scale: 0.3", "scale: 0.4"), "x.yaml"))
    series = last_series(replace(changed, repeat=1), runs_dir())
    assert dict(series.done) == {"fast · old": 1, "fast · new": 1}
    assert sum("was another scenario then" in line for line in series.told) == 2


def test_nothing_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="leave --resume out"):
        last_series(PLAN, runs_dir())
    go(replace(PLAN, repeat=1), Runs())
    with pytest.raises(LookupError, match="other"):
        last_series(check_experiment(parse(TEXT.replace("two ways", "other"), "x.yaml")), runs_dir())
    scenario = tmp_path / "one.yaml"
    scenario.write_text("name: one\nnetwork: n\n")
    done = CliRunner().invoke(cli, ["run", str(scenario), "--resume"])
    assert done.exit_code == 2
    assert "--resume is for experiments" in done.stderr


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """`run EXPERIMENT` with synthetic runs."""
    (tmp_path / "x.yaml").write_text(TEXT)
    runs = Runs()
    monkeypatch.setattr(run, "run_once", lambda scenario, _hosting: runs(scenario))
    monkeypatch.setattr(run, "_export", lambda folder, target: None)
    yield runs


def test_the_command_keeps_the_table_and_makes_the_same_again(command: Runs, tmp_path: Path) -> None:
    first = CliRunner().invoke(cli, ["run", str(tmp_path / "x.yaml"), "--out", str(tmp_path / "a")])
    assert first.exit_code == 0, first.output
    assert "so far (for ± 10 %) slow · new: egress 1.00 s, 0 more" in first.stderr
    assert len(command.made) == 12
    again = CliRunner().invoke(cli, ["run", str(tmp_path / "x.yaml"), "--resume", "--out", str(tmp_path / "b")])
    assert again.exit_code == 0, again.output
    assert len(command.made) == 12, "nothing was left to do"
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert files == ["comparison.csv", "comparison.json", "comparison.md", "report.html", "table.html", "table.md"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    (tag,) = {line for line in first.stderr.split() if line.startswith("series-")}
    told = CliRunner().invoke(cli, ["compare", "--tag", tag, "--form", "table"])
    assert told.stdout.split("\n")[1:] == (tmp_path / "a" / "table.md").read_text().split("\n")[1:]
    assert "| fast | **2.00 s (2.00)**<br>n 3, [2.00, 2.00] | **1.00 s (1.00)**" in told.stdout
    assert "| slow | **2.00 s (2.00)**" in told.stdout


def test_a_long_series_has_no_timelines(command: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "REPORTED", 3)
    words = ["run", str(tmp_path / "x.yaml"), "--repeat", "1", "--out", str(tmp_path / "a")]
    assert CliRunner().invoke(cli, words).exit_code == 0
    report = (tmp_path / "a" / "report.html").read_text()
    assert "Comparison" in report
    assert "Timeline" not in report
