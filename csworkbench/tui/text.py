# SPDX-License-Identifier: Apache-2.0
"""Untrusted text (VM names, event descriptions, API texts) made safe for a terminal, and cut to cells.

Nothing here is markup: everything drawn goes through `Content` or `Segment`, which never parse it.
"""

import unicodedata
from functools import lru_cache

from rich.cells import cell_len, chop_cells

LIMIT = 400
_HIDDEN = {"Cf", "Cs", "Co", "Cn"}  # bidi overrides, zero-width characters, surrogates, private use, unassigned
_BREAKS = {"Cc", "Zl", "Zp"}
_MARKS = {"Mn", "Me"}


@lru_cache(maxsize=4096)
def clean(text: str, limit: int = LIMIT) -> str:
    """One line without control, bidi, invisible or stacked combining characters, at most `limit` characters."""
    kept: list[str] = []
    marks = 0
    for char in text[: limit * 4]:
        category = unicodedata.category(char)
        if category in _MARKS:
            marks += 1
            if marks > 1 or not kept:
                continue
        else:
            marks = 0
        if category in _BREAKS or char.isspace():
            if kept and kept[-1] != " ":
                kept.append(" ")
        elif category not in _HIDDEN:
            kept.append(char)
    line = "".join(kept).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def width(text: str) -> int:
    """How many terminal cells the text takes."""
    return cell_len(text)


def fit(text: str, cells: int, *, right: bool = False) -> str:
    """The text in exactly `cells` cells: cut with an ellipsis or padded."""
    if cells <= 0:
        return ""
    if cell_len(text) > cells:
        text = (chop_cells(text, cells - 1)[0] if cells > 1 else "") + "…"
        # A wide character may not have fitted into the last cell.
    padding = " " * (cells - cell_len(text))
    return padding + text if right else text + padding


def narrow(text: str) -> str:
    """The text with one cell per character, for painting onto a grid of columns."""
    return "".join(c if cell_len(c) == 1 else "?" for c in unicodedata.normalize("NFC", text))
