# SPDX-License-Identifier: Apache-2.0
"""Durations and times as people read them. Input is always integer ns."""

from datetime import UTC, datetime, tzinfo
from enum import Enum

SECOND = 1_000_000_000


def seconds(ns: int) -> str:
    """A duration: `1.42 s`, `123.4 s`, `1234 s`."""
    return f"{number(ns)} s"


def number(ns: int) -> str:
    """A duration in seconds without its unit, with as many decimals as are worth reading."""
    value = ns / SECOND
    if abs(value) < 100:
        return f"{value:.2f}"
    return f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"


def bounds(low_ns: int, high_ns: int) -> str:
    """Bounds of a duration in seconds: `[1.32, 1.52]`."""
    return f"[{number(low_ns)}, {number(high_ns)}]"


def clock_text(bound_ns: int) -> str:
    """How far a clock can be off: `±0.35 ms`."""
    return f"±{bound_ns / 1e6:.2f} ms" if bound_ns < SECOND else f"±{number(bound_ns)} s"


def span(ns: int) -> str:
    """A running clock: `0:14`, `12:03`, `1:02:03`."""
    whole = abs(ns) // SECOND
    hours, rest = divmod(whole, 3600)
    text = f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
    return f"-{text}" if ns < 0 and whole else text


def relative(ns: int, digits: int = 0) -> str:
    """A time relative to the change: `+14 s`, `-2.5 s`, `+2:05`."""
    sign = "-" if ns < 0 else "+"
    value = abs(ns) / SECOND
    if value >= 120:
        return f"{sign}{span(abs(ns))}"
    return f"{sign}{value:.{digits}f} s"


class TimeBase(Enum):
    """What the time axis counts: seconds from the change, or a time of day."""

    RELATIVE = "relative"
    UTC = "UTC"
    LOCAL = "local"

    @property
    def next(self) -> "TimeBase":
        """The one after it, around."""
        every = list(TimeBase)
        return every[(every.index(self) + 1) % len(every)]

    @property
    def zone(self) -> tzinfo | None:
        """The zone of its times of day; None is the machine's own. Relative times have their days in UTC."""
        return None if self is TimeBase.LOCAL else UTC


def zone_name(base: TimeBase, wall_ns: int) -> str:
    """`UTC`, or the machine's zone at that time: `CEST`, `+05:30`."""
    if base is not TimeBase.LOCAL:
        return "UTC"
    try:
        return datetime.fromtimestamp(wall_ns // SECOND).astimezone().tzname() or "local"
    except (OverflowError, OSError, ValueError):
        return "local"


def day_time(wall_ns: int, digits: int, zone: tzinfo | None) -> str:
    """Wall time of day in a zone (None: the machine's own): `14:03:11.42`; `?` outside of datetime's range."""
    try:
        stamp = datetime.fromtimestamp(wall_ns // SECOND, zone)
    except (OverflowError, OSError, ValueError):
        return "?"
    text = stamp.strftime("%H:%M:%S")
    return text if not digits else f"{text}.{wall_ns % SECOND // 10 ** (9 - digits):0{digits}d}"
