# SPDX-License-Identifier: Apache-2.0
"""The walks that are on record: found, listed, told and written as evidence."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from csworkbench.config import ConfigError
from csworkbench.config.runbook_file import load_runbook
from csworkbench.recording.library import runs_dir
from csworkbench.upgrade.runbook.entry import Did
from csworkbench.upgrade.runbook.markdown import render
from csworkbench.upgrade.runbook.model import Runbook
from csworkbench.upgrade.runbook.record import Record, all_records
from csworkbench.upgrade.runbook.state import State, replay

from . import runbook_lines as lines
from .common import fail


def load(path: Path) -> Runbook:
    """The runbook; ends with 2 when it is wrong."""
    try:
        return load_runbook(path)
    except ConfigError as error:
        fail(str(error), 2)


def base() -> Path:
    """The folder of all records."""
    return runs_dir().parent / "runbooks"


def opened_with(record: Record) -> dict[str, Any]:
    """What the walk was begun with: file, folder and cloud; empty when the journal's beginning cannot be read."""
    try:
        first = next((e for e in record.entries() if e.did is Did.OPENED), None)
    except OSError as error:
        fail(f"{record.journal} cannot be read: {error.strerror or error}", 1)
    try:
        found = json.loads(first.text) if first is not None else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def records(file: Path | None) -> Iterator[tuple[Record, dict[str, Any]]]:
    """The records of FILE, or all, newest first, and what each was begun with."""
    wanted = str(file.resolve()) if file is not None else None
    for record in all_records(base()):
        opened = opened_with(record)
        if wanted is None or opened.get("file") == wanted:
            yield record, opened


def newest(file: Path) -> tuple[Record, dict[str, Any]]:
    """The newest of FILE; ends with 2 when there is none."""
    found = next(records(file), None)
    if found is None:
        fail(f"{file} has not been walked yet; `csworkbench runbook {file}` begins", 2)
    return found


def state_of(record: Record) -> State:
    """What has become of it so far."""
    return replay(load(record.kept), record.entries())


def look(found: tuple[Record, dict[str, Any]], *, status: bool, as_json: bool, export: Path | None) -> None:
    """Print how far a walk is, or write its evidence."""
    record, opened = found
    state = state_of(record)
    if export is not None:
        text = render(state, record.path.name, str(opened.get("cloud", "")))
        try:
            export.write_text(text, encoding="utf-8")
        except OSError as error:
            fail(f"cannot write {export}: {error.strerror or error}", 1)
        click.echo(f"written to {export}", err=True)
    if status and as_json:
        click.echo(json.dumps(as_object(state, record), indent=2))
    elif status:
        lines.status(state, record)


def as_object(state: State, record: Record) -> dict[str, Any]:
    """A walk for other programs."""
    current = state.current
    branches = (("steps", state.runbook.steps), ("rollback", state.runbook.rollback))
    return {
        "record": record.path.name,
        "runbook": state.runbook.name,
        "outcome": state.outcome,
        "current": current.id if current else None,
        "rolled_from": state.rolled_from or None,
        "damaged_lines": record.damaged,
    } | {
        branch: [
            {
                "id": step.id,
                "kind": step.kind,
                "status": state.of(step).status,
                "entries": [asdict(entry) for entry in state.of(step).entries],
            }
            for step in steps
        ]
        for branch, steps in branches
    }


def list_walks(file: Path | None, *, as_json: bool) -> None:
    """Print one line, or one object, for each walk."""
    rows = []
    for record, opened in records(file):
        try:
            state = replay(load_runbook(record.kept), record.entries())
            outcome, current = str(state.outcome), state.current
        except ConfigError:
            outcome, current = "cannot be read", None
        at = current.id if current else ""
        rows.append({"record": record.path.name, "file": opened.get("file", ""), "outcome": outcome, "current": at})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        place = f" at {row['current']}" if row["current"] else ""
        click.echo(f"{row['record']}  {row['outcome']}{place}  {lines.shown(str(row['file']))}")
    if not rows:
        click.echo("no runbook has been walked yet", err=True)
