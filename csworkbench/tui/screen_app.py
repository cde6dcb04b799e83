# SPDX-License-Identifier: Apache-2.0
"""A screen on its own: the run library, a campaign."""

import asyncio
import signal
from typing import ClassVar

from textual.app import App
from textual.command import Provider
from textual.screen import Screen

from . import terminal
from .campaign import CampaignLink, TargetRow
from .crash import crash_report
from .glyphs import choose
from .layout import base
from .listing import Listing
from .palette import ActionsProvider
from .runs import RunLibrary, RunRow
from .screens.campaign import CampaignScreen
from .screens.runs import RunsScreen
from .theme import THEMES
from .visit import RunWanted


class ScreenApp(App[str]):
    """Shows one screen until it is left. Ends with the name of a run that is to be opened, or with None."""

    TITLE = "csworkbench"
    COMMANDS: ClassVar[set[type[Provider]]] = {ActionsProvider}  # type: ignore[assignment]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-broad")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (14, "-low"), (30, "-tall")]  # noqa: RUF012

    def __init__(self, *, glyphs: str = "", theme: str = "dark") -> None:
        super().__init__(css_path=base())
        self.glyphs = choose(glyphs)
        for known_theme in THEMES.values():
            self.register_theme(known_theme)
        self.theme = THEMES[theme].name
        self.set_class(THEMES[theme].ansi, "-ansi-colours")
        self.set_class(self.glyphs.cells.isascii(), "-ascii")

    @property
    def shown(self) -> Screen[None]:
        """The one screen."""
        raise NotImplementedError

    async def on_mount(self) -> None:
        """Show it; leave in order when the terminal goes."""
        for number in (signal.SIGHUP, signal.SIGTERM):
            try:
                asyncio.get_running_loop().add_signal_handler(number, self.exit)
            except (NotImplementedError, RuntimeError, ValueError):
                continue  # not the main thread: somebody else has them
        if not self.is_headless:
            terminal.watch(self._terminal_gone)
        await self.push_screen(self.shown, lambda _: self.exit())

    def _terminal_gone(self) -> None:
        """Called in the watching thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.exit)

    def on_run_wanted(self, message: RunWanted) -> None:
        """The caller opens it."""
        message.stop()
        self.exit(message.run)

    def action_help_quit(self) -> None:
        """Textual's ctrl+c; leaves."""
        self.exit()

    def _fatal_error(self) -> None:
        """A crash report without locals: they may hold what must not be shown."""
        self._exit_renderables.append(crash_report(self._exception, "csworkbench's screen has crashed."))
        self._close_messages_no_wait()


class RunsApp(ScreenApp):
    """The run library. `rows`: those of the time before."""

    def __init__(
        self, library: RunLibrary, rows: Listing[RunRow] | None = None, *, glyphs: str = "", theme: str = "dark"
    ) -> None:
        super().__init__(glyphs=glyphs, theme=theme)
        self.runs = RunsScreen(library, self.glyphs, rows)

    @property
    def shown(self) -> Screen[None]:
        """The runs."""
        return self.runs


class CampaignApp(ScreenApp):
    """A campaign. `rows`: those of the time before, with their filter and order."""

    def __init__(
        self, link: CampaignLink, rows: Listing[TargetRow] | None = None, *, glyphs: str = "", theme: str = "dark"
    ) -> None:
        super().__init__(glyphs=glyphs, theme=theme)
        self.campaign = CampaignScreen(link, self.glyphs, rows)

    @property
    def shown(self) -> Screen[None]:
        """The campaign."""
        return self.campaign
