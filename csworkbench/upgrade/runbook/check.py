# SPDX-License-Identifier: Apache-2.0
"""Rows of a list command held against a check. Nothing is evaluated: fields are compared with values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from csworkbench.cloudstack.text import one_line

from .model import Check, Scalar

NAMED = 5  # rows that a finding names; the rest are counted
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """`good`, and why: one line each, the first one for what was seen at all."""

    good: bool
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines)


def judge(check: Check, rows: Sequence[Row]) -> Finding:
    """Whether the rows are as the check wants them."""
    picked = [row for row in rows if all(_is(row, field, values) for field, values in check.where.items())]
    wrong: list[str] = []
    if len(picked) < check.at_least:
        wrong.append(f"at least {check.at_least} expected, {len(picked)} found")
    if check.at_most is not None and len(picked) > check.at_most:
        wrong.append(f"at most {check.at_most} expected, {len(picked)} found: {_names(picked)}")
    for field, values in check.every.items():
        bad = [row for row in picked if not _is(row, field, values)]
        if bad:
            wrong.append(f"{field} is not {_or(values)}: {_named(bad, field)}")
    for field, values in check.none.items():
        bad = [row for row in picked if _is(row, field, values)]
        if bad:
            wrong.append(f"{field} is {_or(values)}: {_names(bad)}")
    for field, release in check.release.items():
        bad = [row for row in picked if not of_release(str(row.get(field, "")), release)]
        if bad:
            wrong.append(f"{field} is not of release {release}: {_named(bad, field)}")
    if check.one_value_of:
        wrong += _one_value(picked, check.one_value_of)
    seen = f"{check.command}: {_count(len(picked))}" + (f" of {len(rows)}" if check.where else "")
    return Finding(not wrong, (seen + ("" if wrong else ", as expected"), *wrong))


def _count(rows: int) -> str:
    return f"{rows} row" if rows == 1 else f"{rows} rows"


def of_release(version: str, release: str) -> bool:
    """True for 4.22 and 4.22.0.0 when the release is 4.22; not for 4.220."""
    return version == release or version.startswith((release + ".", release + "-"))


def _one_value(rows: Sequence[Row], field: str) -> list[str]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(_written(row.get(field)), []).append(row)
    if len(found) <= 1 and _written(None) not in found:
        return []
    parts = [f"{one_line(value, 40)} ({_names(having)})" for value, having in list(found.items())[:NAMED]]
    return [f"{field} has {len(found)} values: {'; '.join(parts)}" if len(found) > 1 else f"{field} is not told"]


def _is(row: Row, field: str, values: Iterable[Scalar]) -> bool:
    return field in row and _written(row[field]) in {_written(value) for value in values}


def _written(value: object) -> str:
    """As CloudStack writes it: `true` and true are the same to it."""
    if value is None:
        return "not told"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _or(values: Iterable[Scalar]) -> str:
    return " or ".join(one_line(_written(value), 40) for value in values)


def _name(row: Row) -> str:
    return one_line(next((row[key] for key in ("name", "cmd", "id") if row.get(key)), "a row without a name"), 60)


def _names(rows: Sequence[Row]) -> str:
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return ", ".join(_name(row) for row in rows[:NAMED]) + more


def _named(rows: Sequence[Row], field: str) -> str:
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return ", ".join(f"{_name(row)} {one_line(_written(row.get(field)), 40)}" for row in rows[:NAMED]) + more
