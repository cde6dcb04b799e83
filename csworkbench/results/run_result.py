# SPDX-License-Identifier: Apache-2.0
"""A finished (or running) run with all its figures."""

from dataclasses import dataclass
from pathlib import Path

from csworkbench.measurement.analysis import Analysis
from csworkbench.measurement.cautions import cautions
from csworkbench.measurement.totals import LaneReport, ServiceReport
from csworkbench.model.lane import Service
from csworkbench.model.state import RunState
from csworkbench.recording.reader import load_state


@dataclass(frozen=True, slots=True)
class RunResult:
    """The state and analysis of one run."""

    state: RunState
    analysis: Analysis

    @property
    def run(self) -> str:
        """The run's id."""
        return self.state.opened.run if self.state.opened else ""

    @property
    def verdict(self) -> str:
        """The verdict's words, `unfinished` when the engine did not get so far."""
        if self.state.verdict is None:
            return "unfinished"
        return f"{self.state.verdict.verdict}{' over budget' if self.state.verdict.over_budget else ''}"

    def lanes(self) -> list[LaneReport]:
        """All lanes by number."""
        return [self.analysis.lane(lane_id) for lane_id in sorted(self.state.lanes)]

    def services(self) -> dict[Service, ServiceReport]:
        """The services that the run measured."""
        return {report.service: report for report in self.analysis.services()}

    def cautions(self) -> list[str]:
        """What a reader of the figures has to know, a line each."""
        return cautions(self.state, self.analysis)


def analyse(state: RunState) -> RunResult:
    """Fold a state that will not change any more."""
    analysis = Analysis(state)
    analysis.finish()
    return RunResult(state, analysis)


def load_result(run_file: Path) -> RunResult:
    """Read and analyse a run file. Raises RunFileError."""
    return analyse(load_state(run_file))
