# SPDX-License-Identifier: Apache-2.0
"""The session screen: one run, composed from a layout."""

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from csworkbench.model.event import Phase
from csworkbench.tui import actions
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.layout import Box, Layout
from csworkbench.tui.messages import CursorMoved, ExportAsked, OutageChosen, StartConfirmed
from csworkbench.tui.view import RunView
from csworkbench.tui.widgets import PANELS, Panel
from csworkbench.tui.widgets.chrome import DetailPanel
from csworkbench.tui.widgets.outages import OutagesPanel

from .confirm import ConfirmScreen
from .timeline_actions import TimelineActions

SIDE = ("services", "outages", "network", "vantages")  # in the order in which a narrow terminal shows them


class SessionScreen(TimelineActions):
    """Shows a RunView; asks the app (by messages) for what leaves the screen."""

    BINDINGS: ClassVar[list[BindingType]] = list(actions.bindings())
    AUTO_FOCUS = "#timeline-rows"

    def __init__(self, view: RunView, layout: Layout, glyphs: Glyphs) -> None:
        super().__init__(view, glyphs)
        self._layout_plan = layout
        self._panels: list[Widget] = []
        self._available: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """The boxes of the layout."""
        for box in self._layout_plan.root.children:
            yield from self._box(box)

    def _box(self, box: Box) -> Iterator[Widget]:
        if box.panel:
            panel = PANELS[box.panel](self.view, self.glyphs)
            self._panels.append(panel)
            yield panel
            return
        container = Horizontal if box.across else Vertical
        yield container(*(w for child in box.children for w in self._box(child)), id=box.id)

    def on_mount(self) -> None:
        """Show what is known already; the first side panel is the one that a narrow terminal shows."""
        self.add_class(f"-side-{SIDE[0]}")
        self.show()

    async def use_layout(self, layout: Layout) -> None:
        """The same run in other boxes; cursor, window, folds and mark stay."""
        before = self.timeline
        self._layout_plan, self._panels = layout, []
        async with self.batch():
            await self.recompose()
        self.timeline.adopt(before)
        self.timeline.focus()
        self.refresh_bindings()

    def show(self) -> None:
        """Take the run's news in all panels."""
        if not all(panel.is_attached for panel in self._panels):
            return  # a frame that falls into the end of the app
        for panel in self._panels:
            if isinstance(panel, Panel):
                panel.show()
        self._show_detail()
        available = tuple(a.id for a in actions.ACTIONS if not a.refusal(self.view))
        if available != self._available:
            self._available = available
            self.refresh_bindings()

    def _show_detail(self) -> None:
        for panel in self.query(DetailPanel):
            panel.text = self.timeline.detail if self.timeline.display else ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hides the start where it can never come (recorded and finished runs, viewers) and keys without effect."""
        if action == "start_operation":
            view = self.view
            past = view.state.phase in (Phase.CHANGE, Phase.SETTLE, Phase.COLLECT, Phase.DONE, Phase.MEASURE)
            return not (not view.live or view.read_only or past or view.over or view.closed)
        if action == "next_panel":
            return self.has_class("-narrow")  # elsewhere all of them are shown
        if action.startswith("replay_"):
            return self.view.playback is not None
        return super().check_action(action, parameters)

    def on_resize(self) -> None:
        """Another width has other keys."""
        self.refresh_bindings()

    # Messages

    def on_cursor_moved(self, message: CursorMoved) -> None:
        """The detail line follows the cursor."""
        message.stop()
        self._show_detail()

    def on_outage_chosen(self, message: OutageChosen) -> None:
        """Jump to it."""
        message.stop()
        self.timeline.go_to_outage(message.outage)
        self.timeline.focus()

    # Actions; their names are in the registry

    def action_start_operation(self) -> None:
        """Ask, and start when confirmed."""
        planned = self.view.state.planned
        if self.refuse("operation.start") or planned is None:
            return
        left_out = [left.name for left in self.view.state.left_out]

        def answered(yes: bool | None) -> None:
            if yes and not self.refuse("operation.start"):
                self.post_message(StartConfirmed())

        self.app.push_screen(ConfirmScreen(planned, left_out, self.glyphs), answered)

    def action_export(self) -> None:
        """Ask the app to export."""
        if not self.refuse("run.export"):
            self.post_message(ExportAsked())

    def action_outage_list(self) -> None:
        """Focus the list of outages; on a narrow terminal it comes to the front."""
        self._side("outages")
        for panel in self.query(OutagesPanel):
            panel.focus()
            if panel.highlighted is None and panel.option_count:
                panel.highlighted = 0

    def action_next_panel(self) -> None:
        """The next side panel to the front."""
        now = next((i for i, name in enumerate(SIDE) if self.has_class(f"-side-{name}")), 0)
        self._side(SIDE[(now + 1) % len(SIDE)])

    def _side(self, name: str) -> None:
        for other in SIDE:
            self.set_class(other == name, f"-side-{other}")
        self.call_after_refresh(self.show)
