# SPDX-License-Identifier: Apache-2.0
"""The cloud screen on its own, without a run."""

import asyncio
import signal
from typing import ClassVar

from textual.app import App
from textual.command import Provider

from .cloud import CloudSource
from .crash import crash_report
from .glyphs import choose
from .layout import base
from .palette import ActionsProvider
from .runs import RunLibrary
from .screens.cloud import CloudScreen
from .screens.runs import show_runs
from .theme import THEME
from .visit import RunsWanted, RunWanted


class CloudApp(App[None]):
    """Shows one cloud until the screen is left."""

    TITLE = "csworkbench"
    COMMANDS: ClassVar[set[type[Provider]]] = {ActionsProvider}  # type: ignore[assignment]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-broad")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (14, "-low"), (30, "-tall")]  # noqa: RUF012

    def __init__(self, source: CloudSource, *, glyphs: str = "", library: RunLibrary | None = None) -> None:
        super().__init__(css_path=base())
        self._library = library
        self.wanted = ""  # the run that is to be opened now
        self.glyphs = choose(glyphs)
        self.cloud = CloudScreen(source, self.glyphs)
        self.register_theme(THEME)
        self.theme = THEME.name
        self.set_class(self.glyphs.cells.isascii(), "-ascii")

    async def on_mount(self) -> None:
        """Show it; leave in order when the terminal goes."""
        for number in (signal.SIGHUP, signal.SIGTERM):
            try:
                asyncio.get_running_loop().add_signal_handler(number, self.exit)
            except (NotImplementedError, RuntimeError, ValueError):
                continue  # not the main thread: somebody else has them
        await self.push_screen(self.cloud, lambda _: self.exit())

    def _fatal_error(self) -> None:
        """A crash report without locals: they may hold what must not be shown."""
        self._exit_renderables.append(crash_report(self._exception, "csworkbench's screen has crashed."))
        self._close_messages_no_wait()

    def on_runs_wanted(self, message: RunsWanted) -> None:
        """The list of all runs."""
        message.stop()
        show_runs(self, self._library, self.glyphs)

    def on_run_wanted(self, message: RunWanted) -> None:
        """The caller opens it, and comes back."""
        message.stop()
        self.wanted = message.run
        self.exit()
