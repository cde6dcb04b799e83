# SPDX-License-Identifier: Apache-2.0
"""Where runs are kept: one interface, of a folder of run files and of a PostgreSQL database."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .by_name import by_name
from .entry import Entry, origin_of
from .labels import Labels

AT_ONCE = 200  # entries in one transaction, each of up to some thousand samples
NO_LABELS = Labels()
CLOSING = "run_closed"  # the kind of the entry that ends a run
LIVE_S = 30.0  # a run that goes on adds to its history at least this often
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


class StoreError(Exception):
    """What was asked cannot be done; trying again will not help. The message is one clear line without secrets."""


class StoreLost(Exception):
    """The store does not answer, or not any more: try again later. The message is one clear line without secrets."""


class NoSuchRun(StoreError):
    """The store has no run of that name."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A run in a store. `position`: number of its newest entry; `age_s`: since it was last added to."""

    name: str
    origin: str
    position: int
    closed: bool
    age_s: float
    labels: Labels = NO_LABELS

    @property
    def live(self) -> bool:
        """True when it has not ended and was added to just now."""
        return not self.closed and self.age_s < LIVE_S


class Store(Protocol):
    """Every method may raise StoreError and StoreLost. Use from one thread."""

    @property
    def shown(self) -> str:
        """Its address for people, without a password."""
        ...

    def create(self, name: str, origin: str, header: Mapping[str, str]) -> str:
        """Make room for a run and return the name that it has here.

        The same origin always gets the same name; a name that another origin has is followed by -2, -3 and so on.
        """
        ...

    def append(self, name: str, entries: Sequence[Entry]) -> int:
        """Add entries in one transaction, all or none, and return the position. Those that are there are left out."""
        ...

    def position(self, name: str) -> int:
        """The number of the run's newest entry, 0 without one."""
        ...

    def entries(self, name: str, after: int = 0, limit: int = AT_ONCE) -> list[Entry]:
        """The next entries after that position with their samples; none when there is nothing more now."""
        ...

    def header(self, name: str) -> dict[str, str]:
        """What was given at `create`."""
        ...

    def runs(self) -> list[Stored]:
        """Every run, newest first."""
        ...

    def change_labels(self, name: str, change: Callable[[Labels], Labels]) -> Labels:
        """Replace a run's labels by what `change` makes of them; nobody else changes them meanwhile.

        Raises what `change` raises; then they stay.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove a run with all that belongs to it."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def is_name(name: str) -> bool:
    """Whether a run may be called that: names become folders."""
    return _NAME.fullmatch(name) is not None


def checked_name(name: str) -> str:
    """The name. Raises StoreError for one that is none."""
    if not is_name(name):
        raise StoreError(f"{name[:60]!r} is not a run's id")
    return name


def names_from(name: str) -> Iterator[str]:
    """The name, then those that are taken instead."""
    yield checked_name(name)
    yield from (f"{name}-{n}" for n in range(2, 1000))
    raise StoreError(f"there are a thousand runs called {name}")


def find(runs: Sequence[Stored], text: str) -> Stored:
    """A run by id, unique beginning of an id, or `last`. Raises NoSuchRun."""
    try:
        return by_name(runs, text)
    except LookupError as error:
        raise NoSuchRun(str(error)) from None


def carry(source: Store, name: str, target: Store) -> tuple[str, int, int]:
    """Bring a copy up to date: (its name in the target, its position before, its position now).

    What the target has is not sent again, so it may be called as often as one likes, by several at once.
    """
    there = reserve(source, name, target)
    before = target.position(there)
    return there, before, send(source, name, target, there, before)


def reserve(source: Store, name: str, target: Store) -> str:
    """Make room for a copy, and return its name there."""
    first = source.entries(name, limit=1)
    if not first:
        raise StoreError(f"{name}: nothing is recorded yet")
    return target.create(name, origin_of(first[0]), source.header(name))


def send(source: Store, name: str, target: Store, there: str, position: int) -> int:
    """Add what comes after that position to the copy, and return its position."""
    while entries := source.entries(name, position):
        position = target.append(there, entries)
    return position
