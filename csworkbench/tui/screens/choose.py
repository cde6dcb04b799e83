# SPDX-License-Identifier: Apache-2.0
"""The first screen: which cloud. With nothing configured it offers what there is, and a new one."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from csworkbench.tui.actions import Action
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.home import CloudChoice, Home, HomeError, Tried
from csworkbench.tui.home_actions import CHOOSE_ACTIONS
from csworkbench.tui.text import clean, fit, width
from csworkbench.tui.widgets.base import content

from .cloud_detail import hanging
from .help import HelpScreen, action_lines
from .profile import ProfileScreen

NEW = "new cloud"


class CloudChosen(Message):
    """A cloud answered and is to be opened."""

    def __init__(self, cloud: str) -> None:
        super().__init__()
        self.cloud = cloud


class _Listed(Message):
    def __init__(self, found: tuple[CloudChoice, ...]) -> None:
        super().__init__()
        self.found = found


class _Told(Message):
    """A word about what goes on; `over`: it has ended, and not well."""

    def __init__(self, text: str, *, over: bool = False) -> None:
        super().__init__()
        self.text, self.over = text, over


class _Answered(Message):
    def __init__(self, cloud: str, tried: Tried, *, opens: bool) -> None:
        super().__init__()
        self.cloud, self.tried, self.opens = cloud, tried, opens


class ChooseScreen(Screen[None]):
    """Lists clouds; asks one before it is opened."""

    BINDINGS: ClassVar[list[BindingType]] = [binding for action in CHOOSE_ACTIONS for binding in action.bindings()]
    AUTO_FOCUS = "#clouds"
    SCOPED_CSS = False  # else classes of screen and app, as -tall and -ascii, would not be seen
    CSS = """
    ChooseScreen { background: $background; color: $foreground; }
    #choose-head { background: $panel; padding: 0 1; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    #choose-guide { padding: 1 2; height: auto; }
    #clouds { height: 1fr; border: none; padding: 0 1; background: $background; scrollbar-size-vertical: 1;
        text-wrap: nowrap; }
    #choose-status { padding: 0 2; height: auto; max-height: 6; min-height: 1; }
    .-ascii #clouds { scrollbar-size-vertical: 0; }
    .-ascii #choose-head { text-overflow: clip; }
    """

    def __init__(self, home: Home, glyphs: Glyphs, *, read_only: bool = False) -> None:
        super().__init__()
        self.home, self.glyphs, self.read_only = home, glyphs, read_only
        self.clouds: tuple[CloudChoice, ...] | None = None
        self.status = ""
        self.busy = False

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the palette offers here."""
        return CHOOSE_ACTIONS

    @property
    def options(self) -> OptionList:
        """The rows: clouds, and the new one."""
        return self.query_one("#clouds", OptionList)

    @property
    def chosen(self) -> CloudChoice | None:
        """The cloud under the cursor; None on the last row, the new one."""
        at = self.options.highlighted
        return self.clouds[at] if self.clouds and at is not None and at < len(self.clouds) else None

    def compose(self) -> ComposeResult:
        """Head, what this is, the clouds, what goes on, keys."""
        yield Static("", id="choose-head", markup=False)
        yield Static("", id="choose-guide", markup=False)
        yield OptionList(id="clouds", markup=False, compact=True)
        yield Static("", id="choose-status", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Look at once."""
        self.show()
        self.action_read()

    def on_resize(self) -> None:
        """Other widths."""
        self.call_after_refresh(self.show)

    def action_read(self) -> None:
        """Look for clouds."""
        if not self.busy:
            self._begin("looking for clouds")
            self.run_worker(self._read(), name="clouds", group="choose")

    async def _read(self) -> None:
        try:
            found = await self.home.clouds()
        except HomeError as error:
            self.post_message(_Told(str(error), over=True))
            return
        self.post_message(_Listed(found))

    def _begin(self, text: str) -> None:
        self.busy, self.status = True, text
        self.show()

    def on__listed(self, message: _Listed) -> None:
        """What there is."""
        self.busy, self.status, self.clouds = False, "", message.found
        self.show()

    def on__told(self, message: _Told) -> None:
        """Progress, or why it broke off."""
        if message.over:
            self.busy = False
            self.status = f"× {message.text}"
        elif self.busy:
            self.status = message.text
        self.show()

    def show(self) -> None:
        """Draw everything."""
        if not self.is_attached:
            return
        mode = (" READ ONLY ", "key") if self.read_only else ("", "")
        self._set("#choose-head", [((" csworkbench ", "b $primary"), ("  which cloud?   ", "b"), mode)])
        self._set("#choose-guide", self._guide())
        at = self.options.highlighted
        rows = [*self._rows(), ((fit(NEW, 22), "b $primary"), ("endpoint, API key and secret", "$muted"))]
        self.options.clear_options()
        self.options.add_options([Option(content([row], self.glyphs)) for row in rows])
        self.options.highlighted = min(at or 0, len(rows) - 1)
        style = "$error" if self.status.startswith("×") else "$accent"
        room = max(20, self.size.width - 4)
        self._set("#choose-status", hanging((("", ""), (clean(self.status, 1_000), style)), room))

    def _guide(self) -> list[Line]:
        if self.clouds is None:
            return [(("Looking for clouds …", "$muted"),)]
        if any(c.source == "config.yaml" for c in self.clouds):
            return [(("Enter opens a cloud. Opening changes nothing.", ""),)]
        return [
            (("No cloud is configured yet. Try everything in the test cloud first,", ""),),
            (("choose what is here already, or enter a new one. Opening changes nothing.", ""),),
        ]

    def _rows(self) -> list[Line]:
        found: list[Line] = []
        for cloud in self.clouds or ():
            mode = (" READ ONLY ", "key") if cloud.read_only else ("", "")
            where = clean(cloud.source, 80) if cloud.starts else fit(clean(cloud.source, 60), 24)
            name = fit(clean(cloud.name, 60), 20) + "  "
            room = max(0, self.size.width - width(name) - width(where) - width(mode[0]) - 4)
            endpoint = clean(cloud.endpoint, 200)
            endpoint = endpoint if width(endpoint) <= room else fit(endpoint, room)
            where = where if not cloud.starts else fit(where, min(width(where), self.size.width - width(name) - 4))
            found.append(((name, "b"), (where, "$muted"), (endpoint, "$primary"), (" ", ""), mode))
        return found

    def _set(self, selector: str, lines: list[Line]) -> None:
        self.query_one(selector, Static).update(content(lines, self.glyphs))

    # Actions; their names are in the registry

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter or the mouse."""
        event.stop()
        self.action_choose()

    def action_choose(self) -> None:
        """Ask the cloud under the cursor, and open it when it answers."""
        chosen = self.chosen
        if self.busy:
            return
        if chosen is None:
            self.action_new()
        elif chosen.starts and self.read_only:
            self.notify("READ ONLY: no test cloud is started from here", timeout=4, markup=False)
        elif chosen.starts:
            self._begin("starting a test cloud")
            self.run_worker(self._start(chosen.id), name="lab", group="choose")
        else:
            self._begin(f"asking {clean(chosen.endpoint or chosen.name, 80)}")
            self.run_worker(self._test(chosen.id, opens=True), name="test", group="choose")

    async def _start(self, cloud: str) -> None:
        def tell(text: str) -> None:
            self.post_message(_Told(text))

        try:
            up = await self.home.start_test_cloud(cloud, tell)
        except HomeError as error:
            self.post_message(_Told(str(error), over=True))
            return
        self.post_message(_Answered(up, Tried(True, ""), opens=True))

    async def _test(self, cloud: str, *, opens: bool) -> None:
        self.post_message(_Answered(cloud, await self.home.test(cloud), opens=opens))

    def on__answered(self, message: _Answered) -> None:
        """Open it, or say what is wrong and what to do."""
        self.busy, self.status = False, ""
        tried = message.tried
        if message.opens and tried.good:
            self.show()
            self.post_message(CloudChosen(message.cloud))
            return
        self.status = f"{'' if tried.good else '× '}{tried.what}. {tried.remedy}"
        self.show()

    def action_test(self) -> None:
        """Ask the cloud under the cursor, and say what answers."""
        chosen = self.chosen
        if chosen is None or chosen.starts:
            self.notify("There is nothing to test yet: Enter starts or makes it", timeout=4, markup=False)
        elif not self.busy:
            self._begin(f"asking {clean(chosen.endpoint or chosen.name, 80)}")
            self.run_worker(self._test(chosen.id, opens=False), name="test", group="choose")

    def action_new(self) -> None:
        """Fill in a new cloud."""

        def kept(cloud: str | None) -> None:
            if cloud:
                self.post_message(CloudChosen(cloud))
                self.action_read()

        self.app.push_screen(ProfileScreen(self.home, self.glyphs), kept)

    def action_move(self, by: int) -> None:
        """Up or down."""
        (self.options.action_cursor_down if by > 0 else self.options.action_cursor_up)()

    def action_help(self) -> None:
        """The keys of this screen."""
        self.app.push_screen(HelpScreen(self.glyphs, action_lines(CHOOSE_ACTIONS)))

    def action_leave(self) -> None:
        """The app decides: it may have a cloud behind this screen."""
        self.app.run_worker(self.app.run_action("leave"), exclusive=False)
