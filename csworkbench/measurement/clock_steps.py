# SPDX-License-Identifier: Apache-2.0
"""Wall clocks that were set during a run (S8). No figure depends on one; whoever compares logs has to know."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

LEAST_NS = 50_000_000  # between the two readings of a pair a busy machine may do something else
SLEW_PPM = 500  # a clock that is brought nearer bit by bit does not step


@dataclass(frozen=True, slots=True)
class ClockStep:
    """A clock's wall time moved by `step_ns` against its monotonic time, within (`after_ns`, `before_ns`] of that."""

    clock: str
    after_ns: int
    before_ns: int
    step_ns: int


def steps(clock: str, pairs: Iterable[tuple[int, int]]) -> list[ClockStep]:
    """The steps between successive (monotonic, realtime) pairs of one clock, ns."""
    return [
        ClockStep(clock, mono, later, moved)
        for (mono, real), (later, later_real) in pairwise(pairs)
        if stepped(moved := (later_real - real) - (later - mono), later - mono)
    ]


def stepped(moved_ns: int, elapsed_ns: int) -> bool:
    """True when wall time moved by more than slewing explains."""
    return abs(moved_ns) > LEAST_NS + abs(elapsed_ns) * SLEW_PPM // 1_000_000
