# SPDX-License-Identifier: Apache-2.0
"""`replay`: a recorded run in the workbench, at the pace at which it was recorded or faster."""

from collections.abc import AsyncIterator

import click

from csworkbench.model.event import Event
from csworkbench.recording.library import RunFolder
from csworkbench.recording.reader import RunFileError, RunFileReader
from csworkbench.tui.playback import Playback, paced

from .common import fail, has_terminal
from .find import find
from .live import is_live
from .screen_options import Look, screen_options
from .team import store_option
from .workbench import FileFeed, follow_plain, open_workbench


class ReplayFeed(FileFeed):
    """A finished run, told at the pace of a playback."""

    def __init__(self, folder: RunFolder, playback: Playback) -> None:
        super().__init__(folder)
        self.playback = playback

    def events(self) -> AsyncIterator[list[Event]]:
        """All events, each when the playback has come to it."""
        return paced(super().events(), self.playback)


@click.command()
@click.argument("run", default="last")
@click.option("--speed", type=click.FloatRange(0.1, 1000), help="Times the pace of the recording  [default: 1].")
@click.option("--plain", is_flag=True, help="One line per change of state; at once unless --speed is given.")
@screen_options
@store_option
def replay(run: str, speed: float | None, plain: bool, look: Look) -> None:
    """Replay RUN: an id, the beginning of one, a path (also to a colleague's run.db), or `last`."""
    folder = find(run)
    if is_live(folder):
        fail(f"{folder.name} is going on: `csworkbench attach {folder.name}` shows it", 2)
    try:
        RunFileReader(folder.file).close()  # says in one line what is wrong with a file that cannot be read
    except RunFileError as error:
        fail(str(error), 1)
    if plain or not has_terminal():
        raise SystemExit(
            follow_plain(folder, FileFeed(folder) if speed is None else ReplayFeed(folder, Playback(speed)))
        )
    playback = Playback(speed or 1.0)
    raise SystemExit(open_workbench(folder, feed=ReplayFeed(folder, playback), playback=playback, look=look))
