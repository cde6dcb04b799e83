# SPDX-License-Identifier: Apache-2.0
"""The session screen: one run, composed from a layout."""

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widget import Widget

from csworkbench.model.event import Phase
from csworkbench.tui import actions
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.layout import Box, Layout
from csworkbench.tui.messages import CursorMoved, ExportAsked, OutageChosen, ReplayMoved, StartConfirmed
from csworkbench.tui.timeline.widget import Timeline
from csworkbench.tui.view import RunView
from csworkbench.tui.widgets import PANELS, Panel
from csworkbench.tui.widgets.chrome import DetailPanel
from csworkbench.tui.widgets.outages import OutagesPanel
from csworkbench.tui.widgets.time import TimelinePanel

from .confirm import ConfirmScreen

SIDE = ("services", "outages", "network", "vantages")  # in the order in which a narrow terminal shows them


class SessionScreen(Screen[None]):
    """Shows a RunView; asks the app (by messages) for what leaves the screen."""

    BINDINGS: ClassVar[list[BindingType]] = list(actions.bindings())
    AUTO_FOCUS = "#timeline-rows"

    def __init__(self, view: RunView, layout: Layout, glyphs: Glyphs) -> None:
        super().__init__()
        self.view = view
        self.glyphs = glyphs
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

    @property
    def timeline(self) -> Timeline:
        """The timeline, which every layout has."""
        return self.query_one(TimelinePanel).timeline

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

    def refuse(self, action_id: str) -> bool:
        """True, with a word to the person, when the action is not available now."""
        action = actions.BY_ID[action_id]
        why = action.refusal(self.view)
        if why:
            self.notify(self.glyphs.plain(f"{action.title}: {why}"), severity="warning", timeout=4, markup=False)
        return bool(why)

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

    def action_replay_pause(self) -> None:
        """Pause the replay, or go on."""
        if self.view.playback is not None:
            self.view.playback.toggle()
            self.show()

    def action_replay_speed(self, steps: int) -> None:
        """Faster or slower."""
        if self.view.playback is not None:
            self.view.playback.change_speed(steps)
            self.show()

    def action_replay_skip(self, seconds: int) -> None:
        """Go on some seconds before or after the present."""
        if not self.refuse("replay.on"):
            self.post_message(ReplayMoved(max(self.view.now_ns + seconds * 1_000_000_000, self.view.state.started_ns)))

    def action_replay_cursor(self) -> None:
        """Go on at the cursor."""
        if not self.refuse("replay.cursor") and self.timeline.cursor_ns is not None:
            self.post_message(ReplayMoved(self.timeline.cursor_ns))
            self.timeline.follow()

    def action_follow(self) -> None:
        """Follow the present."""
        if not self.refuse("time.follow"):
            self.timeline.follow()

    def action_zoom(self, levels: int) -> None:
        """Zoom in or out."""
        self.timeline.zoom(levels)

    def action_fit(self) -> None:
        """Show the whole run."""
        self.timeline.fit()

    def action_move(self, columns: int) -> None:
        """Move the cursor in time."""
        self.timeline.move(columns)

    def action_pan(self, direction: int) -> None:
        """Half a page."""
        self.timeline.pan(direction)

    def action_go_to_change(self) -> None:
        """To the change, or the start of measuring before there is one."""
        self.timeline.go_to(self.view.anchor_ns)

    def action_toggle_utc(self) -> None:
        """Switch the axis."""
        self.timeline.toggle_utc()

    def action_select(self, direction: int) -> None:
        """Move the cursor between rows, or in the list when that has the focus."""
        if isinstance(self.focused, OutagesPanel):
            (self.focused.action_cursor_down if direction > 0 else self.focused.action_cursor_up)()
        else:
            self.timeline.select(direction)

    def action_timeline(self) -> None:
        """Focus the timeline."""
        self.timeline.focus()

    def action_fold(self) -> None:
        """Fold or unfold the service under the cursor."""
        if not self.refuse("rows.fold") and self.timeline.fold() is None:
            self.notify("There is nothing to unfold in this row", timeout=3, markup=False)

    def action_outage(self, direction: int) -> None:
        """To the next or previous outage in time."""
        if self.refuse("outage.next"):
            return
        here = self.timeline.cursor_ns
        ordered = sorted(self.view.outages, key=lambda o: (o.start_ns, o.lane))
        row = self.timeline.row
        lane = row.lane if row is not None else -1
        if here is None:
            self.timeline.go_to_outage(ordered[0] if direction > 0 else ordered[-1])
            return
        key = (here, lane)
        after = [o for o in ordered if (o.start_ns, o.lane) > key]
        before = [o for o in ordered if (o.start_ns, o.lane) < key]
        chosen = (after[:1] if direction > 0 else before[-1:]) or ([ordered[0]] if direction < 0 else [ordered[-1]])
        self.timeline.go_to_outage(chosen[0])

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
