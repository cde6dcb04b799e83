# SPDX-License-Identifier: Apache-2.0
"""A run, or a campaign, by what a person types of its id."""

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Named(Protocol):
    """What has an id."""

    @property
    def name(self) -> str:
        """The id."""
        ...


N = TypeVar("N", bound=Named)
LAST = "last"  # what the newest one is called as well


def by_name(found: Sequence[N], text: str, *, what: str = "run", where: str = "", hint: str = "") -> N:
    """One of those found, newest first, by id, unique beginning of an id, or `last`. Raises LookupError with a line."""
    if not found:
        raise LookupError(f"no {what} called {text!r}: there are no {what}s yet{where}")
    if text == LAST:
        return found[0]
    matching = [f for f in found if f.name == text] or [f for f in found if f.name.startswith(text)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise LookupError(f"{text!r} fits {len(matching)} {what}s, e.g. {matching[0].name} and {matching[1].name}")
    raise LookupError(f"no {what} called {text!r}; the newest is {found[0].name}{hint}")
