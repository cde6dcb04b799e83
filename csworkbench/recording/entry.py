# SPDX-License-Identifier: Apache-2.0
"""A run's history as it is stored: what one store hands to another, also kinds that this version does not know."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

Row = tuple[int, int, int, int, int, int, int, int, int]
"""lane, seq, intended_ns, sent_ns, received_ns, outcome, reason, detail, value."""

MOST_BODY = 4 * 2**20  # characters; an inventory of a large network is the longest
MOST_WORD = 1000  # of a kind, or in the header
MOST, MOST_SMALL = 2**63 - 1, 2**15 - 1
PUBLIC = ("format", "run", "name", "csworkbench")
"""What of a run file's header goes to another store: the rest is of the process that wrote it."""


class Entry(NamedTuple):
    """One journal entry. `body` is its JSON text; `samples` are those of a bulk entry, in order."""

    seq: int
    at_ns: int
    wall_ns: int
    kind: str
    body: str
    samples: tuple[Row, ...] = ()


def checked(entry: Entry) -> Entry:
    """The same. Raises ValueError for one that no csworkbench has written: every store would have to bend it."""
    if not all(_is_int(value, MOST) for value in entry[:3]) or entry.seq < 1:
        raise ValueError(f"entry {entry.seq!r}: its number or a stamp is not an integer of 64 bits")
    for text, what, most in ((entry.kind, "kind", MOST_WORD), (entry.body, "body", MOST_BODY)):
        if not isinstance(text, str) or "\0" in text:
            raise ValueError(f"entry {entry.seq}: its {what} is not text")
        if len(text) > most:
            raise ValueError(f"entry {entry.seq}: its {what} has {len(text)} characters; at most {most} are kept")
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            raise ValueError(f"entry {entry.seq}: its {what} is not Unicode")
    for row in entry.samples:
        if not all(type(value) is int and -MOST <= value <= MOST for value in row) or not (
            _is_int(row[5], MOST_SMALL) and _is_int(row[6], MOST_SMALL)
        ):
            raise ValueError(f"entry {entry.seq}: a sample of it is not made of integers of 64 bits")
    return entry


def origin_of(first: Entry) -> str:
    """What tells a run from every other one, also from one of the same name: a hash of its first entry."""
    text = "\0".join(map(str, first[:5]))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def public(header: Mapping[str, str]) -> dict[str, str]:
    """The part of a run file's header that is passed on."""
    return {key: str(header[key])[:MOST_WORD] for key in PUBLIC if key in header}


def _is_int(value: object, most: int) -> bool:
    return type(value) is int and -most <= value <= most
