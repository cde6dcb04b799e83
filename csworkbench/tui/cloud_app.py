# SPDX-License-Identifier: Apache-2.0
"""The cloud screen on its own, without a run."""

from textual.screen import Screen

from .cloud import CloudSource
from .runs import RunLibrary
from .screen_app import ScreenApp
from .screens.cloud import CloudScreen
from .screens.runs import show_runs
from .visit import RunsWanted, RunWanted


class CloudApp(ScreenApp):
    """Shows one cloud until the screen is left."""

    def __init__(self, source: CloudSource, *, glyphs: str = "", library: RunLibrary | None = None) -> None:
        super().__init__(glyphs=glyphs)
        self._library = library
        self.wanted = ""  # the run that is to be opened now
        self.cloud = CloudScreen(source, self.glyphs)

    @property
    def shown(self) -> Screen[None]:
        """The cloud."""
        return self.cloud

    def on_runs_wanted(self, message: RunsWanted) -> None:
        """The list of all runs."""
        message.stop()
        show_runs(self, self._library, self.glyphs)

    def on_run_wanted(self, message: RunWanted) -> None:
        """The caller opens it, and comes back."""
        message.stop()
        self.wanted = message.run
        message.prevent_default()
        self.exit()
