# SPDX-License-Identifier: Apache-2.0
"""A row of styled cells, read back as run-length parts: one segment per run is what makes a frame cheap."""

from collections.abc import Iterable
from itertools import groupby

from csworkbench.tui.text import narrow

Parts = tuple[tuple[str, str], ...]


class Canvas:
    """`columns` cells, each with a character of one cell and the name of a style."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self._chars = [" "] * columns
        self._styles = [""] * columns

    def put(self, column: int, text: str, style: str = "") -> None:
        """Write text; what falls outside is cut off."""
        for offset, char in enumerate(narrow(text)):
            if 0 <= column + offset < self.columns:
                self._chars[column + offset] = char
                self._styles[column + offset] = style

    def line(self, first: int, last: int, char: str, style: str = "") -> None:
        """Fill the columns first … last, both included."""
        for column in range(max(first, 0), min(last, self.columns - 1) + 1):
            self._chars[column] = char
            self._styles[column] = style

    def free(self, first: int, last: int) -> bool:
        """True when nothing stands in the columns first … last that are shown."""
        return all(c == " " for c in self._chars[max(first, 0) : max(last + 1, 0)])

    def parts(self) -> Parts:
        """Runs of cells of one style."""
        return tuple(
            ("".join(self._chars[i] for i in run), style)
            for style, run in ((s, list(r)) for s, r in groupby(range(self.columns), self._styles.__getitem__))
        )


def text_of(parts: Iterable[tuple[str, str]]) -> str:
    """The characters alone."""
    return "".join(text for text, _ in parts)


def changed(old: Parts, new: Parts) -> tuple[int, int] | None:
    """The first and last column in which two rows differ; None when they are equal."""
    if old == new:
        return None
    before, after = _flat(old), _flat(new)
    size = max(len(before), len(after))
    if len(before) != len(after):
        return 0, max(size - 1, 0)
    first = next(i for i in range(size) if before[i] != after[i])
    last = next(i for i in range(size - 1, -1, -1) if before[i] != after[i])
    return first, last


def _flat(parts: Parts) -> list[tuple[str, str]]:
    return [(char, style) for text, style in parts for char in text]
