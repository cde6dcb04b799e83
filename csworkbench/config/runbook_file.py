# SPDX-License-Identifier: Apache-2.0
"""A runbook file to a Runbook. Errors name file, line and the nearest right key."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from csworkbench.upgrade.runbook.model import NO_ROLLBACK, Check, Kind, Result, Runbook, Scalar, Step, When

from . import ConfigError, yaml12

KEYS = ("name", "about", "source", "steps", "rollback")
STEP_KEYS = ("id", "title", "text", "commands", "expects", "check", "run", "accept", "when", "rollback")
CHECK_KEYS = ("command", "params", "where", "every", "none", "release", "one_value_of", "at_least", "at_most")
WHEN_KEYS = ("step", "is")
RUNS = ("preflight", "run", "watch", "upgrade", "compare", "report", "export", "doctor")
"""What a step may run of csworkbench: commands that end by themselves and say by their exit code how."""
LIMIT = 500
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LIST = re.compile(r"list[A-Z][A-Za-z0-9]{1,60}")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,60}")


def load_runbook(path: Path) -> Runbook:
    """Read and check a runbook. Raises ConfigError naming file and line."""
    return check_runbook(yaml12.load(path))


def check_runbook(document: yaml12.Document) -> Runbook:
    """Turn a parsed file into a Runbook. Raises ConfigError."""
    if not isinstance(document.value, dict):
        raise ConfigError(f"{document.path}:1: a runbook is a list of `key: value` lines")
    reader = _Reader(document)
    top = reader.mapping((), document.value, KEYS, "runbook")
    name = reader.text(("name",), top.get("name"), needed=True)
    branches: list[tuple[Step, ...]] = []
    for branch in ("steps", "rollback"):
        if branch not in top and branch == "rollback":
            branches.append(())
            continue
        rows = top.get(branch)
        if not isinstance(rows, list) or not 1 <= len(rows) <= LIMIT:
            raise reader.error((branch,), f"1 to {LIMIT} steps are needed")
        branches.append(tuple(reader.step((branch, i), row) for i, row in enumerate(rows)))
    reader.check_ways(branches[1])
    about, source = (reader.text((key,), top.get(key)) for key in ("about", "source"))
    return Runbook(name, branches[0], branches[1], about, source)


class _Reader:
    """Reads one document; remembers the ids of each branch."""

    def __init__(self, document: yaml12.Document) -> None:
        self._document = document
        self._ids: dict[str, list[str]] = {}
        self._ways: list[tuple[yaml12.Key, str]] = []

    def error(self, key: yaml12.Key, why: str) -> ConfigError:
        name = next((str(part) for part in reversed(key) if isinstance(part, str)), "runbook")
        return ConfigError(f"{self._document.where(key)}: {name}: {why}")

    def mapping(self, key: yaml12.Key, value: Any, known: Iterable[str], what: str) -> dict[str, Any]:
        known = list(known)
        if not isinstance(value, dict):
            raise self.error(key, f"a {what} has keys: {', '.join(known)}")
        for name in value:
            if name not in known:
                raise ConfigError(f"{self._document.where((*key, name))}: unknown key {name!r}{_nearest(name, known)}")
        return value

    def text(self, key: yaml12.Key, value: Any, *, needed: bool = False) -> str:
        if value is None and not needed:
            return ""
        if not isinstance(value, str) or (needed and not value.strip()):
            raise self.error(key, "text is needed")
        return value.strip()

    def step(self, key: yaml12.Key, row: Any) -> Step:
        branch = str(key[0])
        value = self.mapping(key, row, STEP_KEYS, "step")
        step_id = value.get("id")
        if not isinstance(step_id, str) or len(step_id) > 60 or not _ID.fullmatch(step_id) or step_id == NO_ROLLBACK:
            raise self.error(
                (*key, "id"), "a short name of small letters, digits and hyphens is needed, e.g. stop-usage"
            )
        if any(step_id in ids for ids in self._ids.values()):
            raise self.error((*key, "id"), f"{step_id!r} is the id of another step")
        title = self.text((*key, "title"), value.get("title"), needed=True)
        if "check" in value and "run" in value:
            raise self.error((*key, "run"), "a step has either a check or a command of csworkbench")
        kind = Kind.CHECK if "check" in value else Kind.COMMAND if "run" in value else Kind.MANUAL
        if "accept" in value and kind is not Kind.COMMAND:
            raise self.error((*key, "accept"), "exit codes belong to a step with `run`")
        way_back = self.text((*key, "rollback"), value.get("rollback"))
        if way_back and branch == "rollback":
            raise self.error((*key, "rollback"), "a roll-back step leads nowhere back")
        if way_back:
            self._ways.append(((*key, "rollback"), way_back))
        found = Step(
            step_id, title, kind,
            self.text((*key, "text"), value.get("text")),
            self.texts((*key, "commands"), value.get("commands", [])),
            self.text((*key, "expects"), value.get("expects")),
            self.check((*key, "check"), value["check"]) if kind is Kind.CHECK else None,
            self.words((*key, "run"), value["run"]) if kind is Kind.COMMAND else (),
            self.codes((*key, "accept"), value.get("accept", [0])),
            self.when((*key, "when"), value["when"], branch) if "when" in value else None,
            way_back,
        )  # fmt: skip
        self._ids.setdefault(branch, []).append(step_id)
        return found

    def texts(self, key: yaml12.Key, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) > LIMIT:
            raise self.error(key, "a list of command lines is needed")
        return tuple(self.text((*key, i), line, needed=True) for i, line in enumerate(value))

    def words(self, key: yaml12.Key, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or len(value) > 100:
            raise self.error(key, "a list of words is needed, e.g. [preflight, --cloud, '{cloud}']")
        words = tuple(self.text((*key, i), word, needed=True) for i, word in enumerate(value))
        if words[0] not in RUNS:
            raise ConfigError(
                f"{self._document.where((*key, 0))}: unknown command {words[0]!r}{_nearest(words[0], RUNS)}"
            )
        if any("\0" in word for word in words):
            raise self.error(key, "a word holds a NUL character")
        return words

    def codes(self, key: yaml12.Key, value: Any) -> tuple[int, ...]:
        codes = value if isinstance(value, list) else [value]
        if not codes or not all(isinstance(c, int) and not isinstance(c, bool) and 0 <= c <= 255 for c in codes):
            raise self.error(key, "exit codes from 0 to 255 are needed")
        return tuple(codes)

    def when(self, key: yaml12.Key, value: Any, branch: str) -> When:
        row = self.mapping(key, value, WHEN_KEYS, "condition")
        before = self._ids.get(branch, [])
        step = row.get("step")
        if step not in before:
            raise self.error((*key, "step"), f"{str(step)[:60]!r} is no earlier step{_nearest(str(step), before)}")
        try:
            return When(step, Result(row.get("is", Result.DONE)))
        except ValueError:
            raise self.error((*key, "is"), f"one of {', '.join(Result)} is needed") from None

    def check(self, key: yaml12.Key, value: Any) -> Check:
        row = self.mapping(key, value, CHECK_KEYS, "check")
        command = row.get("command")
        if not isinstance(command, str) or not _LIST.fullmatch(command):
            raise self.error(
                (*key, "command"), "a list command of the API is needed, e.g. listHosts: a check only reads"
            )
        found: dict[str, Any] = {}
        for part in ("where", "every", "none"):
            if part in row:
                found[part] = {
                    name: self.values((*key, part, name), values)
                    for name, values in self.fields((*key, part), row[part]).items()
                }
        params = self.fields((*key, "params"), row.get("params", {}))
        for name, scalar in params.items():
            if not isinstance(scalar, Scalar) or name.lower() in ("command", "apikey", "signature", "response"):
                raise self.error((*key, "params", name), "a parameter of the command with one value is needed")
        release = {
            name: self.text((*key, "release", name), text, needed=True)
            for name, text in self.fields((*key, "release"), row.get("release", {})).items()
        }
        for name in ("at_least", "at_most"):
            if name in row and (not isinstance(row[name], int) or isinstance(row[name], bool) or row[name] < 0):
                raise self.error((*key, name), "a number of rows is needed")
        one = self.text((*key, "one_value_of"), row.get("one_value_of"))
        if not (found.keys() - {"where"} or release or one or {"at_least", "at_most"} & row.keys()):
            raise self.error(key, "nothing is checked: say every, none, release, one_value_of, at_least or at_most")
        return Check(
            command, params, release=release, one_value_of=one,
            at_least=row.get("at_least", 0), at_most=row.get("at_most"), **found,
        )  # fmt: skip

    def fields(self, key: yaml12.Key, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error(key, "fields with their values are needed, e.g. {state: Up}")
        for name in value:
            if not _FIELD.fullmatch(name):
                raise self.error((*key, name), "this is no name of a field")
        return value

    def values(self, key: yaml12.Key, value: Any) -> tuple[Scalar, ...]:
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(v, Scalar) for v in values):
            raise self.error(key, "a value, or a list of values, is needed; quote versions and dates")
        return tuple(values)

    def check_ways(self, rollback: tuple[Step, ...]) -> None:
        known = [NO_ROLLBACK, *(step.id for step in rollback)]
        for key, way in self._ways:
            if way not in known:
                raise self.error(key, f"{way!r} is no roll-back step{_nearest(way, known)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, 1, 0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known here: {', '.join(known)}" if known else ""
