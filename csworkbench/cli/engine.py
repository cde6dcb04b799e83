# SPDX-License-Identifier: Apache-2.0
"""`engine`: one run in a process of its own, started detached by `demo`; and how to start it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
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

SPEC = "scenario.json"
LOG = "engine.log"
START_LIMIT_S = 20.0


@click.command(hidden=True)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def engine(folder: Path) -> None:
    """Run the scenario that lies in FOLDER, steered by its viewers."""
    try:
        scenario = check_scenario(yaml12.load(folder / SPEC))  # JSON is YAML
    except ConfigError as error:
        fail(str(error), 2)
    # The terminal that started us may go at any time: only an order to this very process ends the run.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    hosting = Hosting(Consent(interactive=True), fresh_lab=True, signals=(signal.SIGTERM, signal.SIGINT))
    with company(RunFolder(folder)):
        code = asyncio.run(host(scenario, RunFolder(folder), hosting))
    raise SystemExit(code)


def start_detached(scenario: Scenario, folder: RunFolder) -> None:
    """Start an interactive run's engine in a session of its own and wait for its socket. Ends with 1 if it dies."""
    (folder.path / SPEC).write_text(json.dumps(_plain(asdict(scenario))), encoding="utf-8")
    log = os.open(folder.path / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "csworkbench", "engine", str(folder.path)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(log)
    end = time.monotonic() + START_LIMIT_S
    try:
        while not is_live(folder):
            if process.poll() is not None or time.monotonic() > end:
                fail(f"the engine did not start; see {folder.path / LOG}", 1)
            time.sleep(0.05)
    except BaseException:  # Ctrl-C too: nobody would ever look at it
        if process.poll() is None:
            process.terminate()
        raise


def _plain(value: dict[str, object]) -> dict[str, object]:
    """Without what a file leaves out: options that are not set, and an operation of nothing."""
    found = {key: _plain(inner) if isinstance(inner, dict) else inner for key, inner in value.items()}
    return {
        key: inner for key, inner in found.items() if inner not in (None, "") and not (key == "operation" and not inner)
    }
