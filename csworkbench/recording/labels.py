# SPDX-License-Identifier: Apache-2.0
"""Tags and a note, kept beside a run file: what people say of a run, never part of its history."""

import contextlib
import fcntl
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

LABELS_FILE = "labels.json"
LOCK_FILE = ".labels.lock"
MOST_TAGS = 32
NOTE_LENGTH = 2000
MOST_BYTES = 64 * 1024
_TAG = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


class BadLabel(ValueError):
    """A tag or note that cannot be kept; the message is one clear line."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Tags in alphabetical order, and a note."""

    tags: tuple[str, ...] = ()
    note: str = ""


def read_labels(folder: Path) -> Labels:
    """A run's labels; none where there is no such file, or one that is damaged."""
    try:
        with (folder / LABELS_FILE).open("rb") as file:
            return labels_from(file.read(MOST_BYTES))
    except OSError:
        return Labels()


def labels_from(text: str | bytes) -> Labels:
    """Labels from their JSON; none from what is damaged."""
    try:
        data = json.loads(text[:MOST_BYTES])
    except (ValueError, RecursionError):
        return Labels()
    if not isinstance(data, dict):
        return Labels()
    found = data.get("tags")
    tags = {tag for tag in found if isinstance(tag, str) and _TAG.fullmatch(tag)} if isinstance(found, list) else set()
    note = data.get("note")
    return Labels(tuple(sorted(tags))[:MOST_TAGS], note[:NOTE_LENGTH] if isinstance(note, str) else "")


def change_tags(labels: Labels, changes: Iterable[str]) -> Labels:
    """`+tag` (or `tag`) adds, `-tag` takes away. Raises BadLabel."""
    tags = set(labels.tags)
    for change in changes:
        tag = change[1:] if change[:1] in ("+", "-") else change
        if not _TAG.fullmatch(tag):
            raise BadLabel(f"{change!r} is no tag; use up to 32 of a-z 0-9 . _ - , e.g. +baseline")
        if change.startswith("-"):
            tags.discard(tag)
        else:
            tags.add(tag)
    if len(tags) > MOST_TAGS:
        raise BadLabel(f"a run has at most {MOST_TAGS} tags")
    return Labels(tuple(sorted(tags)), labels.note)


def change_note(labels: Labels, text: str) -> Labels:
    """With that note, on one line; an empty one takes it away. Raises BadLabel."""
    note = " ".join(text.encode("utf-8", "replace").decode().split())
    if len(note) > NOTE_LENGTH:
        raise BadLabel(f"a note has at most {NOTE_LENGTH} characters; this one has {len(note)}")
    return Labels(labels.tags, note)


def labels_json(labels: Labels) -> str:
    """As they are kept; ASCII whatever is in them."""
    return json.dumps({"tags": list(labels.tags), "note": labels.note})


def write_labels(folder: Path, labels: Labels) -> None:
    """Replace a run's labels at once. Raises OSError."""
    replace_text(folder / LABELS_FILE, labels_json(labels) + "\n")


def change_labels(folder: Path, change: Callable[[Labels], Labels]) -> Labels:
    """Replace a run's labels by what `change` makes of them, one after the other. Raises BadLabel, OSError."""
    with (folder / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        labels = change(read_labels(folder))
        write_labels(folder, labels)
    return labels


def replace_text(path: Path, text: str) -> None:
    """Write beside (0600) and move in place: a reader sees the old text or the new. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
