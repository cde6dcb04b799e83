# SPDX-License-Identifier: Apache-2.0
"""A comparison as lines: a table per service, arm by arm, the spread drawn where there is room, the warnings. Pure."""

from collections.abc import Sequence

from csworkbench.results.arms import Arm
from csworkbench.results.comparison import ArmFigures, Comparison
from csworkbench.results.comparison_tables import HEADS, cells, letters, notes

from .glyphs import Glyphs
from .guide import Line
from .text import clean, fit
from .times import SECOND, number

LEAST_DRAWN, MOST_DRAWN = 20, 60  # cells
SPARED = [HEADS.index(head) for head in ("median", "highest", "sd")]  # where there is no room for all


def lines(comparison: Comparison, glyphs: Glyphs, width: int) -> list[Line]:
    """All of it for so many cells."""
    names = letters(comparison)
    found: list[Line] = [_arm(comparison, arm, names[arm], first=arm == comparison.arms[0]) for arm in comparison.arms]
    told = [(note, _warns(note, names)) for note in notes(comparison, names) if note]
    found += [(), *(((clean(note, 400), "$warning"),) for note, warns in told if warns)]
    for service, figures in comparison.services.items():
        found.append(())
        if not any(f.spread.highest for f in figures):
            found.append(((f"{service} ", "b $accent"), (f"up in all runs of {_all(figures, names)}", "$success")))
            continue
        found.append(((f"{service} ", "b $accent"), ("seconds down", "$muted")))
        found += _table(figures, names, glyphs, width)
    return [*found, (), *(((clean(note, 400), "$muted"),) for note, warns in told if not warns)]


def _arm(comparison: Comparison, arm: Arm, letter: str, *, first: bool) -> Line:
    runs = {run for figures in comparison.services.values() for f in figures if f.arm == arm for run in f.runs}
    base = (("  base", "b $accent"),) if first else ()
    return ((f"{letter}  ", "b $primary"), (clean(comparison.labels[arm], 300), ""),
            (f"  {len(runs)} {'run' if len(runs) == 1 else 'runs'}", "$muted"), *base)  # fmt: skip


def _warns(note: str, names: dict[Arm, str]) -> bool:
    label = note.partition(": ")[0]
    return label in names.values() or label == "left out"


def _all(figures: Sequence[ArmFigures], names: dict[Arm, str]) -> str:
    return ", ".join(names[f.arm] for f in figures)


def _table(figures: Sequence[ArmFigures], names: dict[Arm, str], glyphs: Glyphs, width: int) -> list[Line]:
    rows = [HEADS, *((names[f.arm], *cells(f)) for f in figures)]
    widths = _widths(rows)
    if sum(widths) + 2 * len(widths) - 2 > width:
        rows = [tuple(cell for i, cell in enumerate(row) if i not in SPARED) for row in rows]
        widths = _widths(rows)
    left = width - sum(widths) - 2 * len(widths)
    room = min(left, MOST_DRAWN) if left >= LEAST_DRAWN else 0
    top = max((f.spread.highest for f in figures), default=0.0)
    found: list[Line] = []
    for i, row in enumerate(rows):
        texts = [fit(cell, cells_, right=True) for cell, cells_ in zip(row, widths, strict=True)]
        if i == 0:
            scale = f"  0{number(round(top * SECOND)) + ' s':>{room - 1}}" if room else ""
            found.append((("  ".join(texts) + scale, "$secondary"),))
            continue
        drawn = f"  {_drawn(figures[i - 1], top, room, glyphs)}" if room else ""
        better = figures[i - 1].reduction
        style = "" if better is None else "$success" if better.average > 0 else "$warning"
        found.append((
            (f"{texts[0]}  ", "b $primary"), ("  ".join(texts[1:-2]), ""), (f"  {texts[-2]}", style),
            (f"  {texts[-1]}", ""), (drawn, "$accent"),
        ))  # fmt: skip
    return found


def _widths(rows: Sequence[tuple[str, ...]]) -> list[int]:
    return [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]


def _drawn(figures: ArmFigures, top: float, room: int, glyphs: Glyphs) -> str:
    """From the lowest to the highest, with the mean in between, on a scale from 0."""
    low, mean, high = (
        round(v / top * (room - 1)) for v in (figures.spread.lowest, figures.spread.mean, figures.spread.highest)
    )
    line = [" "] * room
    line[low : high + 1] = [glyphs.line] * (high + 1 - low)
    line[low], line[high] = glyphs.start, glyphs.end
    line[mean] = glyphs.point
    return "".join(line)
