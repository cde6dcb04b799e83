# SPDX-License-Identifier: Apache-2.0
"""`resume`: go on with a run whose engine was killed, or whose host was rebooted."""

import asyncio
import json
import sqlite3
import time
from pathlib import Path
from typing import NoReturn

import click

from csworkbench import __version__
from csworkbench.config import ConfigError, yaml12
from csworkbench.config.scenario_file import check_scenario
from csworkbench.engine.continued import boot_id, other_boot, shift_of
from csworkbench.engine.engine import Engine
from csworkbench.engine.lock import Locked, RunLock
from csworkbench.model.event import RunOpened, RunResumed
from csworkbench.model.scenario import Scenario
from csworkbench.model.state import RunState
from csworkbench.recording.library import RUN_FILE, RunFolder
from csworkbench.recording.reader import RunFileError, RunFileReader, load_state
from csworkbench.recording.writer import RunFileWriter

from .common import fail
from .compose import Consent, prepare_for
from .engine import as_written
from .find import find
from .host import Attached, Hosting, serve
from .live import is_live
from .past import past_of
from .progress import Progress
from .run import report


@click.command()
@click.argument("run")
@click.option("--stop", is_flag=True, help="End its probers and close it: the verdict is of what was recorded.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write the CSV files here.")
@click.option("--yes", is_flag=True, help="Do not ask before the operation, where it was not sent yet.")
@click.option("--force", is_flag=True, help="Go ahead although a check of the preflight says stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def resume(run: str, stop: bool, out: Path | None, yes: bool, force: bool, as_json: bool) -> None:
    """Go on with RUN, whose engine is gone: an id, the beginning of one, a path, or `last`.

    Its probers went on by themselves, and so did CloudStack's job: nothing that was sent is sent again. Ends as `run`
    does. A run that could not be gone on with stays interrupted.
    """
    folder = find(run)
    if folder.file_name != RUN_FILE:
        fail(f"{folder.file} is a copy: only runs of the library are resumed", 2)
    try:
        with RunLock(folder.path):
            code = _resumed(folder, Hosting(Consent(yes=yes, force=force)), just_end=stop)
            ended = load_state(folder.file).closed is not None
    except Locked:
        _goes_on(folder)
    except (RunFileError, OSError) as error:
        fail(str(error), 1)
    except sqlite3.Error as error:
        fail(f"{folder.file} cannot be written ({error}); the run stays interrupted", 1)
    if ended:
        report([folder], out, as_json)
    else:
        click.echo(
            f"still interrupted: `csworkbench resume {folder.name}` tries again, with --stop it is closed", err=True
        )
    raise SystemExit(code)


def _goes_on(folder: RunFolder) -> NoReturn:
    fail(f"run {folder.name} goes on: `csworkbench attach {folder.name}` shows it", 2)


def _resumed(folder: RunFolder, how: Hosting, *, just_end: bool) -> int:
    """Ends with 2 when it cannot be resumed."""
    if is_live(folder):  # of a version that held no lock
        _goes_on(folder)
    state = load_state(folder.file)
    opened = state.opened
    if state.closed is not None:
        fail(f"run {folder.name} has ended: `csworkbench show {folder.name}`", 2)
    if opened is None or not opened.token:
        fail(
            f"run {folder.name} was recorded by a version that could not resume runs; its probers end by themselves", 2
        )
    with Progress() as progress:
        reader = RunFileReader(folder.file)
        try:
            progress.catch_up(reader)
        finally:
            reader.close()
        return asyncio.run(
            _host_again(state, opened, folder, Hosting(how.consent, listener=progress), just_end=just_end)
        )


def _scenario(opened: RunOpened) -> Scenario:
    try:
        text = json.dumps(as_written(json.loads(opened.scenario)))
        return check_scenario(yaml12.parse(text, "scenario"))
    except (ConfigError, ValueError) as error:
        fail(f"its scenario cannot be read: {error}", 1)


async def _host_again(state: RunState, opened: RunOpened, folder: RunFolder, how: Hosting, *, just_end: bool) -> int:
    scenario, boot = _scenario(opened), boot_id()
    other = other_boot(state, boot)
    shift_ns = shift_of(state, time.monotonic_ns, time.time_ns, other=other)

    def clock_ns() -> int:
        return time.monotonic_ns() + shift_ns

    writer = RunFileWriter.reopen(folder.file, clock_ns=clock_ns)
    prepare = prepare_for(scenario, how.consent, past=past_of(state, clock_ns, just_end=just_end))
    attached = Attached()
    engine = Engine(
        writer, scenario, prepare, run_token=opened.token, measure_s=opened.measure_s, viewers=attached.count,
        past=state, clock_ns=clock_ns, just_end=just_end,
    )  # fmt: skip
    resumed = RunResumed(state.last_ns, state.phase, __version__, boot, other, shift_ns)
    return await serve(engine, writer, folder, how, resumed, attached)
