# SPDX-License-Identifier: Apache-2.0
"""The plan that a prober gets."""

import json
from dataclasses import dataclass

from csworkbench.model.lane import Lane

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """What one prober is to do; `run` is 32 hex digits."""

    run: str
    duration_s: float
    lanes: tuple[Lane, ...]

    @property
    def lane_ids(self) -> list[int]:
        """The lane numbers that may appear in the spool."""
        return [lane.id for lane in self.lanes]

    @property
    def records_per_s(self) -> float:
        """How many verdicts fall each second, and the clock record."""
        return sum(SECOND_NS / lane.interval_ns for lane in self.lanes) + 1

    def to_json(self) -> str:
        """The plan file (probes/FORMAT.md)."""
        lanes = []
        for lane in self.lanes:
            entry: dict[str, object] = {
                "lane": lane.id,
                "prober": str(lane.prober),
                "target": lane.target,
                "interval_ns": lane.interval_ns,
                "tmax_ns": lane.tmax_ns,
                "offset_ns": lane.offset_ns,
                **lane.keys.told(),
            }
            if lane.flow:
                entry["flow"] = lane.flow
            if lane.port:
                entry["port"] = lane.port
            lanes.append(entry)
        return json.dumps({"version": 1, "run": self.run, "duration_s": self.duration_s, "lanes": lanes})
