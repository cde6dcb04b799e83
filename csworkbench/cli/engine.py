# SPDX-License-Identifier: Apache-2.0
"""`engine`: one run in a process of its own, started detached by `demo`; and how to start it."""

import asyncio
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict
from pathlib import Path

import click

from csworkbench.config import ConfigError, yaml12
from csworkbench.config.scenario_file import check_scenario
from csworkbench.model.scenario import Scenario
from csworkbench.recording.library import RunFolder

from .common import fail
from .company import company
from .compose import Consent
from .host import Hosting, host
from .live import is_live
from .own_command import own_command

SPEC = "scenario.json"
LOG = "engine.log"
START_LIMIT_S = 20.0


@click.command(hidden=True)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--running-lab", is_flag=True, help="Take the test cloud that is up, instead of one of the run's own.")
@click.option("--unattended", is_flag=True, help="As --running-lab, and nobody is asked: who started it has said yes.")
@click.option("--force", is_flag=True, help="Go ahead although a check of the preflight says stop.")
def engine(folder: Path, running_lab: bool, unattended: bool, force: bool) -> None:
    """Run the scenario that lies in FOLDER, steered by its viewers."""
    try:
        scenario = check_scenario(yaml12.load(folder / SPEC))  # JSON is YAML
    except ConfigError as error:
        fail(str(error), 2)
    # The terminal that started us may go at any time: only an order to this very process ends the run.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    consent = Consent(yes=unattended, interactive=not unattended, force=force)
    fresh_lab = not (running_lab or unattended)
    hosting = Hosting(consent, fresh_lab=fresh_lab, signals=(signal.SIGTERM, signal.SIGINT))
    with company(RunFolder(folder)):
        code = asyncio.run(host(scenario, RunFolder(folder), hosting))
    raise SystemExit(code)


class EngineDied(Exception):
    """The engine did not come up; one line that says where it left its last words."""


def start_detached(scenario: Scenario, folder: RunFolder) -> None:
    """Start an interactive run's engine in a session of its own and wait for its socket. Ends with 1 if it dies."""
    try:
        launch(scenario, folder)
    except EngineDied as error:
        fail(str(error), 1)


def launch(scenario: Scenario, folder: RunFolder, *options: str) -> None:
    """As `start_detached`, with options of `engine`. Raises EngineDied, OSError."""
    write_spec(scenario, folder)
    log = os.open(folder.path / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            own_command("engine", *options, str(folder.path)),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(log)
    end = time.monotonic() + START_LIMIT_S
    try:
        while not is_live(folder):
            if process.poll() is not None or time.monotonic() > end:
                raise EngineDied(f"the engine did not start; see {folder.path / LOG}")
            time.sleep(0.05)
    except BaseException:  # Ctrl-C too: nobody would ever look at it
        if process.poll() is None:
            process.terminate()
        raise


def write_spec(scenario: Scenario, folder: RunFolder) -> None:
    """Lay the scenario into its run's folder. Raises OSError."""
    (folder.path / SPEC).write_text(json.dumps(as_written(asdict(scenario))), encoding="utf-8")


def as_written(value: dict[str, object]) -> dict[str, object]:
    """A scenario without what a file leaves out: options that are not set, and an operation of nothing."""
    found = {key: as_written(inner) if isinstance(inner, dict) else inner for key, inner in value.items()}
    return {
        key: inner for key, inner in found.items() if inner not in (None, "") and not (key == "operation" and not inner)
    }
