# SPDX-License-Identifier: Apache-2.0
"""The recorder's clock when another engine goes on with a run: the same one, unless this host was rebooted."""

from collections.abc import Callable
from pathlib import Path

from csworkbench.model.state import RunState

Clock = Callable[[], int]
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names this boot of this host; empty when it does not tell."""
    try:
        return BOOT_ID.read_text().strip()[:64]
    except OSError:
        return ""


def other_boot(state: RunState, boot: str) -> bool:
    """Whether the run's newest stamps are of another clock than this boot's."""
    before = state.resumed[-1][1].boot if state.resumed else state.opened.boot if state.opened else ""
    return not boot or boot != before


def shift_of(state: RunState, clock_ns: Clock, wall_ns: Clock, *, other: bool) -> int:
    """What to add to this boot's clock, ns, so that it goes on where the run's was. Never back.

    After a reboot wall time says how long it was. How well shows in the vantages' clocks, which went on: the echoes
    before and after bound it.
    """
    if not other:
        return state.resumed[-1][1].shift_ns if state.resumed else 0
    at_ns, then_ns = state.newest_pair or (0, 0)
    return at_ns + max(wall_ns() - then_ns, 1) - clock_ns()
