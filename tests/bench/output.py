# SPDX-License-Identifier: Apache-2.0
"""What a benchmark says: printed at once and, with `--to DIR`, kept in DIR/NAME.txt."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path


class Output:
    """Lines for people, and whether a claim of truth was violated."""

    def __init__(self, name: str, to: Path | None) -> None:
        self._name, self._to = name, to
        self._lines: list[str] = []
        self.violations = 0

    def say(self, text: str = "") -> None:
        """A line."""
        print(text, flush=True)
        self._lines.append(text)

    def violated(self, text: str) -> None:
        """A claim of truth does not hold."""
        self.violations += 1
        self.say(f"VIOLATED: {text}")

    def table(self, rows: Sequence[Sequence[object]]) -> None:
        """Columns as wide as they need; the first row is the head."""
        cells = [[str(cell) for cell in row] for row in rows]
        widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
        for row in cells:
            first, *others = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.say("  ".join([first, *(cell.strip().rjust(w) for cell, w in zip(others, widths[1:], strict=True))]))

    def end(self) -> int:
        """Keep it where asked; the exit code."""
        if self._to is not None:
            self._to.mkdir(parents=True, exist_ok=True)
            head = f"# python -m tests.bench.{self._name} {' '.join(sys.argv[1:])}\n"
            day = time.strftime("%Y-%m-%d", time.gmtime())
            head += f"# {day}, Linux {platform.release()}, Python {platform.python_version()}, {os.cpu_count()} cores\n"
            (self._to / f"{self._name}.txt").write_text(head + "\n".join(self._lines) + "\n")
        return 1 if self.violations else 0


def words(name: str, needs: Sequence[str] = ()) -> argparse.Namespace:
    """`--full` and `--to`; ends the program with 3 when this machine cannot run it."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.bench.{name}")
    parser.add_argument("--full", action="store_true", help="the counts that are claimed; takes minutes")
    parser.add_argument("--to", type=Path, help="keep the output in this directory")
    given = parser.parse_args()
    machine_allows(name, needs)
    return given


def machine_allows(name: str, needs: Sequence[str] = ()) -> None:
    """End the program with 3 when this is not root or a program is missing."""
    missing = [word for word in needs if shutil.which(word) is None]
    if os.getuid() != 0 or missing:
        print(f"{name}: needs root{''.join(f', {word}' for word in missing)}", file=sys.stderr)
        sys.exit(3)
