# SPDX-License-Identifier: Apache-2.0
"""The cloud screen's source: the API behind the list that the TUI shows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from csworkbench.recording.library import RunFolder
from csworkbench.recording.reader import RunFileError, RunFileReader

if TYPE_CHECKING:
    from csworkbench.cloudstack import Client
    from csworkbench.cloudstack.diagnostics import Answer, DiagnosticsTarget, Question
    from csworkbench.cloudstack.download import Download
    from csworkbench.model.scenario import Scenario
    from csworkbench.tui.cloud import CloudView
    from csworkbench.tui.diagnostics import Offers
    from csworkbench.upgrade import Facts


class ApiSource:
    """A cloud by name, or what one scenario touches in it."""

    def __init__(self, name: str, scenario: Scenario | None = None) -> None:
        self.name = name
        self._scenario = scenario

    async def read(self, progress: Callable[[str], None]) -> CloudView:
        """Ask for everything. Raises CloudLost."""
        # What speaks to a cloud is loaded when somebody asks for one: a workbench on a run starts a second sooner.
        from csworkbench.cloudstack import CloudStackError
        from csworkbench.config import ConfigError
        from csworkbench.tui.cloud import CloudLost

        from .cloud_access import open_cloud, read_facts

        try:
            async with open_cloud(self.name, may_ask=False) as opened:
                facts = await read_facts(
                    opened.client, self._scenario, lambda what, read, total: progress(f"{what}: {read} of {total}")
                )
        except (ConfigError, CloudStackError) as error:
            raise CloudLost(str(error)) from None
        return await asyncio.to_thread(_judge, facts)  # of 10,000 routers it takes a second

    async def offers(self) -> Offers:
        """Whether its servers and our role offer diagnostics. Raises NotAsked."""
        from csworkbench.cloudstack.diagnostics import DATA, RUN, why_not
        from csworkbench.tui.diagnostics import Offers

        async with self._asking() as client:
            capabilities = await client.capabilities()
            return Offers(why_not(capabilities, RUN), why_not(capabilities, DATA))

    async def ask(self, target: DiagnosticsTarget, asked: Question) -> Answer:
        """Run a tool in the VM. Raises NotAsked."""
        from csworkbench.cloudstack.diagnostics import run_diagnostics

        from .profile import Unrecorded

        async with self._asking() as client:
            return await run_diagnostics(client, Unrecorded(), target.id, asked)

    async def collect(self, target: DiagnosticsTarget, folder: Path) -> Download:
        """Fetch its logs into the folder, which is made if need be. Raises NotAsked."""
        from csworkbench.cloudstack.diagnostics_data import collect_data

        from .profile import Unrecorded, profile_of

        async with self._asking() as client:
            profile = await profile_of(self.name)
            await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
            return await collect_data(
                client, Unrecorded(), target, folder, connect=profile.connect, verify=profile.storage_verify
            )

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[Client]:
        from csworkbench.cloudstack import CloudStackError
        from csworkbench.config import ConfigError
        from csworkbench.tui.diagnostics import NotAsked

        from .cloud_access import open_cloud

        try:
            async with open_cloud(self.name, may_ask=False) as opened:
                yield opened.client
        except (ConfigError, CloudStackError) as error:
            raise NotAsked(str(error)) from None
        except OSError as error:
            raise NotAsked(f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")) from None


def _judge(facts: Facts) -> CloudView:
    from csworkbench.tui.cloud import CloudView
    from csworkbench.upgrade import assess
    from csworkbench.upgrade import preflight as run_checks

    return CloudView(facts, assess(facts.fleet), run_checks(facts))


def source_of(folder: RunFolder) -> ApiSource | None:
    """The cloud of a run; None for one that measured in a test cloud of its own."""
    try:
        reader = RunFileReader(folder.file)
        try:
            scenario = json.loads(reader.first_words().get("scenario") or "{}")
        finally:
            reader.close()
    except (RunFileError, OSError, ValueError, TypeError, RecursionError):
        return None
    if not isinstance(scenario, dict):
        return None
    own = scenario.get("cloud") == "lab" and scenario.get("lab") is not None
    return None if own or not scenario.get("cloud") else ApiSource(str(scenario["cloud"]))


def browse(name: str, scenario: Scenario | None) -> int:
    """Run the screen and return the exit code."""
    from csworkbench.tui.cloud_app import CloudApp

    from .run_screen import library, visit

    while True:
        app = CloudApp(ApiSource(name, scenario), library=library())
        app.run()
        if not app.wanted:
            return app.return_code or 0
        visit(app.wanted)
