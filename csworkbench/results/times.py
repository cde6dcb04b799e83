# SPDX-License-Identifier: Apache-2.0
"""Times and durations as exports write them."""

from datetime import datetime, timedelta

SECOND_NS = 1_000_000_000
EPOCH = datetime(1970, 1, 1)


def rfc3339(wall_ns: int) -> str:
    """UTC with microseconds, e.g. 2026-11-20T14:03:11.420000Z; whole ns are in the column beside it.

    Empty for what is no date between the years 1 and 9999.
    """
    whole, rest = divmod(wall_ns, SECOND_NS)
    try:
        return f"{(EPOCH + timedelta(seconds=whole)).isoformat()}.{rest // 1000:06d}Z"
    except OverflowError:
        return ""


def seconds(ns: int) -> float:
    """Seconds with 3 decimals."""
    return round(ns / SECOND_NS, 3)


def seconds_text(ns: int) -> str:
    """Seconds with exactly 3 decimals."""
    return f"{ns / SECOND_NS:.3f}"
