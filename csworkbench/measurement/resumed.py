# SPDX-License-Identifier: Apache-2.0
"""A run that lost its engine and was gone on with: when nobody asked the API, and how far a reboot moved the clock."""

from collections.abc import Mapping

from csworkbench.model.event import RunResumed
from csworkbench.model.state import RunState

from .clock import DRIFT_PPM, Alignment, Bounds


def host_clock_off(state: RunState, clocks: Mapping[str, Alignment], at_ns: int, resumed: RunResumed) -> Bounds | None:
    """By how much, in ns, the recorder's stamps after its host's reboot are later than its old clock would have said.

    Each vantage whose own clock went on bounds it, by its echoes before and after. None when there is none.
    """
    low, high = None, None
    for name, vantage in state.vantages.items():
        before = [echo for echo in vantage.echoes if echo.received_ns <= resumed.gone_ns]
        after = [echo for echo in vantage.echoes if echo.sent_ns >= at_ns]
        since = [started for started in vantage.sessions if started.epoch and started.remote_start_ns]
        if not before or not after or any(started.epoch > before[-1].epoch for started in since):
            continue  # the vantage's own clock may have begun anew in between
        old, new = clocks[name].offset(before[-1].remote_ns), clocks[name].offset(after[0].remote_ns)
        drift = (after[0].remote_ns - before[-1].remote_ns) * DRIFT_PPM // 1_000_000 + 1
        own = new[0] - old[1] - drift, new[1] - old[0] + drift
        low = own[0] if low is None else max(low, own[0])
        high = own[1] if high is None else min(high, own[1])
    return None if low is None or high is None else (min(low, high), max(low, high))


def resumed_lines(state: RunState, clocks: Mapping[str, Alignment]) -> list[str]:
    """One line for each time that no engine was there, for people."""
    lines = []
    for at_ns, resumed in state.resumed:
        away_s = (at_ns - resumed.gone_ns) / 1e9
        text = (
            f"no engine was there for {away_s:.1f} s (phase {resumed.phase}): probers went on, and nobody asked the API"
        )
        if resumed.other_boot:
            off = host_clock_off(state, clocks, at_ns, resumed)
            told = (
                "no vantage's clock bounds by how much that is off"
                if off is None
                else f"the vantages' clocks say that is off by {off[0] / 1e9:+.3f} to {off[1] / 1e9:+.3f} s"
            )
            text += f"; this host was rebooted, and wall time sets its clock before and after side by side: {told}"
        lines.append(text)
    return lines
