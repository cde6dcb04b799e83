# SPDX-License-Identifier: Apache-2.0
"""The commands of the run library, each in this process: what they print, change, refuse, and their exit codes."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from csworkbench.cli import cli
from csworkbench.model import event as ev
from csworkbench.recording.library import RunFolder, runs_dir
from csworkbench.results.run_index import INDEX_FILE, RunIndex
from tests.measurement.ground_truth import S
from tests.measurement.synthetic_run import Plan, SyntheticRun
from tests.recording.run_files import write_events

DAY = 86_400 * S
SMALL = Plan(vms=1, length=11.0, settle=10.5, downs={0: ((9.0, 10.0),)})


def made(name: str, plan: Plan = SMALL, age_days: int = 0, closed: bool = True) -> RunFolder:
    """A run in the library, begun that long before 2026-11-20T14:03:11Z."""
    folder = RunFolder(runs_dir() / f"20261120-140311-{name}")
    folder.path.mkdir(parents=True)
    events = [replace(e, wall_ns=e.wall_ns - age_days * DAY) for e in SyntheticRun(plan).events()]
    if not closed:
        events = [e for e in events if not isinstance(e.body, ev.RunClosed | ev.VerdictReached)]
    told = [
        replace(e, body=replace(e.body, run=folder.name, name=name)) if isinstance(e.body, ev.RunOpened) else e
        for e in events
    ]
    write_events(folder.file, told)
    return folder


def call(*words: str, answer: str = "") -> Result:
    return CliRunner().invoke(cli, list(words), input=answer)


@contextmanager
def alive(folder: RunFolder) -> Iterator[None]:
    """Somebody answers on the run's socket."""
    server = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(folder.path)  # a Unix socket's path may have 107 bytes
    try:
        server.bind("engine.sock")
        server.listen()
    finally:
        os.chdir(here)
    try:
        yield
    finally:
        server.close()


def ids(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [json.loads(line)["run"].split("-", 2)[2] for line in result.stdout.splitlines()]


def test_filters_narrow_the_list_and_it_fits_80_columns() -> None:
    made("alpha"), made("beta", age_days=3), made("gamma", closed=False)
    made("delta" * 8, replace(SMALL, verdict=ev.Verdict.FAILED_AND_RECOVERED))
    assert call("tag", "20261120-140311-alpha", "+baseline", "+old", "-old").exit_code == 0
    assert call("note", "20261120-140311-beta", "=cmd " + "x" * 200).exit_code == 0
    assert ids(call("runs", "--json")) == ["gamma", "delta" * 8, "beta", "alpha"]
    assert ids(call("runs", "--json", "--named", "ALPH")) == ["alpha"]
    assert ids(call("runs", "--json", "--since", "2026-11-19")) == ["gamma", "delta" * 8, "alpha"]
    assert ids(call("runs", "--json", "--verdict", "recovered")) == ["delta" * 8]
    assert ids(call("runs", "--json", "--tag", "baseline")) == ["alpha"]
    assert ids(call("runs", "--json", "--tag", "baseline", "--tag", "old")) == []
    assert ids(call("runs", "--json", "--interrupted")) == ["gamma"]
    assert ids(call("runs", "--json", "--live")) == []
    assert ids(call("runs", "--json", "--limit", "2")) == ["gamma", "delta" * 8]
    with alive(RunFolder(runs_dir() / "20261120-140311-gamma")):
        assert ids(call("runs", "--json", "--live")) == ["gamma"]
        assert ids(call("runs", "--json", "--interrupted")) == []
    lines = call("runs").stdout.splitlines()
    assert lines[0].startswith("RUN ")
    assert all(len(line) <= 80 for line in lines), lines
    starts = {line.index("restarted") for line in lines if "restarted" in line}
    assert starts == {lines[0].index("VERDICT")}
    assert any(line.strip() == "+baseline" for line in lines)
    assert any(line.strip().startswith("'=cmd x") for line in lines)
    short = next(line.split()[0] for line in lines if "deltadelta" in line)
    assert call("show", short).exit_code == 0, "a cut id is one that commands take"
    assert call("runs", "--since", "yesterday").exit_code == 2


def test_the_index_saves_reading_and_never_knows_better_than_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [made("alpha"), made("beta")]
    base = runs_dir()

    def read() -> int:
        index = RunIndex(base)
        for folder in folders:
            assert index.entry(folder).verdict == "restarted"
        index.save(folders)
        return index.read

    assert [read(), read()] == [2, 0]
    for text in ("", "{", "[]", '{"version": 1}', '{"version": "x", "runs": {}}', "[" * 99999):
        (base / INDEX_FILE).write_text(text)
        assert [read(), read()] == [2, 0]
    data = json.loads((base / INDEX_FILE).read_text())
    data["runs"][folders[0].name][1]["down_s"] = "many"
    (base / INDEX_FILE).write_text(json.dumps(data))
    assert read() == 2
    folders[0].file.unlink()
    write_events(folders[0].file, SyntheticRun(replace(SMALL, vms=2)).events())
    assert read() == 1
    monkeypatch.setattr("csworkbench.results.run_index.INDEX_VERSION", "another")
    assert read() == 2
    gone = folders.pop()
    RunIndex(base).save(folders)
    assert gone.name not in (base / INDEX_FILE).read_text()


def test_a_damaged_run_is_named_and_the_others_are_listed() -> None:
    made("alpha")
    broken = RunFolder(runs_dir() / "20261120-140311-broken")
    broken.path.mkdir()
    broken.file.write_bytes(b"no database")
    done = call("runs", "--json")
    assert [json.loads(line)["run"] for line in done.stdout.splitlines()] == ["20261120-140311-alpha"]
    assert "broken  unreadable" in done.stderr


def test_tags_and_notes_are_shown_and_choose_runs() -> None:
    first, second = made("alpha"), made("beta")
    for folder in (first, second):
        assert call("tag", folder.name, "+baseline").stdout == f"{folder.name} +baseline\n"
    assert call("note", first.name, "after the move").exit_code == 0
    assert call("note", first.name).stdout == "after the move\n"
    shown = call("show", first.name).stdout
    assert "tags: baseline\nnote: after the move\n" in shown
    compared = json.loads(call("compare", "--tag", "baseline", "--form", "json").stdout)
    assert first.name in json.dumps(compared)
    assert second.name in json.dumps(compared)
    page = first.path / "r.html"
    assert call("report", first.name, "--to", str(page)).exit_code == 0
    assert "+baseline  after the move" in page.read_text()
    assert call("tag", first.name, "+No").exit_code == 2
    assert call("compare", "--tag", "none").exit_code == 2


def test_nothing_is_deleted_unasked_nor_while_it_goes_on() -> None:
    old, tagged, live = (made(name, age_days=100) for name in ("old", "tagged", "live"))
    new = made("new")
    call("tag", tagged.name, "+baseline")
    with alive(live):
        asked = call("delete", "--older-than", "2026-11-01", "--keep-tagged")
        assert asked.exit_code == 2
        assert all(folder.file.exists() for folder in (old, tagged, new, live))
        assert f"delete   {old.name}" in asked.stderr
        assert f"kept     {live.name}  it is going on" in asked.stderr
        assert f"kept     {tagged.name}  it is tagged: +baseline" in asked.stderr
        assert new.name not in asked.stderr
        done = call("delete", "--older-than", "2026-11-01", "--keep-tagged", "--yes")
        assert (done.exit_code, done.stdout) == (0, f"deleted {old.name}\n")
        assert call("delete", live.name, "--yes").stdout == ""
        assert not old.path.exists()
        assert all(folder.file.exists() for folder in (tagged, new, live))
    assert call("delete").exit_code == 2
    assert call("delete", tagged.name, tagged.name, "--yes").stdout == f"deleted {tagged.name}\n"


def test_only_runs_of_the_library_are_deleted(tmp_path: Path) -> None:
    made("alpha")
    (tmp_path / "theirs").mkdir()
    write_events(tmp_path / "theirs" / "run.db", SyntheticRun(SMALL).events())
    own = RunFolder(runs_dir() / "20261120-140311-alpha")
    copy = own.path / "copy.db"
    copy.write_bytes(own.file.read_bytes())
    for words in (str(tmp_path / "theirs"), str(copy)):
        assert call("delete", words, "--yes").exit_code == 2
    assert (tmp_path / "theirs" / "run.db").exists()
    assert own.file.exists()


def test_a_run_goes_out_without_names_and_comes_in_elsewhere(tmp_path: Path) -> None:
    folder = made("acme-payroll")
    copy = tmp_path / "out.db"
    assert call("redact", folder.name, "--to", str(copy)).exit_code == 0
    assert b"acme" not in copy.read_bytes()
    assert b"vm00" not in copy.read_bytes()
    assert call("redact", folder.name, "--to", str(copy)).exit_code == 1, "never over another file"
    assert "verdict: restarted" in call("show", str(copy)).stdout
    done = call("import", str(copy))
    assert (done.exit_code, done.stdout) == (0, "20261120-140311-run-1\n")
    again = call("import", str(copy))
    assert again.exit_code == 1
    assert "already here" in again.stderr
    assert len(ids(call("runs", "--json"))) == 2


def test_a_report_without_names(tmp_path: Path) -> None:
    first, second = made("acme"), made("acme-two")
    call("note", first.name, "acme again")
    for ending in (".html", ".md", ".xml", ".jsonl"):
        page = tmp_path / f"r{ending}"
        done = call("report", first.name, second.name, "--base", second.name, "--redact", "--to", str(page))
        assert done.exit_code == 0, done.output
        text = page.read_text()
        assert ending == ".md" or "20261120-140311-run-" in text
        for word in ("acme", "vm00", "203.0.113"):
            assert word not in text, (ending, word)


def test_the_gate_holds_a_run_against_its_like() -> None:
    base = [made(f"h{n:02d}", replace(SMALL, downs={0: ((9.0, 9.5 + n * 0.05),)})) for n in range(10)]
    slow = made("slow", replace(SMALL, downs={0: ((9.0, 10.4),)}))
    fine = made("fine", replace(SMALL, downs={0: ((9.0, 9.6),)}))
    made("h-other", replace(SMALL, vms=2))
    for folder in base:
        call("tag", folder.name, "+baseline")
    over = call("gate", slow.name, "--tag", "baseline", "--percentile", "90", "--json")
    assert over.exit_code == 3
    told = json.loads(over.stdout)["services"]["egress"]
    assert (told["n"], told["over"]) == (10, True)
    assert told["limit_s"] == pytest.approx(0.9, abs=0.06), "the ninth of ten"
    within = call("gate", fine.name, "--against", "-h", "--percentile", "90")
    assert within.exit_code == 0
    assert "(n = 10)" in within.stdout
    assert "h-other: another arm" in within.stderr
    few = call("gate", slow.name, "--tag", "baseline")
    assert few.exit_code == 4
    assert "n = 10" in few.stderr
    assert "P95 needs at least 20" in few.stderr
    assert call("gate", slow.name).exit_code == 2
    assert call("gate", base[0].name, "--tag", "baseline", "--percentile", "90").exit_code == 4, "never against itself"
