# SPDX-License-Identifier: GPL-2.0-only
"""Lanes that are due one shortly after the other are brought together: a wake-up costs as much as ten probes."""

from __future__ import annotations

TICK_NS = 10_000_000  # between two wake-ups for lanes of one interval, when there are more lanes than such steps
MANY_TICK_NS = 20_000_000  # or so long when they are MANY_A_SECOND and more
MANY_A_SECOND = 5000


def together(lanes):
    """The lanes, in their order; those of an interval that has more places than steps of a tick, on those steps."""
    offsets = {}
    for lane in lanes:
        offsets.setdefault(lane.interval_ns, []).append(lane.offset_ns % lane.interval_ns)
    grids = {interval_ns: _grid_ns(interval_ns, places) for interval_ns, places in offsets.items()}
    return [
        lane._replace(offset_ns=lane.offset_ns - lane.offset_ns % lane.interval_ns % grids[lane.interval_ns])
        for lane in lanes
    ]


def _grid_ns(interval_ns, places):
    """1 where they may stay."""
    many = len(places) * 10**9 >= MANY_A_SECOND * interval_ns
    steps = max(1, interval_ns // (MANY_TICK_NS if many else TICK_NS))
    return 1 if len(set(places)) <= steps else interval_ns // steps
