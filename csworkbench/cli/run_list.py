# SPDX-License-Identifier: Apache-2.0
"""Which runs a list shows, and a line of 80 columns for each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from csworkbench.recording.labels import Labels
from csworkbench.recording.library import RunFolder, all_runs
from csworkbench.results.run_index import Entry, RunIndex
from csworkbench.results.tables import harmless

from .live import is_live
from .team import current

ID_WIDTH, VERDICT_WIDTH, WIDTH = 33, 21, 80
DAY_S = 86_400
_UNITS = {"m": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}


class Since(click.ParamType[datetime]):
    """A moment: an age such as 12h or 2d, or a UTC date such as 2026-11-20 or 2026-11-20T14:00."""

    name = "age|date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment in UTC."""
        if isinstance(value, datetime):
            return value
        match = re.fullmatch(r"(\d{1,6})([mhdw])", str(value))
        try:
            if match is not None:
                return datetime.fromtimestamp(datetime.now(UTC).timestamp() - int(match[1]) * _UNITS[match[2]], UTC)
            found = datetime.fromisoformat(str(value))
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            self.fail(f"{value!r} is neither an age such as 2d (m, h, d, w) nor a date such as 2026-11-20", param, ctx)


@dataclass(frozen=True, slots=True)
class Listed:
    """One run of a list."""

    folder: RunFolder
    entry: Entry
    labels: Labels
    live: bool

    @property
    def interrupted(self) -> bool:
        """True when its engine is gone and did not end it."""
        return not (self.live or self.entry.closed or self.entry.problem)

    @property
    def verdict(self) -> str:
        """In words, also of a run without one."""
        if self.live:
            return f"live: {self.entry.phase}"
        if self.interrupted:
            return "interrupted"
        return f"{self.entry.verdict}{' over budget' if self.entry.over_budget else ''}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is narrowed to; what is not set narrows nothing. `verdict` and `named` are words within."""

    named: str = ""
    since: datetime | None = None
    verdict: str = ""
    tags: tuple[str, ...] = ()
    live: bool = False
    interrupted: bool = False

    def fits(self, run: Listed) -> bool:
        """Whether the list shows it."""
        words = self.named.lower()
        return (
            (words in run.folder.name.lower() or words in run.entry.name.lower())
            and (self.since is None or run.entry.started_ns >= self.since.timestamp() * 1e9)
            and self.verdict.lower() in run.verdict.lower()
            and set(self.tags) <= set(run.labels.tags)
            and (not self.live or run.live)
            and (not self.interrupted or run.interrupted)
        )


def listed(base: Path, wanted: Wanted, limit: int | None = None) -> list[Listed]:
    """The newest runs that fit, newest first."""
    team = current()
    folders: Sequence[RunFolder] = all_runs(base) if team is None else team.runs()
    index = RunIndex(base if team is None else team.base)
    found: list[Listed] = []
    for folder in folders:
        if limit is not None and len(found) >= limit:
            break
        labels = folder.labels
        if not set(wanted.tags) <= set(labels.tags):
            continue  # without reading its file
        live = is_live(folder)
        run = Listed(folder, index.entry(folder), labels, live)
        if wanted.fits(run):
            found.append(run)
    index.save(folders)
    return found


def lines(runs: Sequence[Listed], names: Sequence[str]) -> list[str]:
    """For people: a head, a line per run, and its labels below it. `names` are the ids of all runs there are."""
    told = [f"{'RUN':<{ID_WIDTH}} {'VERDICT':<{VERDICT_WIDTH}} LONGEST DOWN"]
    for run in runs:
        worst = run.entry.worst
        down = "" if worst is None else f"{worst[0]} {worst[1]:.2f} s"
        told.append(
            f"{_short(run.folder.name, names):<{ID_WIDTH}} {_cut(_verdict(run), VERDICT_WIDTH)} {down}".rstrip()
        )
        about = " ".join([*(f"+{tag}" for tag in run.labels.tags), harmless(run.labels.note)]).strip()
        if about:
            told.append(_cut(f"    {about}", WIDTH).rstrip())
    return told


def as_json(run: Listed) -> dict[str, Any]:
    """One run of the list."""
    return {
        "run": run.folder.name, "name": run.entry.name, "verdict": run.verdict, "live": run.live,
        "interrupted": run.interrupted, "over_budget": run.entry.over_budget, "started_ns": run.entry.started_ns,
        "down_s": run.entry.down_s, "tags": list(run.labels.tags), "note": run.labels.note,
    }  # fmt: skip


def _verdict(run: Listed) -> str:
    return f"{run.entry.verdict}, over" if run.entry.over_budget and not run.live else run.verdict


def _short(name: str, names: Sequence[str]) -> str:
    """The id, or so much of its beginning as there is room for and as commands take for it."""
    name = harmless(name)
    start = name[:ID_WIDTH]
    return start if sum(other.startswith(start) for other in names) == 1 else name


def _cut(text: str, width: int) -> str:
    return f"{text:<{width}}" if len(text) <= width else f"{text[: width - 1]}…"
