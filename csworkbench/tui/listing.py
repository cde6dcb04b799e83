# SPDX-License-Identifier: Apache-2.0
"""A list to browse: columns that fit the width, filter, order, marks. Pure; what a row is, its columns say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from csworkbench.model.natural import natural

from .text import clean, fit

T = TypeVar("T")
LIMIT = 120  # characters of a cell that count
Key = tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """`widths`: cells on a narrow, a normal and a broad terminal; 0: not there; `rest`: takes what is left as well.

    `key` orders; without one the text does, numbers in it by value. `style` names a component style of the list;
    `narrow` is the text on a narrow terminal, where that differs.
    """

    title: str
    text: Callable[[T], str]
    widths: tuple[int, int, int]
    rest: bool = False
    right: bool = False
    key: Callable[[T], Key] | None = None
    style: Callable[[T], str] | None = None
    narrow: Callable[[T], str] | None = None

    def order(self, row: T) -> Key:
        """What orders by this column."""
        return natural(self.text(row)[:LIMIT]) if self.key is None else self.key(row)


def number_key(value: float | None) -> Key:
    """Numbers by value; none before all of them."""
    return ((0, ""),) if value is None else ((1, ""), (value, ""))


def breakpoint_of(width: int) -> int:
    """0 narrow, 1 normal, 2 broad: the same limits as the app's classes."""
    return 0 if width < 100 else 1 if width < 160 else 2


class Listing(Generic[T]):
    """All rows, and those that pass the filter, in order. `identity` tells rows apart through readings.

    `words` is the text that the filter looks in. Marks stay with their rows.
    """

    def __init__(
        self,
        columns: Sequence[Column[T]],
        identity: Callable[[T], str],
        words: Callable[[T], str],
        *,
        order: int = 0,
        descending: bool = False,
    ) -> None:
        self.columns = columns
        self.identity = identity
        self.every: list[T] = []
        self.shown: list[T] = []
        self.marked: dict[str, None] = {}  # in the order in which they were marked
        self.filter = ""
        self.order, self.descending = order, descending
        self.cursor = 0
        self._words = words
        self._texts: list[str] = []

    def take(self, rows: Sequence[T]) -> None:
        """Another reading; filter, order and marks stay, and so does the cursor's row."""
        self.every = list(rows)
        self._texts = [self._words(row).casefold() for row in self.every]
        here = {self.identity(row) for row in self.every}
        self.marked = {name: None for name in self.marked if name in here}
        self._select()

    def narrow(self, text: str) -> None:
        """Show the rows that have all words of the text."""
        self.filter = text
        self._select()

    def sort(self, column: int, *, descending: bool = False) -> None:
        """Order by a column; equal ones stay as they came."""
        self.order, self.descending = column, descending
        self._select()

    def mark(self) -> None:
        """Mark the row under the cursor, or take its mark away."""
        row = self.chosen
        if row is not None and self.marked.pop(self.identity(row), 0) == 0:
            self.marked[self.identity(row)] = None

    def mark_shown(self) -> None:
        """Mark all rows that are shown; when they are, take all marks away."""
        names = dict.fromkeys(self.identity(row) for row in self.shown)
        self.marked = {} if names.keys() <= self.marked.keys() else {**self.marked, **names}

    @property
    def chosen(self) -> T | None:
        """The row under the cursor."""
        return self.shown[self.cursor] if 0 <= self.cursor < len(self.shown) else None

    @property
    def picked(self) -> list[T]:
        """The marked rows in the order of their marks; without marks, the one under the cursor."""
        by_name = {self.identity(row): row for row in self.every}
        if self.marked:
            return [by_name[name] for name in self.marked]
        return [] if self.chosen is None else [self.chosen]

    def fitting(self, width: int) -> list[tuple[int, int]]:
        """(column, cells) of those that have room in so many cells."""
        place = breakpoint_of(width)
        wanted = [(i, c.widths[place]) for i, c in enumerate(self.columns) if c.widths[place] > 0]
        while len(wanted) > 1 and sum(cells for _, cells in wanted) + len(wanted) - 1 > width:
            wanted.pop()
        left = width - sum(cells for _, cells in wanted) - (len(wanted) - 1)
        if left < 0:
            return [(wanted[0][0], width)]
        grows = [i for i, _ in wanted if self.columns[i].rest]
        shares = {i: left // len(grows) + (n < left % len(grows)) for n, i in enumerate(grows)}
        return [(i, cells + shares.get(i, 0)) for i, cells in wanted]

    def line(self, row: T, width: int) -> list[tuple[str, str]]:
        """(text, style) of each cell of a row, padded, with a blank behind."""
        found = []
        narrow = breakpoint_of(width) == 0
        for i, cells in self.fitting(width):
            column = self.columns[i]
            shown = column.narrow if narrow and column.narrow is not None else column.text
            text = fit(clean(shown(row), LIMIT), cells, right=column.right) + " "
            found.append((text, column.style(row) if column.style else "cell"))
        return found

    def header(self, width: int) -> str:
        """The titles; an arrow at the one that orders."""
        titles = []
        for i, cells in self.fitting(width):
            arrow = ("▾" if self.descending else "▴") if i == self.order else ""
            titles.append(fit(self.columns[i].title + arrow, cells, right=self.columns[i].right))
        return " ".join(titles)

    def _select(self) -> None:
        chosen = self.chosen
        keep = None if chosen is None else self.identity(chosen)
        words = self.filter.casefold().split()
        found = [row for row, text in zip(self.every, self._texts, strict=True) if all(w in text for w in words)]
        self.shown = sorted(found, key=self.columns[self.order].order, reverse=self.descending)
        last = max(0, len(self.shown) - 1)
        place = (i for i, row in enumerate(self.shown) if self.identity(row) == keep)
        self.cursor = next(place, min(self.cursor, last)) if keep is not None else 0
