# SPDX-License-Identifier: Apache-2.0
"""Whether a service answers the same after the change as before: metadata, names, renewals."""

from dataclasses import dataclass

from csworkbench.model.event import Phase
from csworkbench.model.lane import Prober
from csworkbench.model.sample import Outcome, Sample
from csworkbench.model.state import LaneState

from .run_result import RunResult

_DHCP_TYPES = {5: "ACK", 6: "NAK"}
_WITH_CONTENT = (Prober.HTTP, Prober.DNS, Prober.DHCP)


@dataclass(frozen=True, slots=True)
class Answers:
    """The last good answer before the change and the last one at all; hex CRC-32, or the DHCP message."""

    before: str
    after: str

    @property
    def changed(self) -> bool:
        """True when they differ."""
        return self.before != self.after


def answers_of(result: RunResult, lane_id: int) -> Answers | None:
    """What a lane with contents was told; None for other lanes, and where one of the two is missing."""
    lane_state = result.state.lanes[lane_id]
    change_ns = result.state.phase_ns(Phase.CHANGE) or result.state.phase_ns(Phase.MEASURE)
    if lane_state.lane.prober not in _WITH_CONTENT or change_ns is None:
        return None
    change_ns = result.analysis.to_remote(lane_state.lane.vantage, change_ns)
    good = [sample for sample in lane_state.samples if sample.outcome is Outcome.OK]
    before = [sample for sample in good if sample.at_ns < change_ns]
    if not before or good[-1].at_ns < change_ns:
        return None
    return Answers(_told(lane_state, before[-1]), _told(lane_state, good[-1]))


def _told(lane_state: LaneState, sample: Sample) -> str:
    if lane_state.lane.prober is Prober.DHCP:
        return _DHCP_TYPES.get(sample.detail, str(sample.detail))
    return f"{sample.value & 0xFFFFFFFF:08x}"


def changed_line(result: RunResult) -> str:
    """All lanes whose answer changed, in one line; empty when none did."""
    changed = []
    for lane_id, lane_state in sorted(result.state.lanes.items()):
        answers = answers_of(result, lane_id)
        if answers is not None and answers.changed:
            lane = lane_state.lane
            changed.append(f"{lane.service} {lane.subject} ({answers.before} to {answers.after})")
    return f"answers changed: {', '.join(changed)}" if changed else ""
