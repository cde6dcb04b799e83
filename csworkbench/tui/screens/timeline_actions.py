# SPDX-License-Identifier: Apache-2.0
"""What keys do to the timeline and to a replay; the names are those of the registry."""

from textual.screen import Screen

from csworkbench.tui import actions
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.messages import CopyAsked, NoteWritten, ReplayMoved
from csworkbench.tui.text import clean
from csworkbench.tui.timeline.widget import Timeline
from csworkbench.tui.view import RunView
from csworkbench.tui.widgets.outages import OutagesPanel
from csworkbench.tui.widgets.time import TimelinePanel

from .ask import AskScreen


class TimelineActions(Screen[None]):
    """A screen with a timeline; asks the app (by messages) for what leaves the screen."""

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__()
        self.view = view
        self.glyphs = glyphs

    def show(self) -> None:
        """Take the run's news."""
        raise NotImplementedError

    @property
    def timeline(self) -> Timeline:
        """The timeline, which every layout has."""
        return self.query_one(TimelinePanel).timeline

    def refuse(self, action_id: str) -> bool:
        """True, with a word to the person, when the action is not available now."""
        action = actions.BY_ID[action_id]
        why = action.refusal(self.view)
        if why:
            self.notify(self.glyphs.plain(f"{action.title}: {why}"), severity="warning", timeout=4, markup=False)
        return bool(why)

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

    def action_cycle_time(self) -> None:
        """Relative times, UTC, local times."""
        self.timeline.cycle_time()

    def action_mark(self) -> None:
        """Measure from the cursor."""
        if not self.refuse("time.mark") and not self.timeline.set_mark():
            self.notify("Put the cursor on a time first: Left and Right, or the mouse", timeout=4, markup=False)

    def action_note(self) -> None:
        """Ask for a note about the cursor's time, or the present."""
        if self.refuse("time.note"):
            return
        at_ns = self.view.now_ns if self.timeline.cursor_ns is None else self.timeline.cursor_ns

        def written(text: str | None) -> None:
            if text and text.strip() and not self.refuse("time.note"):
                self.post_message(NoteWritten(text.strip(), at_ns))

        about = f"{self.view.clock(at_ns)} {self.view.zone}"
        self.app.push_screen(AskScreen(f"note at {about}", "Enter keeps it in the run", self.glyphs), written)

    def action_copy(self) -> None:
        """Copy what stands under the cursor."""
        if not self.refuse("detail.copy") and self.timeline.detail:
            self.post_message(CopyAsked(self.timeline.detail))

    def action_jump(self, digit: int) -> None:
        """To the service with that digit."""
        if not self.refuse("rows.jump") and not self.timeline.jump(digit):
            self.notify(f"No row has the digit {digit}", timeout=3, markup=False)

    def action_find(self) -> None:
        """Ask for a text that lanes must have."""
        if self.refuse("rows.find"):
            return

        def asked(text: str | None) -> None:
            if text is not None and not self.timeline.search(text) and text:
                self.notify(self.glyphs.plain(f"No lane has {clean(text, 60)!r}"), timeout=4, markup=False)
            self.timeline.focus()

        hint = "Enter shows them; an empty text shows all lanes"
        self.app.push_screen(AskScreen("show only lanes with", hint, self.glyphs, self.timeline.rows.wanted), asked)

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
        if not self.refuse("rows.fold") and not self.timeline.fold():
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
