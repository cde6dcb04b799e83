# SPDX-License-Identifier: Apache-2.0
"""The list of outages, most important first; Enter jumps to its place in time."""

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from csworkbench.measurement.outage import Outage
from csworkbench.tui.glyphs import Cell, Glyphs
from csworkbench.tui.messages import OutageChosen
from csworkbench.tui.text import clean, fit
from csworkbench.tui.times import number, relative
from csworkbench.tui.view import RunView, subject_of

from .base import NAMED

DRAWN_EVERY = 4  # frames of a live run: the list is drawn as a whole, and open outages grow with each sample
SHOWN = 200  # beyond that a list does not help; the export has them all


class OutagesPanel(OptionList):
    """Open ones first, then by length; lanes that stand beside and blips last."""

    BORDER_TITLE = "outages"

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__(id="outages", markup=False)
        self.view = view
        self.glyphs = glyphs
        self._outages: list[Outage] = []
        self._prompts: list[Content] = []
        self._frames = 0

    def show(self) -> None:
        """Take the run's news; the highlight stays on its outage."""
        outages = self.view.outages[:SHOWN]
        cells = max(self.scrollable_content_region.width - 2, 16)
        lines = [self._line(outage, cells) for outage in outages]
        self._frames += 1
        count = str(len(self.view.outages)) if outages else "none so far"
        if count != self.border_subtitle:  # setting it draws the whole panel
            self.border_subtitle = count
        if lines == self._prompts or (self._prompts and self.view.moving and self._frames % DRAWN_EVERY):
            return
        index = self.highlighted
        chosen = self._key(self._outages[index]) if index is not None and index < len(self._outages) else None
        if len(lines) == len(self._prompts):
            for at, line in enumerate(lines):
                if line != self._prompts[at]:
                    self.replace_option_prompt_at_index(at, line)
        else:
            self.clear_options()
            self.add_options([Option(line) for line in lines])
        self._outages, self._prompts = outages, lines
        if chosen is not None:
            self.highlighted = next((i for i, o in enumerate(outages) if self._key(o) == chosen), None)

    def _key(self, outage: Outage) -> tuple[int, int]:
        return outage.lane, outage.onset[1]

    def _line(self, outage: Outage, cells: int) -> Content:
        lane = self.view.state.lanes[outage.lane].lane
        style = (
            "$error"
            if outage.open
            else "$warning"
            if outage.ambiguous
            else "$faint"
            if outage.blip or not lane.headline
            else ""
        )
        figure = fit(f"{number(outage.down_ns)} s", 8, right=True)
        at = fit(relative(outage.start_ns - self.view.anchor_ns, 1), 9, right=True)
        name = f"{subject_of(lane, 40)} {lane.service.value}"
        if not lane.headline:
            name = f"{subject_of(lane, 40)} {clean(lane.label, 30)}"
        mark = self.glyphs.cells[Cell.AMBIGUOUS] if outage.ambiguous else ""
        text = fit(f"{mark} {name}" if mark else name, max(cells - 17, 4)) + figure
        return Content.assemble((self.glyphs.plain(text), NAMED.get(style, style)), (self.glyphs.plain(at), "$muted"))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Tell the screen which outage was picked."""
        event.stop()
        if event.option_index < len(self._outages):
            self.post_message(OutageChosen(self._outages[event.option_index]))
