# SPDX-License-Identifier: Apache-2.0
"""A cloud's system VMs as rows to browse: columns, filter, order. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from csworkbench.upgrade.facts import Facts, Finding
from csworkbench.upgrade.needs import Assessment, Need
from csworkbench.upgrade.preflight import preflight, target_of
from csworkbench.upgrade.served import name_of

from .text import clean, fit

LIMIT = 120
LEAST_REASON = 12
SHORT_NEED = {
    Need.TEMPLATE: "new template",
    Need.SCRIPTS: "new scripts",
    Need.UNKNOWN: "cannot tell",
    Need.CURRENT: "current",
}
STYLES = {Need.TEMPLATE: "template", Need.SCRIPTS: "scripts", Need.UNKNOWN: "unknown", Need.CURRENT: "current"}


@dataclass(frozen=True, slots=True)
class CloudView:
    """One reading of a cloud: its system VMs judged, and the checks before a change."""

    facts: Facts
    needs: tuple[Assessment, ...]
    findings: tuple[Finding, ...]

    def checks_of(self, assessment: Assessment) -> tuple[Finding, ...]:
        """The checks before the operation on one system VM."""
        target = target_of(assessment)
        return self.findings if target is None else preflight(Facts(self.facts.fleet, target))


class CloudSource(Protocol):
    """Reads a cloud; composed by the command line, which knows the API."""

    @property
    def name(self) -> str:
        """The cloud's name."""
        ...

    async def read(self, progress: Callable[[str], None]) -> CloudView:
        """Read it anew, telling how far it is. Raises CloudLost."""
        ...


class CloudLost(Exception):
    """The cloud could not be read; the message is one line for people."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: what it shows, how wide it is on a narrow, a normal and a broad terminal (0: not there)."""

    title: str
    text: Callable[[Assessment], str]
    widths: tuple[int, int, int]

    def cells(self, breakpoint: int) -> int:
        """Its width there."""
        return self.widths[breakpoint]


def _version(a: Assessment) -> str:
    return a.vm.version or a.vm.agent_version or a.vm.software_version or "?"


COLUMNS = (
    Column("name", lambda a: a.vm.name, (10, 10, 12)),
    Column("serves", lambda a: name_of(a.vm), (20, 16, 22)),
    Column("kind", lambda a: str(a.vm.kind), (0, 11, 11)),
    Column("zone", lambda a: a.vm.zone, (0, 0, 10)),
    Column("state", lambda a: a.vm.redundant_state or a.vm.state, (0, 8, 8)),
    Column("need", lambda a: SHORT_NEED[a.need], (12, 12, 12)),
    Column("version", _version, (8, 8, 10)),
    Column("software", lambda a: a.vm.software_version or a.vm.agent_version, (0, 0, 12)),
    Column("operation", lambda a: str(a.remedy.operation), (24, 24, 24)),
    Column("reason", lambda a: a.reason, (1, 1, 1)),  # takes what is left
)
NEED = next(i for i, c in enumerate(COLUMNS) if c.title == "need")


def breakpoint_of(width: int) -> int:
    """0 narrow, 1 normal, 2 broad: the same limits as the app's classes."""
    return 0 if width < 100 else 1 if width < 160 else 2


def shown_columns(width: int) -> list[tuple[int, int]]:
    """(column, cells) of those that have room; the last one takes what is left when that is enough to read."""
    place = breakpoint_of(width)
    found: list[tuple[int, int]] = []
    left = width
    for index, column in enumerate(COLUMNS):
        cells = left if index == len(COLUMNS) - 1 else column.cells(place)
        if cells > 0 and left >= cells and (index < len(COLUMNS) - 1 or cells >= LEAST_REASON):
            found.append((index, cells))
            left -= cells + 1
    return found


@lru_cache(maxsize=8192)
def line(a: Assessment, width: int) -> tuple[tuple[str, str], ...]:
    """(text, style) of each cell of a row, padded, with a blank between."""
    return tuple(
        (fit(clean(COLUMNS[i].text(a), LIMIT), cells) + " ", STYLES[a.need] if i == NEED else "cell")
        for i, cells in shown_columns(width)
    )


def header(width: int, order: int, *, descending: bool) -> str:
    """The titles; an arrow at the one that orders."""
    titles = []
    for index, cells in shown_columns(width):
        arrow = ("▾" if descending else "▴") if index == order else ""
        titles.append(fit(COLUMNS[index].title + arrow, cells))
    return " ".join(titles)


class Rows:
    """All system VMs of a reading, and those that pass the filter, in order."""

    def __init__(self) -> None:
        self.every: tuple[Assessment, ...] = ()
        self.shown: list[Assessment] = []
        self.filter = ""
        self.order = NEED
        self.descending = False
        self._words: list[str] = []

    def take(self, needs: Sequence[Assessment]) -> None:
        """Another reading; filter and order stay."""
        self.every = tuple(needs)
        self._words = [_searched(a) for a in self.every]
        self._select()

    def narrow(self, text: str) -> None:
        """Show those that have all words of the text in any of their columns."""
        self.filter = text
        self._select()

    def sort(self, column: int, *, descending: bool = False) -> None:
        """Order by a column; equal ones stay in the server's order."""
        self.order, self.descending = column, descending
        self._select()

    def _select(self) -> None:
        words = self.filter.casefold().split()
        found = [a for a, text in zip(self.every, self._words, strict=True) if all(w in text for w in words)]
        self.shown = sorted(found, key=self._key, reverse=self.descending)

    def _key(self, a: Assessment) -> tuple[tuple[int, str], ...]:
        if self.order == NEED:
            return ((list(Need).index(a.need), ""),)
        return _natural(COLUMNS[self.order].text(a)[:LIMIT])


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """r-9-VM before r-10-VM, 4.9 before 4.11."""
    parts: list[tuple[int, str]] = []
    digits = word = ""
    for char in f"{text.casefold()}\0":
        if char.isascii() and char.isdigit():
            digits += char
        elif digits:
            parts.append((int(digits), word))
            digits, word = "", char
        else:
            word += char
    return (*parts, (-1, word))


def _searched(a: Assessment) -> str:
    return " ".join((*(column.text(a) for column in COLUMNS), str(a.need), a.vm.account, a.vm.zone)).casefold()


def summary(view: CloudView) -> str:
    """How many of each need, and what the checks say."""
    counts = {need: sum(a.need is need for a in view.needs) for need in Need}
    return " · ".join(f"{n} {SHORT_NEED[need]}" for need, n in counts.items() if n) or "no system VM to be seen"
