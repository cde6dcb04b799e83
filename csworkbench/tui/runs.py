# SPDX-License-Identifier: Apache-2.0
"""The runs of the library as rows to browse, and what the screen needs of the library. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from csworkbench.model.event import SUCCESSES
from csworkbench.model.lane import Service
from csworkbench.results.comparison import Comparison
from csworkbench.results.run_result import RunResult

from .listing import Column, Key, Listing, number_key
from .text import clean
from .times import SECOND, bounds, number

_GOOD = {str(verdict) for verdict in SUCCESSES}
Told = Callable[[int, int], None]  # how many of how many; 0 where the end is not known
Figure = tuple[float, float, float]  # down, low, high in seconds


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. `figures` per service; `verdict` is in words, also of a run that has none; `problem`: cannot be read."""

    run: str
    name: str = ""
    verdict: str = ""
    over_budget: bool = False
    live: bool = False
    started_ns: int = 0
    figures: Mapping[str, Figure] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    note: str = ""
    problem: str = ""

    @property
    def good(self) -> bool:
        """A success within its budget."""
        return self.verdict in _GOOD and not self.over_budget


@dataclass(frozen=True, slots=True)
class Removal:
    """What would be deleted, with its size, and what is kept, and why."""

    doomed: tuple[str, ...]
    size_bytes: int
    kept: tuple[tuple[str, str], ...] = ()


class LibraryError(Exception):
    """Something could not be done; the message is one line for people."""


class RunLibrary(Protocol):
    """The runs there are; composed by the command line. What blocks is called in threads.

    Every method may raise LibraryError.
    """

    @property
    def where(self) -> str:
        """The folder of all runs."""
        ...

    def read(self, told: Callable[[int, int, Sequence[RunRow]], bool]) -> None:
        """All runs, newest first: some at a time, with how many of how many. Ends when that returns False."""
        ...

    def rows(self, runs: Sequence[str]) -> list[RunRow]:
        """Some runs anew; those that are gone are left out."""
        ...

    def result(self, run: str, told: Callable[[int], bool]) -> RunResult:
        """All figures of a run, telling how many records have been read. Ends when that returns False."""
        ...

    def export(self, run: str) -> str:
        """Write its CSV files; their folder."""
        ...

    def report(self, runs: Sequence[str], to: Path) -> str:
        """Write a report; its ending says in which form. Refuses a file that exists."""
        ...

    def tag(self, runs: Sequence[str], changes: str) -> None:
        """Change tags: `+baseline -old`."""
        ...

    def note(self, run: str, text: str) -> None:
        """Keep a note; an empty one takes it away."""
        ...

    def removal(self, runs: Sequence[str]) -> Removal:
        """What a deletion would take."""
        ...

    def delete(self, runs: Sequence[str]) -> list[str]:
        """Delete for good; never a run that goes on. Those that are gone."""
        ...

    def write(self, comparison: Comparison, to: Path) -> str:
        """Write a comparison; the ending says in which form. Refuses a file that exists."""
        ...


def when(row: RunRow, form: str = "%Y-%m-%d %H:%M") -> str:
    """When it began, UTC."""
    if not row.started_ns:
        return "?"
    try:
        return datetime.fromtimestamp(row.started_ns // SECOND, UTC).strftime(form)
    except (OverflowError, OSError, ValueError):
        return "?"


def figure(row: RunRow, service: str) -> str:
    """`1.42 [1.32, 1.52]`; `up` without an outage; empty when it was not measured."""
    found = row.figures.get(service)
    if found is None:
        return ""
    down, low, high = (round(value * SECOND) for value in found)
    return f"{number(down)} {bounds(low, high)}" if high > 0 else "up"


def _down(service: Service) -> Callable[[RunRow], Key]:
    def key(row: RunRow) -> Key:
        found = row.figures.get(str(service))
        return number_key(None if found is None else found[0])

    return key


def _style(row: RunRow) -> str:
    if row.live:
        return "busy"
    if row.problem or row.verdict in ("failed", "open"):
        return "bad"
    return "good" if row.good else "warn"


def _verdict(row: RunRow) -> str:
    if row.problem:
        return "unreadable"
    return f"{row.verdict.removesuffix(' over budget')} over" if row.over_budget and not row.live else row.verdict


def words(row: RunRow) -> str:
    """What the filter looks in."""
    tags = " ".join(f"+{tag}" for tag in row.tags)
    return " ".join((row.run, when(row), row.name, row.verdict, "live" if row.live else "", tags, row.note))


WHEN = 1  # the column


def listing() -> Listing[RunRow]:
    """No runs yet; the newest will be first."""

    def mark(row: RunRow) -> str:
        return ("▌" if row.run in made.marked else " ") + ("●" if row.live else " ")

    columns: tuple[Column[RunRow], ...] = (
        Column("", mark, (2, 2, 2), style=lambda r: "busy"),
        Column("when UTC", when, (11, 16, 16), key=_began, style=lambda r: "dim",
               narrow=lambda r: when(r, "%m-%d %H:%M")),
        Column("name", lambda r: r.name or r.run, (12, 20, 26), rest=True, style=lambda r: "strong",
               narrow=lambda r: r.name.rpartition(": ")[2] or r.run),
        Column("verdict", _verdict, (14, 17, 22), style=_style),
        Column("egress s", lambda r: figure(r, str(Service.EGRESS)), (17, 19, 20), right=True,
               key=_down(Service.EGRESS)),
        Column("ingress s", lambda r: figure(r, str(Service.INGRESS)), (17, 19, 20), right=True,
               key=_down(Service.INGRESS)),
        Column("tags", lambda r: " ".join(f"+{tag}" for tag in r.tags), (0, 14, 20), style=lambda r: "busy"),
        Column("note", lambda r: r.note, (0, 0, 24), rest=True, style=lambda r: "dim"),
        Column("run", lambda r: r.run, (0, 0, 33), style=lambda r: "dim"),
    )  # fmt: skip
    made: Listing[RunRow] = Listing(columns, lambda r: r.run, words, order=WHEN, descending=True)
    return made


def _began(row: RunRow) -> Key:
    return ((row.started_ns, row.run),)


def other_figures(row: RunRow) -> str:
    """The services that have no column of their own, in one line."""
    others = [service for service in row.figures if service not in (Service.EGRESS, Service.INGRESS)]
    return "   ".join(f"{clean(service, 20)} {figure(row, service)}" for service in others)


def counts(rows: Sequence[RunRow]) -> str:
    """How many there are, and how many go on."""
    live = sum(row.live for row in rows)
    return f"{len(rows):,} {'run' if len(rows) == 1 else 'runs'}" + (f" · {live} live" if live else "")


def megabytes(size: int) -> str:
    """A size in MiB."""
    return f"{size / 2**20:,.1f} MiB"


def names(runs: Sequence[str], most: int = 10) -> list[str]:
    """The first of them, a line each."""
    more = len(runs) - most
    return [clean(run, 80) for run in runs[:most]] + ([f"and {more:,} more"] if more > 0 else [])
