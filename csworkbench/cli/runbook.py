# SPDX-License-Identifier: Apache-2.0
"""`runbook`: walk the steps of an upgrade, and keep the evidence."""

import asyncio
import getpass
import json
import os
import socket
from pathlib import Path
from typing import Any

import click

from csworkbench.config import ConfigError
from csworkbench.recording.library import new_run
from csworkbench.upgrade.runbook.entry import Did
from csworkbench.upgrade.runbook.record import Record, RecordBusy, make_record
from csworkbench.upgrade.runbook.state import Outcome, State
from csworkbench.upgrade.runbook.walk import Refused, Walk

from . import runbook_lines as lines
from .common import fail, has_terminal
from .runbook_cloud import known_cloud, rows_of
from .runbook_records import base, list_walks, load, look, newest, records, state_of

EXIT = {Outcome.DONE: 0, Outcome.OPEN: 2, Outcome.ROLLING_BACK: 2, Outcome.FAILED: 1, Outcome.ROLLED_BACK: 1}
ENDED = (Outcome.DONE, Outcome.ROLLED_BACK)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--cloud", default="", help="Where checks ask: a cloud of config.yaml, `env`, or `lab`.")
@click.option("--resume", is_flag=True, help="Go on with the newest walk of FILE.")
@click.option("--new", is_flag=True, help="Begin another walk though one of FILE has not ended.")
@click.option("--again", metavar="STEP", help="With --resume: do a finished STEP once more.")
@click.option("--yes-checks", is_flag=True, help="Without asking: do the checks whose turn it is, up to another step.")
@click.option("--tui", is_flag=True, help="As a screen.")
@click.option("--list", "as_list", is_flag=True, help="List the walks, newest first.")
@click.option("--status", is_flag=True, help="Say how far the newest walk of FILE is.")
@click.option("--json", "as_json", is_flag=True, help="With --status or --list: as JSON.")
@click.option("--export", type=click.Path(path_type=Path, dir_okay=False), help="Write its Markdown evidence here.")
def runbook(
    file: Path | None, cloud: str, resume: bool, new: bool, again: str | None, yes_checks: bool, tui: bool,
    as_list: bool, status: bool, as_json: bool, export: Path | None,
) -> None:  # fmt: skip
    """Walk the runbook FILE, step by step (docs/runbook.md).

    Without a terminal it prints the plan. Exit codes: 0 all steps are done, 1 a step failed or the way back was
    walked, 2 usage or a person is needed.
    """
    if as_list:
        list_walks(file, as_json=as_json)
        return
    if file is None:
        fail("name a runbook: `csworkbench runbook FILE`; `--list` shows the walks so far", 2)
    if again is not None and not resume:
        fail("--again goes with --resume: a new walk has no finished step", 2)
    if resume and new:
        fail("either --resume or --new", 2)
    if status or export is not None:
        look(newest(file), status=status, as_json=as_json, export=export)
        return
    if not (yes_checks or has_terminal()):
        lines.plan(load(file))
        fail("no terminal to ask at, so nothing was done; `--yes-checks` does the checks alone", 2)
    walk = _walk(file, cloud, resume=resume, new=new)
    try:
        if again is not None:
            _again(walk, again)
        _go(walk, checks=yes_checks, tui=tui)
    except OSError as error:
        fail(f"{walk.record.path} cannot be written: {error.strerror or error}; nothing more was done", 1)
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        walk.record.unlock()
    lines.goodbye(walk, file)
    raise SystemExit(EXIT[walk.state.outcome])


def _go(walk: Walk, *, checks: bool, tui: bool) -> None:
    if checks:
        asyncio.run(lines.checks_only(walk))
    elif tui:
        from csworkbench.tui.runbook_app import RunbookApp

        app = RunbookApp(walk)
        app.run()
        if app.return_code:
            raise SystemExit(app.return_code)
    else:
        lines.Lines(walk).run()


def _who() -> str:
    name = os.environ.get("SUDO_USER") or _user()
    return f"{name}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _walk(file: Path, cloud: str, *, resume: bool, new: bool) -> Walk:
    """The walk to go on with, or a new one, locked. Ends with 2 when there is a doubt."""
    opened: dict[str, Any] = {}
    if resume:
        record, opened = newest(file)
    elif not new and (before := next(records(file), None)) is not None:
        _ended(file, before[0])
    name = cloud or str(opened.get("cloud", ""))
    if name:
        _check_cloud(name)
    walk = _resumed(record, opened, file) if resume else _begun(file, name)
    if name:
        walk.cloud, walk.rows = name, rows_of(name)
    return walk


def _ended(file: Path, record: Record) -> None:
    state = state_of(record)
    if state.outcome not in ENDED:
        at = state.current
        fail(
            f"a walk of {file} has not ended ({record.path.name}, at {at.id if at else 'its end'}): "
            "--resume goes on with it, --new begins another",
            2,
        )


def _check_cloud(name: str) -> None:
    try:
        asyncio.run(known_cloud(name))
    except ConfigError as error:
        # The test cloud may be down for a while in the middle of a walk; a person's steps go on all the same.
        if name != "lab":
            fail(str(error), 2)
        click.echo(f"csworkbench: {error}", err=True)


def _begun(file: Path, cloud: str) -> Walk:
    book = load(file)
    try:
        data = file.read_bytes()
        record = make_record(new_run(book.name, base()).path, data)
        _lock(record)
        walk = Walk(State(book), record, _who(), cloud, folder=file.resolve().parent)
        walk.write(Did.OPENED, text=json.dumps({"file": str(file.resolve()), "name": book.name, "cloud": cloud}))
    except OSError as error:
        fail(f"cannot keep a record under {base()}: {error.strerror or error}; set CSWORKBENCH_DATA_DIR", 1)
    return walk


def _resumed(record: Record, opened: dict[str, Any], file: Path) -> Walk:
    _lock(record)
    state = state_of(record)
    if record.damaged:
        click.echo(f"csworkbench: {record.journal}: {record.damaged} lines cannot be read and are left out", err=True)
    if _differs(file, record.kept):
        click.echo(f"csworkbench: {file} has changed since; going on with {record.kept}", err=True)
    walk = Walk(state, record, _who(), folder=Path(str(opened.get("file", file))).parent)
    try:
        walk.write(Did.OPENED)
    except OSError as error:
        fail(f"{record.journal} cannot be written: {error.strerror or error}", 1)
    return walk


def _differs(file: Path, kept: Path) -> bool:
    try:
        return file.read_bytes() != kept.read_bytes()
    except OSError:
        return False  # FILE has gone: the copy is all there is


def _lock(record: Record) -> None:
    try:
        record.lock()
    except RecordBusy as error:
        fail(str(error), 2)


def _again(walk: Walk, step_id: str) -> None:
    step = walk.state.runbook.step(step_id)
    if step is None:
        fail(f"no step {step_id!r}; there are {', '.join(s.id for s in walk.state.runbook)}", 2)
    try:
        walk.mark(step, Did.AGAIN)
    except Refused as error:
        fail(str(error), 2)
