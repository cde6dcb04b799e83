# SPDX-License-Identifier: Apache-2.0
"""Hosting one engine in this process: run file, socket, signals."""

import asyncio
import json
import os
import secrets
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass

from csworkbench import __version__
from csworkbench.engine.continued import boot_id
from csworkbench.engine.engine import Engine
from csworkbench.engine.lock import RunLock
from csworkbench.engine.server import ViewerServer
from csworkbench.model.event import Body, Event, RunOpened
from csworkbench.model.scenario import Scenario
from csworkbench.recording.library import RunFolder
from csworkbench.recording.writer import RunFileWriter

from .compose import Consent, prepare_for


@dataclass(frozen=True, slots=True)
class Hosting:
    """How a run is hosted. `measure_s`: for a run that only measures. `listener` hears of each event."""

    consent: Consent
    measure_s: float | None = None
    fresh_lab: bool = False
    signals: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    diagnostics: bool = True
    """Collect the routers' logs and more when the operation went wrong."""
    listener: Callable[[Event], None] | None = None


async def host(scenario: Scenario, folder: RunFolder, how: Hosting) -> int:
    """Run the scenario in this process and return the exit code."""
    header = {"run": folder.name, "name": scenario.name, "csworkbench": __version__, "pid": str(os.getpid())}
    with RunLock(folder.path):
        writer = RunFileWriter(folder.file, header)
        prepare = prepare_for(scenario, how.consent, fresh_lab=how.fresh_lab)
        attached = Attached()
        token = secrets.token_hex(16)
        engine = Engine(
            writer, scenario, prepare, run_token=token, interactive=how.consent.interactive,
            measure_s=how.measure_s, viewers=attached.count, diagnostics=how.diagnostics,
        )  # fmt: skip
        opened = RunOpened(
            folder.name,
            scenario.name,
            __version__,
            scenario.cloud,
            scenario.operation.title,
            json.dumps(asdict(scenario)),
            how.consent.interactive,
            token,
            boot_id(),
            how.measure_s,
        )
        return await serve(engine, writer, folder, how, opened, attached)


@dataclass(slots=True)
class Attached:
    """How many viewers an engine has, once it is served."""

    server: ViewerServer | None = None

    def count(self) -> int:
        """0 before that."""
        return self.server.viewers if self.server is not None else 0


async def serve(
    engine: Engine, writer: RunFileWriter, folder: RunFolder, how: Hosting, first: Body, attached: Attached
) -> int:
    """Run an engine to its end, with its socket and signals; `first` is written before all else."""
    loop = asyncio.get_running_loop()
    for number in how.signals:
        loop.add_signal_handler(number, engine.interrupt, number.name)
    try:
        if how.listener is not None:
            writer.subscribe(how.listener)
        async with ViewerServer(folder.file, folder.socket, _commands(engine)) as viewers:
            attached.server = viewers
            writer.subscribe(viewers.tell)
            writer.write(first)
            return await engine.run()
    finally:
        for number in how.signals:
            loop.remove_signal_handler(number)
        writer.close()


def _commands(engine: Engine) -> Callable[[str, dict[str, str]], None]:
    def command(name: str, args: dict[str, str]) -> None:
        if name == "start":
            engine.start_operation()
        elif name == "stop":
            engine.interrupt("viewer")
        elif name == "note":
            at = args.get("at_ns", "")
            engine.note(args.get("text", ""), int(at) if at.isascii() and at.isdigit() and len(at) < 20 else 0)

    return command
