# SPDX-License-Identifier: Apache-2.0
"""The vantages: how well their clocks are known, and which of them saw less than they should."""

from collections.abc import Iterable

from csworkbench.measurement.blind import notable
from csworkbench.measurement.totals import length, merge
from csworkbench.model.event import ChannelState
from csworkbench.model.state import VantageState
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.text import clean, fit
from csworkbench.tui.times import clock_text, number
from csworkbench.tui.view import RunView

from .base import LinesPanel

TROUBLED = 4  # lines for vantages that have something to say


class VantagesPanel(LinesPanel):
    """One line for all, with the worst clock bound; then those that were blind, away, or whose clock was set."""

    BORDER_TITLE = "vantages"

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__(view, glyphs, panel_id="vantages")

    def lines(self) -> Iterable[Line]:
        """Count and clocks, then the troubled ones, those with most trouble first."""
        view, cells = self.view, max(self.content_size.width, 20)
        vantages = view.state.vantages
        if not vantages:
            return [(("none yet", "$faint"),)]
        bounds = {name: view.analysis.bound_ns(name) for name in vantages}
        worst = max(bounds, key=lambda name: bounds[name])
        placed = f"clock {clock_text(bounds[worst])} ({clean(worst, 40)})" if bounds[worst] else "no clock yet"
        lines: list[Line] = [((fit(f"{len(vantages)} · {placed}", cells), "$muted"),)]
        blind = _blind_ns(view)
        steps = {step.clock: step.step_ns for step in view.analysis.clock_steps()}
        troubled = [
            (blind.get(name, 0), clean(name, 40), words)
            for name, vantage in vantages.items()
            if (words := _words(vantage, blind.get(name, 0), steps.get(name, 0)))
        ]
        for _, name, words in sorted(troubled, key=lambda t: (-t[0], t[1]))[:TROUBLED]:
            lines.append(((fit(f"{name} {words}", cells), "$warning"),))
        if len(troubled) > TROUBLED:
            lines.append(((f"and {len(troubled) - TROUBLED} more", "$muted"),))
        return lines


def _words(vantage: VantageState, blind_ns: int, step_ns: int) -> str:
    parts = [f"blind {number(blind_ns)} s"] if blind_ns else []
    if vantage.channel is ChannelState.LOST:
        parts.append("no channel, records wait")
    if vantage.collected is not None and vantage.collected.missing:
        parts.append(f"{vantage.collected.missing} records missing")
    if step_ns:
        parts.append(f"wall clock set by {number(step_ns)} s")
    return " · ".join(parts)


def _blind_ns(view: RunView) -> dict[str, int]:
    """For how long each vantage saw nothing, where that can hide an outage."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for report in view.reports.values():
        spans.setdefault(report.lane.vantage, []).extend(b.span for b in notable(report.lane, report.blind))
    return {name: length(merge(found)) for name, found in spans.items()}
