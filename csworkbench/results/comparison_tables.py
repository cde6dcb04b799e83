# SPDX-License-Identifier: Apache-2.0
"""A comparison as text, Markdown, CSV and JSON. Names came from scenarios and the API: they are made harmless."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import asdict
from string import ascii_uppercase
from typing import Any

from csworkbench.model.lane import Service

from .arms import Arm
from .comparison import ArmFigures, Comparison, Reduction
from .tables import harmless, printable

COMPARISON = (
    "service", "environment", "operation", "conditions", "n", "mean_s", "median_s", "lowest_s", "highest_s", "sd_s",
    "mean_low_s", "mean_high_s", "bound_s", "reduction", "reduction_low", "reduction_high", "reduction_highest", "p",
    "p_reachable", "test", "runs", "strategy",
)  # fmt: skip
HEADS = ("arm", "n", "average (lowest)", "median", "highest", "sd", "95 % of mean", "reduction", "p")


def text(comparison: Comparison) -> str:
    """For a terminal of 80 columns; arms go by letters."""
    names = letters(comparison)
    lines = [f"{names[arm]}  {printable(comparison.labels[arm])}" for arm in comparison.arms]
    for service, figures in comparison.services.items():
        rows = [(names[f.arm], *cells(f)) for f in figures]
        lines += ["", f"{service} (s)", *_aligned([HEADS, *rows])]
    return "\n".join([*lines, *notes(comparison, names)])


def markdown(comparison: Comparison) -> str:
    """Tables for a report or a wiki: one per service, the base first."""
    lines = ["# Downtime by arm", ""]
    for service, figures in comparison.services.items():
        lines += [f"## {service}", "", f"| {' | '.join(('environment and operation', *HEADS[1:]))} |"]
        lines.append("|---" * len(HEADS) + "|")
        lines += [f"| {' | '.join((cell_text(comparison.labels[f.arm]), *cells(f)))} |" for f in figures]
        lines.append("")
    return (
        "\n".join([*lines, *(f"- {cell_text(note)}" for note in notes(comparison, comparison.labels) if note)]) + "\n"
    )


def rows_of(comparison: Comparison) -> list[list[Any]]:
    """The rows of comparison.csv, without the head."""
    return [_row(service, f) for service, figures in comparison.services.items() for f in figures]


def as_csv(comparison: Comparison) -> str:
    """comparison.csv."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COMPARISON)
    writer.writerows([harmless(c) if isinstance(c, str) else c for c in row] for row in rows_of(comparison))
    return out.getvalue()


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The same figures for programs."""
    return {
        "arms": [
            {"environment": arm.environment, "operation": arm.operation, "conditions": dict(arm.conditions),
             "strategy": arm.strategy, "label": comparison.labels[arm]}
            for arm in comparison.arms
        ],
        "services": {
            str(service): [
                {"arm": comparison.arms.index(f.arm), "runs": list(f.runs), "down_s": list(f.values),
                 "bound_s": f.bound_s, **asdict(f.spread), "reduction": asdict(f.reduction) if f.reduction else None}
                for f in figures
            ]
            for service, figures in comparison.services.items()
        },
        "left_out": [{"run": run, "why": why} for run, why in comparison.left_out],
        "warnings": [{"arm": comparison.arms.index(arm), "warning": words} for arm, words in comparison.warnings],
    }  # fmt: skip


def letters(comparison: Comparison) -> dict[Arm, str]:
    """A short name for each arm: A, B … Z, AA …"""
    names = [*ascii_uppercase, *(a + b for a in ascii_uppercase for b in ascii_uppercase)]
    return dict(zip(comparison.arms, names, strict=False))


def cells(figures: ArmFigures) -> tuple[str, ...]:
    """One arm's figures as in HEADS, without the arm."""
    s = figures.spread
    interval = "–" if s.interval is None else f"[{s.interval[0]:.2f}, {s.interval[1]:.2f}]"
    sd = "–" if s.sd is None else f"{s.sd:.2f}"
    return (
        str(s.n), f"{s.mean:.2f} ({s.lowest:.2f})", f"{s.median:.2f}", f"{s.highest:.2f}", sd, interval,
        _reduced(figures.reduction), _p(figures.reduction),
    )  # fmt: skip


def _reduced(reduction: Reduction | None) -> str:
    if reduction is None:
        return "–"
    told = f"{reduction.average:z.0%} ({reduction.highest:z.0%})"
    if reduction.interval is None:
        return told
    return f"{told} [{reduction.interval[0]:z.0%}, {reduction.interval[1]:z.0%}]"


def _p(reduction: Reduction | None) -> str:
    return "–" if reduction is None or reduction.p is None else f"{reduction.p:.3f}"


def _row(service: Service, f: ArmFigures) -> list[Any]:
    s, r = f.spread, f.reduction
    low, high = s.interval or (None, None)
    conditions = "; ".join(f"{name}={value}" for name, value in f.arm.conditions)
    reduced: tuple[float | None, ...] = (None,) * 6
    if r is not None:
        reduced = (r.average, *(r.interval or (None, None)), r.highest, r.p, r.reachable)
    return [
        str(service), f.arm.environment, f.arm.operation, conditions, s.n,
        *map(_number, (s.mean, s.median, s.lowest, s.highest, s.sd, low, high, f.bound_s, *reduced)),
        r.test if r else "", " ".join(f.runs), f.arm.strategy,
    ]  # fmt: skip


def _number(value: float | None) -> float | str:
    return "" if value is None else round(value, 4)


def notes(comparison: Comparison, names: dict[Arm, str]) -> list[str]:
    """What must be said beside the figures; arms go by these names."""
    bounds = [f.bound_s for figures in comparison.services.values() for f in figures]
    notes = ["", f"A run's own figure is good to ± {max(bounds, default=0.0):.2f} s (half its widest bounds)."]
    notes += [f"{printable(names[arm])}: {printable(warning)}" for arm, warning in comparison.warnings]
    notes += [f"left out: {printable(run)}: {printable(why)}" for run, why in comparison.left_out]
    tests = {f.reduction.test for figs in comparison.services.values() for f in figs if f.reduction and f.reduction.p}
    return [*notes, *(f"p: {test}" for test in sorted(tests))]


def _aligned(rows: list[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))


def cell_text(words: str) -> str:
    """Markdown table text: no pipes, no line breaks, no HTML, no links, no code."""
    tame = printable(words).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([|`\[])", r"\\\1", tame)
