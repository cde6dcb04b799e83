# SPDX-License-Identifier: Apache-2.0
"""The plan screen's planner: asks one cloud, reads and writes scenario files, starts the engine."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from csworkbench.cloudstack import CloudStackError
from csworkbench.config import ConfigError
from csworkbench.config.scenario_file import check_scenario, load_scenario
from csworkbench.config.scenario_text import scenario_text
from csworkbench.config.yaml12 import parse
from csworkbench.model.scenario import Phases, Scenario
from csworkbench.recording.library import RunFolder, new_run, runs_dir
from csworkbench.results.export import export_run
from csworkbench.tui.cloud import CloudLost
from csworkbench.tui.plan import OpenRun, PlanError, Progress
from csworkbench.tui.text import clean
from csworkbench.upgrade.choices import Choice

from .cloud_access import open_cloud
from .engine import EngineDied, launch
from .ground import CloudGround, read_ground
from .lab_cloud import running_lab
from .live import live_runs
from .workbench import LiveFeed

LAB = "lab"
LAB_PHASES = Phases(warmup=1.0, baseline=10.0, confirm=10.0, settle_limit=180.0)
"""A test cloud's routers are back within seconds."""


class CloudPlanner:
    """Plans and starts runs on one cloud. Remembers vantages, phases and budget from one plan to the next."""

    def __init__(self, cloud: str, *, read_only: bool) -> None:
        self._cloud, self._read_only = cloud, read_only
        self._last = Scenario("", cloud=cloud, phases=LAB_PHASES if cloud == LAB else Phases())

    def draft(self, choice: Choice, name: str) -> Scenario:
        """A scenario for a choice, with what was filled in last time."""
        title = f"{choice.title} {clean(name, 60)}".strip()
        target = {choice.kind: choice.id}
        return replace(self._last, name=title, operation=choice.operation, **target)  # type: ignore[arg-type]

    async def ground(self, scenario: Scenario, choices: Sequence[Choice], progress: Progress) -> CloudGround:
        """Ask the cloud. Raises CloudLost."""
        try:
            lab = await running_lab() if self._cloud == LAB else None
            async with open_cloud(self._cloud) as opened:
                return await read_ground(opened.client, scenario, choices, lab, progress)
        except (ConfigError, CloudStackError, ValueError) as error:
            raise CloudLost(str(error)) from None

    def checked(self, scenario: Scenario) -> Scenario:
        """The scenario as a file of it would be read. Raises PlanError."""
        try:
            checked = check_scenario(parse(scenario_text(scenario), "plan"))
        except ConfigError as error:
            raise PlanError(_without_place(str(error))) from None
        return replace(scenario, vantages=checked.vantages)

    def load(self, file: str) -> Scenario:
        """A scenario file for this cloud. Raises PlanError."""
        try:
            scenario = load_scenario(Path(file).expanduser())
        except ConfigError as error:
            raise PlanError(str(error)) from None
        if scenario.cloud != self._cloud:
            raise PlanError(f"{file} is for cloud {scenario.cloud!r}, this is {self._cloud!r}: open that cloud first")
        return scenario

    def save(self, scenario: Scenario, file: str, *, overwrite: bool) -> str:
        """Write it. Raises PlanError."""
        path = Path(file).expanduser()
        if path.suffix not in (".yaml", ".yml"):
            path = path.with_name(f"{path.name}.yaml")
        try:
            text = scenario_text(scenario)
            with path.open("w" if overwrite else "x", encoding="utf-8") as opened:
                opened.write(f"# Planned with csworkbench; run it with: csworkbench run {path.name}\n{text}")
        except ConfigError as error:
            raise PlanError(_without_place(str(error))) from None
        except FileExistsError:
            raise PlanError(f"{path} is there already: choose another name") from None
        except OSError as error:
            raise PlanError(f"{path} cannot be written: {error.strerror or error}") from None
        return str(path)

    async def start(self, scenario: Scenario, *, force: bool) -> OpenRun:
        """Start its engine as a process of its own. Raises PlanError."""
        if self._read_only:
            raise PlanError("READ ONLY: no run is started from here")
        self._last = replace(
            self._last, vantages=scenario.vantages, phases=scenario.phases, budget=scenario.budget,
            lanes=scenario.lanes, egress_target=scenario.egress_target,
        )  # fmt: skip
        try:
            folder = await asyncio.to_thread(new_run, scenario.name, runs_dir())
            options = ["--running-lab"] if self._cloud == LAB else []
            await asyncio.to_thread(launch, scenario, folder, *options, *(["--force"] if force else []))
        except (EngineDied, OSError) as error:
            raise PlanError(str(error)) from None
        return run_of(folder)

    def live(self) -> OpenRun | None:
        """The newest run that goes on."""
        return newest_run()


def newest_run() -> OpenRun | None:
    """The newest run that goes on, or None."""
    return next((run_of(folder) for folder in live_runs()), None)


def run_of(folder: RunFolder) -> OpenRun:
    """A run that goes on, as the workbench shows it."""
    feed = LiveFeed(folder)

    async def export() -> str:
        target = folder.path / "export"
        await asyncio.to_thread(export_run, folder.file, target)
        return str(target)

    return OpenRun(feed, folder.name, export, feed.close)


def _without_place(text: str) -> str:
    """The complaint without `plan:12: `: nobody sees that file."""
    place, colon, rest = text.partition(": ")
    return rest if colon and place.rpartition(":")[2].isdigit() else text
