# SPDX-License-Identifier: Apache-2.0
"""The cloud screen that runs are planned from."""

from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message

from csworkbench.tui.actions import Action
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.home import Place
from csworkbench.tui.home_actions import HOME_CLOUD_ACTIONS
from csworkbench.tui.plan import PlanError
from csworkbench.tui.text import clean
from csworkbench.tui.widgets.listing import RowChosen
from csworkbench.upgrade.choices import choices
from csworkbench.upgrade.served import name_of

from .ask import AskScreen
from .cloud import CloudScreen
from .help import HelpScreen, action_lines
from .plan import PlanScreen, of_file


class AttachAsked(Message):
    """The newest run that goes on is to be shown."""


class OtherCloudAsked(Message):
    """Another cloud is to be chosen."""


class HomeCloudScreen(CloudScreen, inherit_bindings=False):
    """Enter plans a run on what is under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [b for action in HOME_CLOUD_ACTIONS for b in action.bindings()]

    CSS = f"""{CloudScreen.CSS}
    HomeCloudScreen > .browse-detail {{ height: 4; }}
    """

    def __init__(self, place: Place, glyphs: Glyphs) -> None:
        super().__init__(place.source, glyphs)
        self.place = place

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the palette offers here."""
        return HOME_CLOUD_ACTIONS

    def head(self) -> Line:
        """Says so where nothing may be changed."""
        mode = ((" READ ONLY ", "key"), ("  ", "")) if self.place.read_only else ()
        name, *rest = super().head()
        return (name, *mode, *rest)

    def action_plan(self) -> None:
        """Plan on the system VM under the cursor, and what it serves."""
        chosen = self.rows.chosen
        if chosen is None or self.found is None:
            self.notify("The cloud has not been read: g asks again", timeout=4, markup=False)
            return
        found = choices(chosen, self.found.facts.reference)
        best = next((c for c in found if not c.why_not), None)
        if best is None:
            self.notify(self.glyphs.plain(clean(f"{chosen.vm.name}: {found[0].why_not}")), timeout=8, markup=False)
            return
        name = name_of(chosen.vm) if best.kind != "systemvm" else chosen.vm.name
        scenario = self.place.planner.draft(best, name)
        self.app.push_screen(
            PlanScreen(
                self.place.planner, scenario, found, name, self.glyphs, why=f"{chosen.vm.name}: {chosen.reason}",
                read_only=self.place.read_only,
            )
        )  # fmt: skip

    def on_row_chosen(self, message: RowChosen) -> None:
        """A click on the row: as Enter."""
        message.stop()
        message.prevent_default()  # the screen that this is made from opens the details
        self.action_plan()

    def action_scenario(self) -> None:
        """Plan from a file."""

        def answered(file: str | None) -> None:
            if not file:
                return
            try:
                scenario = self.place.planner.load(file)
            except PlanError as error:
                self.notify(self.glyphs.plain(clean(str(error))), severity="warning", timeout=8, markup=False)
                return
            screen = PlanScreen(
                self.place.planner, scenario, of_file(scenario), scenario.target[1], self.glyphs, why=f"from {file}",
                read_only=self.place.read_only,
            )  # fmt: skip
            screen.file = file
            self.app.push_screen(screen)

        self.app.push_screen(AskScreen("open a scenario file", "its path", self.glyphs), answered)

    def action_attach(self) -> None:
        """To a run that goes on."""
        self.post_message(AttachAsked())

    def action_other(self) -> None:
        """To the list of clouds."""
        self.post_message(OtherCloudAsked())

    def action_help(self) -> None:
        """The keys of this screen."""
        self.app.push_screen(HelpScreen(self.glyphs, action_lines(HOME_CLOUD_ACTIONS)))
