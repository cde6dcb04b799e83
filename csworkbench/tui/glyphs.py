# SPDX-License-Identifier: Apache-2.0
"""Three sets of glyphs: blocks, light (what the oldest fonts have) and ASCII.

Every state has a glyph of its own, so that colour is never needed.
"""

import locale
import os
from dataclasses import dataclass, fields
from enum import IntEnum


class Cell(IntEnum):
    """What one column of a lane shows."""

    NONE = 0  # no data yet
    UP = 1
    DOWN = 2
    EDGE = 3  # the outage begins or ends somewhere in here
    DEGRADED = 4  # up and down, more than once
    UNKNOWN = 5
    BLIND = 6  # no sample where there should be one
    AMBIGUOUS = 7  # down, and a control lane as well


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One glyph, one cell wide, for each thing that is drawn."""

    cells: str  # indexed by Cell
    line: str
    unsure: str
    start: str
    end: str
    running: str
    mark: str
    tick: str
    bar: str
    folded: str
    unfolded: str
    second: str
    now: str
    note: str
    point: str

    def plain(self, text: str) -> str:
        """Text as this set may show it: unchanged, or in ASCII."""
        return text


class _AsciiGlyphs(Glyphs):
    __slots__ = ()

    def plain(self, text: str) -> str:
        """Typographic characters become their nearest ASCII, others a question mark."""
        if text.isascii():
            return text
        return text.translate(_TO_ASCII).encode("ascii", "replace").decode()


_TO_ASCII = str.maketrans(
    {
        "·": "-", "…": "~", "–": "-", "—": "-", "●": "*", "○": "o", "→": ">", "✓": "+", "✗": "x", "▸": ">", "▾": "v",
        "━": "-", "─": "-", "│": "|", "█": "#", "▒": ":", "▚": "%", "╌": ".", "▲": "^", "×": "x", "↑": "^", "╺": "-",
        "┃": "|", "▌": "|", "▏": "|", "╳": "X", "±": "~", "▴": "^",
    }
)  # fmt: skip

BLOCK = Glyphs(
    cells=" ━█▒▚?╌╳",
    line="━",
    unsure="╌",
    start="┝",
    end="┥",
    running="▶",
    mark="▾",
    tick="┴",
    bar="│",
    folded="▸",
    unfolded="▾",
    second="‡",
    now="▼",
    note="◆",
    point="◇",
)
# Code page 437, which the Linux console and old terminal programs' fonts have.
LIGHT = Glyphs(
    cells=" ─█░▄?·x",
    line="─",
    unsure="·",
    start="├",
    end="┤",
    running="►",
    mark="↓",
    tick="┴",
    bar="│",
    folded="►",
    unfolded="▼",
    second="2",
    now="▼",
    note="♦",
    point="○",
)
ASCII = _AsciiGlyphs(
    cells=" -#:%?.X",
    line="-",
    unsure=".",
    start="[",
    end="]",
    running=">",
    mark="v",
    tick="+",
    bar="|",
    folded=">",
    unfolded="v",
    second="2",
    now="V",
    note="*",
    point="M",
)


SETS = {"blocks": BLOCK, "light": LIGHT, "ascii": ASCII}


def choose(name: str = "") -> Glyphs:
    """The set of that name; else ASCII by CSWORKBENCH_ASCII or where the locale is not UTF-8, light on a console."""
    if name:
        return SETS[name]
    wish = os.environ.get("CSWORKBENCH_ASCII", "")
    if wish not in ("", "0") or "UTF" not in locale.getencoding().upper():
        return ASCII
    return LIGHT if os.environ.get("TERM") == "linux" else BLOCK


def names() -> tuple[str, ...]:
    """The names of all glyphs, for the test that compares the sets."""
    return tuple(f.name for f in fields(Glyphs))
