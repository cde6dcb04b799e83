# SPDX-License-Identifier: Apache-2.0
"""docs/upgrade.md has the checks of the registry. `python -m tests.upgrade.test_docs` writes them anew."""

import re
from pathlib import Path

from csworkbench.upgrade import CHECKS, Level, Need

PAGE = Path(__file__).resolve().parents[2] / "docs" / "upgrade.md"
_BETWEEN = re.compile(r"(<!-- checks: [^\n]*-->\n).*?(\n<!-- end -->)", re.DOTALL)


def table() -> str:
    rows = [f"| `{c.id}` | {c.title} | {c.means} | {c.remedy} |" for c in CHECKS]
    return "\n".join(["| id | check | passes when | remedy |", "| --- | --- | --- | --- |", *rows])


def test_the_table_is_that_of_the_registry() -> None:
    found = _BETWEEN.search(PAGE.read_text())
    assert found is not None
    assert found[0] == f"{found[1]}{table()}{found[2]}"


def test_needs_and_levels_are_explained() -> None:
    text = PAGE.read_text()
    for need in Need:
        assert f"| {need} |" in text
    for level in (Level.STOP, Level.WARN, Level.HIDDEN):
        assert f"`{level}`" in text


if __name__ == "__main__":
    PAGE.write_text(_BETWEEN.sub(lambda m: f"{m[1]}{table()}{m[2]}", PAGE.read_text()))
