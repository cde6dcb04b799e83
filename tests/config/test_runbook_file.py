# SPDX-License-Identifier: Apache-2.0
"""Runbook files: what they may say, and where a mistake is."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csworkbench.config import ConfigError, yaml12
from csworkbench.config.runbook_file import (
    CHECK_KEYS,
    KEYS,
    RUNS,
    STEP_KEYS,
    WHEN_KEYS,
    check_runbook,
    load_runbook,
)
from csworkbench.upgrade.runbook.model import Kind, Result

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "samples" / "runbooks").glob("*.yaml"))
STEP = "name: n\nsteps:\n  - id: one\n    title: One\n"


@pytest.mark.parametrize("file", SAMPLES, ids=lambda p: p.stem)
def test_the_samples_are_right(file: Path) -> None:
    book = load_runbook(file)
    assert {step.kind for step in book.steps} >= {Kind.MANUAL, Kind.CHECK}
    assert book.rollback
    assert all(step.commands or step.kind is not Kind.MANUAL for step in book), "a person has something to copy"


def test_the_best_practice_runbooks_have_eleven_steps_and_four_back() -> None:
    for name in ("upgrade-in-place", "upgrade-parallel-build"):
        book = load_runbook(next(p for p in SAMPLES if p.stem == name))
        assert (len(book.steps), len(book.rollback)) == (11, 4)


def test_all_keys(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(
        STEP + "    text: |\n      Two\n      lines\n    commands: [a b, c]\n    expects: x\n    rollback: back\n"
        "  - {id: two, title: Two, check: {command: listHosts, every: {state: [Up, Alert]}}, rollback: none}\n"
        "  - {id: three, title: T, run: [preflight, --cloud, '{cloud}'], accept: [0, 3], when: {step: two,"
        " is: failed}}\n"
        "rollback: [{id: back, title: Back}]\n"
    )
    book = load_runbook(file)
    one, two, three = book.steps
    assert (one.text, one.commands, one.rollback) == ("Two\nlines", ("a b", "c"), "back")
    assert two.check is not None
    assert two.check.every == {"state": ("Up", "Alert")}
    assert three.when is not None
    assert (three.kind, three.accept, three.when.result) == (Kind.COMMAND, (0, 3), Result.FAILED)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        (STEP + "    titel: x\n", 5, "did you mean 'title'"),
        (STEP + "rolback: []\n", 5, "did you mean 'rollback'"),
        ("- a\n", 1, "a runbook is a list of"),
        ("name: n\n", 1, "steps are needed"),
        ("name: n\nsteps: []\n", 2, "steps are needed"),
        ("steps:\n  - {id: a, title: b}\n", 1, "text is needed"),
        (STEP + "  - {id: one, title: b}\n", 5, "the id of another step"),
        (STEP + "  - {id: One two, title: b}\n", 5, "short name"),
        (STEP + "  - {id: none, title: b}\n", 5, "short name"),
        (STEP + "    check: {command: destroyRouter, at_least: 1}\n", 5, "a check only reads"),
        (STEP + "    check: {command: listHosts}\n", 5, "nothing is checked"),
        (STEP + "    check: {command: listHosts, evry: {state: Up}}\n", 5, "did you mean 'every'"),
        (STEP + "    check: {command: listHosts, every: {version: 4.20}}\n", 5, "quote versions"),
        (STEP + "    check: {command: listHosts, at_least: 1, params: {apikey: x}}\n", 5, "a parameter"),
        (STEP + "    check: {command: listHosts, at_least: -1}\n", 5, "a number of rows"),
        (STEP + "    check: {command: listHosts, at_least: 1}\n    run: [doctor]\n", 6, "either a check or"),
        (STEP + "    run: [prefligth]\n", 5, "did you mean 'preflight'"),
        (STEP + "    run: preflight\n", 5, "a list of words"),
        (STEP + "    run: [runbook, x]\n", 5, "unknown command"),
        (STEP + "    accept: [0]\n", 5, "belong to a step with"),
        (STEP + "    when: {step: two}\n", 5, "is no earlier step"),
        (STEP + "  - {id: two, title: b, when: {step: one, is: fine}}\n", 5, "one of done, skipped, failed"),
        (STEP + "    rollback: bak\nrollback: [{id: back, title: b}]\n", 5, "did you mean 'back'"),
        (STEP + "    rollback: back\n", 5, "no roll-back step"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_runbook(yaml12.parse(text, "r.yaml"))
    assert str(error.value).startswith(f"r.yaml:{line}: ")
    assert why in str(error.value)


plain = st.none() | st.booleans() | st.integers() | st.text(max_size=6)
anything = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["id", "title", "check", "run", "when", "step", "command", "every", "params", "rollback", "x"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(anything, anything)
def test_no_file_crashes_the_reader(steps: object, rollback: object) -> None:
    document = yaml12.Document("r.yaml", {"name": "n", "steps": steps, "rollback": rollback})
    try:
        book = check_runbook(document)
    except ConfigError as error:
        assert str(error).startswith("r.yaml:1: ")
    else:
        assert book.steps


def test_every_key_and_command_is_documented() -> None:
    text = (SAMPLES[0].parents[2] / "docs" / "runbook.md").read_text()
    words = set(re.findall(r"[a-z_]+", text))
    assert {*KEYS, *STEP_KEYS, *CHECK_KEYS, *WHEN_KEYS, *RUNS} - words == set()
