# SPDX-License-Identifier: Apache-2.0
"""One line of a runbook's journal: who did what, and when."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

TEXT_LIMIT = 16_384


class Did(StrEnum):
    """What happened."""

    OPENED = "opened"
    STARTED = "started"
    EVIDENCE = "evidence"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    AGAIN = "again"
    ROLLBACK = "rollback"  # the way back begins; `step` is the one that failed


class EntryError(ValueError):
    """The line is no entry of this version."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`at` is RFC 3339 UTC. `text`: a person's words or a check's finding; `output`: the end of what a command printed.

    `code`: a command's exit code. `log`: the file in the record's folder that has all of its output.
    """

    at: str
    who: str
    did: Did
    step: str = ""
    text: str = ""
    code: int | None = None
    output: str = ""
    log: str = ""


def stamp(now: datetime) -> str:
    """RFC 3339 UTC to the millisecond."""
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(entry: Entry) -> bytes:
    """As one line of JSON, newline included; long texts keep their end."""
    row: dict[str, Any] = {"at": entry.at, "who": entry.who, "did": entry.did.value}
    for name in ("step", "text", "output", "log"):
        value: str = getattr(entry, name)
        if value:
            row[name] = value if len(value) <= TEXT_LIMIT else "…" + value[1 - TEXT_LIMIT :]
    if entry.code is not None:
        row["code"] = entry.code
    return json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Entry:
    """Raises EntryError."""
    try:
        row = json.loads(line)
        texts = {name: row.get(name, "") for name in ("step", "text", "output", "log")}
        at, who, did, code = row["at"], row["who"], Did(row["did"]), row.get("code")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EntryError(f"not an entry: {error}") from None
    if not all(isinstance(value, str) for value in (at, who, *texts.values())):
        raise EntryError("not an entry: text expected")
    if code is not None and (not isinstance(code, int) or isinstance(code, bool)):
        raise EntryError("not an entry: an exit code is a number")
    return Entry(at, who, did, code=code, **texts)
