# SPDX-License-Identifier: Apache-2.0
"""What a run did not measure, grouped by reason."""

from csworkbench.model.event import LaneLeftOut
from csworkbench.model.state import RunState

SHOWN = 4


def left_out_line(state: RunState) -> str:
    """One line for everything; empty when nothing was left out."""
    reasons: dict[str, list[LaneLeftOut]] = {}
    for left in state.lanes_left_out:
        reasons.setdefault(left.why, []).append(left)
    parts = [f"{_what(group)} ({why})" for why, group in reasons.items()]
    return f"not measured: {'; '.join(parts)}" if parts else ""


def _what(group: list[LaneLeftOut]) -> str:
    words = list(dict.fromkeys(f"{left.service} {left.what}" for left in group))
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more
