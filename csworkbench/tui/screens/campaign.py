# SPDX-License-Identifier: Apache-2.0
"""A campaign as it goes on: its waves, each target, what exceeds the budget, and what a person says to it."""

import asyncio
from datetime import UTC, datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Static

from csworkbench.tui import campaign
from csworkbench.tui.actions import Action
from csworkbench.tui.campaign import CampaignLink, CampaignLost, CampaignView, TargetRow
from csworkbench.tui.campaign_actions import CAMPAIGN_ACTIONS
from csworkbench.tui.glyphs import Cell, Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.listing import Listing
from csworkbench.tui.text import clean
from csworkbench.tui.visit import RunWanted
from csworkbench.tui.widgets.base import content
from csworkbench.upgrade.campaign import CampaignState, apply
from csworkbench.upgrade.campaign.state import UNDECIDED

from .browsing import BrowsingScreen
from .cloud_detail import LinesScreen
from .help import HelpScreen, action_lines
from .question import QuestionScreen

LOOK_S = 0.5  # between two looks at the journal


class CampaignNews(Message):
    """The campaign as it is now; the newest one is enough."""

    def __init__(self, view: CampaignView) -> None:
        super().__init__()
        self.view = view

    def can_replace(self, message: Message) -> bool:
        """Only the last one counts."""
        return isinstance(message, CampaignNews)


class CampaignFailed(Message):
    """It cannot be read, and why."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class CampaignScreen(BrowsingScreen[TargetRow]):
    """Follows a journal in a thread, which speaks to it by messages only; commands go out by the link."""

    BINDINGS: ClassVar[list[BindingType]] = [binding for action in CAMPAIGN_ACTIONS for binding in action.bindings()]
    CSS = (
        BrowsingScreen.CSS
        + """
    #campaign-banner, #campaign-waves { height: auto; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    #campaign-banner { background: $surface; }
    .-low #campaign-waves, .-tiny #campaign-waves { max-height: 3; }
    .-tiny #campaign-banner { max-height: 2; }
    """
    )

    def __init__(self, link: CampaignLink, glyphs: Glyphs, rows: Listing[TargetRow] | None = None) -> None:
        super().__init__(rows or campaign.listing(), glyphs)
        self.link = link
        self.now: CampaignView | None = None
        self._state = CampaignState()
        self._looking = False

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the palette offers here."""
        return CAMPAIGN_ACTIONS

    def above(self) -> ComposeResult:
        """What a person has to see, and the waves."""
        yield Static("", id="campaign-banner", markup=False)
        yield Static("", id="campaign-waves", markup=False)

    def on_mount(self) -> None:
        """Read at once, and go on reading."""
        super().on_mount()
        self.status = "reading the journal"
        self.show()
        self._look()
        self.set_interval(LOOK_S, self._look)

    def _look(self) -> None:
        if not self._looking:
            self._looking = True
            self.run_worker(self._read, name="journal", group="journal", thread=True)

    def _read(self) -> None:
        """In a thread; nobody else has the state."""
        try:
            for entry in self.link.news():
                apply(self._state, entry)
            live = self.link.live()
        except CampaignLost as error:
            self.post_message(CampaignFailed(str(error)))
            return
        self.post_message(CampaignNews(campaign.view_of(self.link.plan, self._state, live, datetime.now(UTC))))

    def on_campaign_news(self, message: CampaignNews) -> None:
        """New rows; the cursor stays with its target."""
        self._looking, self.status = False, ""
        before, self.now = self.now, message.view
        if before is None or before.rows != message.view.rows:
            self.rows.take(message.view.rows)
            self.view.show()
        self.show()

    def on_campaign_failed(self, message: CampaignFailed) -> None:
        """Say so, and try again at the next look."""
        self._looking, self.status = False, f"× {clean(message.text)}"
        self.show()

    def head(self) -> Line:
        """Campaign and cloud."""
        return campaign.head(self.now, self.link.name, self.link.plan)

    def detail(self) -> list[Line]:
        """The target under the cursor."""
        row = self.rows.chosen
        return campaign.row_lines(row, self.now.now) if row is not None and self.now is not None else [(), ()]

    def show(self) -> None:
        """Draw the lines around the rows."""
        super().show()
        if self.now is None or not self.query("#campaign-waves"):
            return
        told = campaign.banner(self.now)
        bar = (self.glyphs.cells[Cell.DOWN], self.glyphs.cells[Cell.EDGE], self.glyphs.unsure)
        waves = campaign.wave_lines(self.now, bar)
        for selector, lines in (("#campaign-banner", told), ("#campaign-waves", waves)):
            self.query_one(selector, Static).update(content(lines, self.glyphs))

    # Actions; their names are in the registry

    def action_open(self) -> None:
        """Its run's timeline; without a run, all about it."""
        row = self.rows.chosen
        if row is not None and row.run:
            self.app.post_message(RunWanted(row.run))
        else:
            self.action_about()

    def action_about(self) -> None:
        """All about the target."""
        row = self.rows.chosen
        if row is not None and self.now is not None:
            self.app.push_screen(LinesScreen("target", campaign.target_lines(row, self.now.now), self.glyphs))

    def action_left_out(self) -> None:
        """What is no target."""
        if self.now is not None:
            self.app.push_screen(LinesScreen("left out", campaign.left_out_lines(self.now), self.glyphs))

    def action_command(self, do: str) -> None:
        """Ask, and say it to the campaign."""
        row = self.rows.chosen if do in ("skip", "retry") else None
        if self.now is None or (do in ("skip", "retry") and row is None):
            return
        if row is not None and row.status not in UNDECIDED:
            self.say(f"{row.target.name} is {row.status}: its operation cannot be recalled or repeated", "warning")
            return
        title, lines, yes, destructive = campaign.question(do, row, self.now)

        def answered(agreed: bool | None) -> None:
            if agreed:
                self.run_worker(self._send(do, row.target.id if row is not None else ""), name="send", group="send")

        self.app.push_screen(QuestionScreen(title, lines, yes, self.glyphs, destructive=destructive), answered)

    async def _send(self, do: str, target: str) -> None:
        try:
            text = await asyncio.to_thread(self.link.send, do, target)
        except CampaignLost as error:
            self.say(str(error), "error")
            return
        self.say(text)
        self._look()

    def action_help(self) -> None:
        """The keys of this screen."""
        self.app.push_screen(HelpScreen(self.glyphs, action_lines(CAMPAIGN_ACTIONS)))

    def action_leave(self) -> None:
        """Close the filter, or the screen."""
        if not self.closed_filter():
            self.dismiss()
