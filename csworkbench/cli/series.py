# SPDX-License-Identifier: Apache-2.0
"""The runs of one experiment in the library: a tag holds them together, so that a stopped series can go on."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from csworkbench.config.experiment_file import Experiment
from csworkbench.model.scenario import Scenario
from csworkbench.recording.labels import change_tags, read_labels, write_labels
from csworkbench.recording.library import RunFolder, all_runs
from csworkbench.recording.reader import RunFileError, RunFileReader
from csworkbench.results.comparison import RunRecord, record_of
from csworkbench.results.run_result import load_result

PREFIX = "series-"


@dataclass(slots=True)
class Series:
    """`tag`: of each of its runs. `folders` and `records` oldest first; `done`: runs that count, by arm.

    `told`: what the operator should know of runs that are not gone on with.
    """

    tag: str
    folders: list[RunFolder] = field(default_factory=list)
    records: list[RunRecord] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def add(self, arm: str, folder: RunFolder) -> bool:
        """Take a run in that has ended; True when somebody stopped it. Raises OSError or RunFileError."""
        write_labels(folder.path, change_tags(read_labels(folder.path), [self.tag]))
        result = load_result(folder.file)
        self._count(arm, folder, record_of(result))
        return any(acted.action == "stop" for _, acted in result.state.actions)

    def _count(self, arm: str, folder: RunFolder, record: RunRecord) -> None:
        self.folders.append(folder)
        self.records.append(record)
        self.done[arm] += not record.why

    def base(self, plan: Experiment) -> str:
        """A run of the experiment's first arm that counts; empty without one."""
        first = plan.arms[0][1]
        return next(
            (r.run for r in self.records if not r.why and (r.arm.way, r.arm.environment) == _title(first, r)), ""
        )


def _title(scenario: Scenario, record: RunRecord) -> tuple[str, str]:
    return scenario.strategy or record.arm.operation, scenario.environment or record.arm.environment


def new_series(now: datetime | None = None) -> Series:
    """One without runs, named by UTC time."""
    return Series(f"{PREFIX}{(now or datetime.now(UTC)).strftime('%Y%m%d-%H%M%S')}")


def last_series(plan: Experiment, base: Path) -> Series:
    """The newest series of that experiment. Raises LookupError without one."""
    by_name = {scenario.name: (arm, scenario) for arm, scenario in plan.arms}
    tagged: dict[str, list[tuple[RunFolder, str]]] = {}
    for folder in all_runs(base):
        tag = next((tag for tag in read_labels(folder.path).tags if tag.startswith(PREFIX)), "")
        name = _name(folder) if tag else ""
        if name in by_name:
            tagged.setdefault(tag, []).append((folder, name))
    if not tagged:
        raise LookupError(f"no runs of {plan.name!r} to go on with under {base}: leave --resume out")
    found = Series(max(tagged))
    for folder, name in reversed(tagged[found.tag]):
        arm, scenario = by_name[name]
        result = load_result(folder.file)
        opened = result.state.opened
        if opened is None or json.loads(opened.scenario) != json.loads(json.dumps(asdict(scenario))):
            found.told.append(f"{folder.name}: {arm} was another scenario then; the run is left out")
            continue
        record = record_of(result)
        if record.why:
            found.told.append(f"{folder.name}: {record.why}; it is done again")
        found._count(arm, folder, record)
    return found


def _name(folder: RunFolder) -> str:
    """The name of its scenario; empty when the file cannot be read."""
    try:
        reader = RunFileReader(folder.file)
    except RunFileError:
        return ""
    reader.close()
    return reader.header.get("name", "")
