# SPDX-License-Identifier: Apache-2.0
"""`csworkbench runbook` as a person and as a script use it; killed and resumed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from csworkbench.cli import cli
from csworkbench.upgrade.runbook.entry import Did, decode

from .terminal import Terminal

CSWORKBENCH = [sys.executable, "-m", "csworkbench"]
REHEARSAL = Path(__file__).resolve().parents[2] / "samples" / "runbooks" / "rehearsal-4.17-to-4.22.yaml"
BOOK = r"""
name: small
steps:
  - {id: one, title: "First \e[2J\u202e title", commands: [echo one], rollback: none}
  - {id: two, title: Second, text: Look at it., expects: nothing}
  - {id: layout, title: A command, run: [compare, no-such-run], accept: [2]}
rollback:
  - {id: back, title: The way back}
"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(BOOK)
    return path


@pytest.fixture
def start() -> Iterator[Callable[..., Terminal]]:
    """Starts `csworkbench runbook …` on a terminal."""
    made: list[Terminal] = []

    def go(*words: object) -> Terminal:
        made.append(Terminal([*CSWORKBENCH, "runbook", *map(str, words)], os.environ))
        return made[-1]

    yield go
    for terminal in made:
        terminal.close()


def cs(*words: object, code: int = 0) -> str:
    found = CliRunner().invoke(cli, ["runbook", *map(str, words)])
    assert found.exit_code == code, found.output
    return found.output


def journal(tmp_path: Path) -> list[tuple[str, str]]:
    (file,) = (tmp_path / "data" / "runbooks").glob("*/journal.jsonl")
    return [(e.step, e.did.value) for e in map(decode, file.read_bytes().splitlines()) if e.did is not Did.OPENED]


def test_killed_at_each_step_and_resumed_to_the_end(book: Path, tmp_path: Path, start: Callable[..., Terminal]) -> None:
    first = start(book)
    first.until("echo one")
    first.until("pause: ")
    first.type("d")
    first.until("nothing): ")
    first.type("seen | here")
    first.until("2. Second")
    first.kill()
    cs(book, code=2)  # no terminal
    second = start(book, "--resume")
    second.until("2. Second")
    second.type("n")
    second.until("Evidence: ")
    second.type("a note")
    second.until("pause: ")
    second.kill()
    third = start(book, "--resume")
    third.until("2. Second")
    third.until("pause: ")
    third.type("d")
    third.until("nothing): ")
    third.type("")
    third.until("3. A command")
    third.until("pause: ")
    third.type("r")
    assert third.end() == 0
    assert "\x1b[2J" not in first.seen
    assert "\u202e" not in first.seen
    said = third.seen.split("    all output:")[0]
    assert [line for line in said.splitlines() if len(line) > 80] == []
    assert journal(tmp_path) == [
        ("one", "done"), ("two", "evidence"), ("two", "done"), ("layout", "started"), ("layout", "done"),
    ]  # fmt: skip
    cs(book, "--export", tmp_path / "e.md")
    text = (tmp_path / "e.md").read_text()
    assert "seen \\| here" in text
    assert text.count("- Resumed:") == 2
    assert "no run" in text or "no such" in text.lower()
    found = json.loads(cs(book, "--status", "--json"))
    assert (found["outcome"], found["current"]) == ("done", None)
    assert [s["status"] for s in found["steps"]] == ["done"] * 3


def test_a_command_that_was_cut_off_is_not_run_again_by_itself(
    book: Path, tmp_path: Path, start: Callable[..., Terminal]
) -> None:
    first = start(book)
    for _ in range(2):
        first.until("pause: ")
        first.type("d")
        first.until("nothing): ")
        first.type("")
    first.until("pause: ")
    first.type("r")
    (kept,) = (tmp_path / "data" / "runbooks").glob("*/journal.jsonl")
    end = time.monotonic() + 30
    while b"started" not in kept.read_bytes():
        assert time.monotonic() < end
    first.kill()
    second = start(book, "--resume")
    second.until("[begun]")
    second.until("its end is not known")
    second.until("pause: ")
    second.type("d")
    second.until("nothing): ")
    second.type("")
    second.until("say what shows that it is done")
    second.until("pause: ")
    second.type("d")
    second.until("nothing): ")
    second.type("its log says so")
    assert second.end() == 0
    assert journal(tmp_path)[2:] == [("layout", "started"), ("layout", "done")]


def test_a_failure_leads_the_way_back(book: Path, tmp_path: Path, start: Callable[..., Terminal]) -> None:
    terminal = start(book)
    for said, typed in (
        ("pause: ", "s"), ("Why: ", "not needed"), ("2. Second", "x"), ("Why: ", "it broke"), ("y/N: ", "y"),
        ("R1. The way back", "d"), ("nothing): ", ""),
    ):  # fmt: skip
        terminal.until(said)
        terminal.type(typed)
    assert terminal.end() == 1
    assert "rolled back" in terminal.seen
    assert [d for _, d in journal(tmp_path)] == ["skipped", "failed", "rollback", "done"]
    assert "rolled back" in cs("--list")


def test_a_pause_and_a_second_walk(book: Path, start: Callable[..., Terminal]) -> None:
    terminal = start(book)
    terminal.until("pause: ")
    held = CliRunner().invoke(cli, ["runbook", str(book), "--resume", "--yes-checks"])
    assert held.exit_code == 2
    assert "another process" in held.output
    terminal.type("p")
    assert terminal.end() == 2
    assert "has not ended" in cs(book, "--yes-checks", code=2)
    assert "one: it has not been done yet" in cs(book, "--resume", "--again", "one", "--yes-checks", code=2)
    cs(book, "--new", "--yes-checks", code=2)
    assert len(json.loads(cs("--list", "--json"))) == 2


def test_without_a_terminal_the_plan_is_printed_and_nothing_kept(book: Path, tmp_path: Path) -> None:
    said = cs(book, code=2)
    assert "   3  command  A command" in said
    assert "\x1b" not in said
    assert not (tmp_path / "data" / "runbooks").exists()


def test_the_kept_runbook_counts_when_the_file_changes(book: Path) -> None:
    cs(book, "--yes-checks", code=2)
    book.write_text(BOOK.replace("Second", "Other"))
    said = cs(book, "--resume", "--yes-checks", code=2)
    assert "has changed since" in said
    assert "A title" not in said


def test_a_mistake_in_the_file_or_on_the_line(book: Path) -> None:
    book.write_text(BOOK.replace("text:", "txet:"))
    assert f"{book}:5: unknown key 'txet'; did you mean 'text'?" in cs(book, code=2)
    assert "name a runbook" in cs(code=2)
    assert "has not been walked yet" in cs(book, "--status", code=2)
    assert "unknown cloud" in cs(REHEARSAL, "--cloud", "nowhere", "--yes-checks", code=2)


def test_a_check_without_a_cloud_says_so() -> None:
    assert "name a cloud with --cloud" in cs(REHEARSAL, "--yes-checks", code=2)


@pytest.mark.lab
def test_checks_against_the_test_cloud(tmp_path: Path) -> None:
    lab = [*CSWORKBENCH, "lab", "--state", str(tmp_path / "lab"), "up", "--foreground", "--until-eof", "--json"]
    errors = tmp_path / "lab.err"
    with errors.open("wb") as said_by_lab, subprocess.Popen(
        [*lab, "--profile", "4.17", "--vms", "1", "--scale", "0.02"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said_by_lab,
    ) as cloud:  # fmt: skip
        assert cloud.stdin is not None
        assert cloud.stdout is not None
        try:
            line = cloud.stdout.readline()
            assert line, errors.read_text()
            info: dict[str, Any] = json.loads(line)
            said = cs(REHEARSAL, "--cloud", "lab", "--yes-checks", code=2)
            assert "listSystemVms: 2 rows, as expected" in said
            assert "upgrade: a person is needed" in said
            found = json.loads(cs(REHEARSAL, "--status", "--json"))
            assert [s["status"] for s in found["steps"]][:7] == ["done"] * 6 + ["pending"]
            wrong = tmp_path / "wrong.yaml"
            wrong.write_text("name: w\nsteps: [{id: a, title: A, check: {command: listHosts, every: {state: Down}}}]\n")
            assert "state is not Down" in cs(wrong, "--cloud", "lab", "--yes-checks", code=1)
            assert info["secret"] not in (tmp_path / "data").joinpath("runbooks").as_posix() + said
        finally:
            cloud.stdin.close()
    unreachable = cs(wrong, "--resume", "--yes-checks", code=1)
    assert "no test cloud is up" in unreachable
