# SPDX-License-Identifier: Apache-2.0
"""The screen of all runs, and the way to a run's workbench and back."""

import click

from csworkbench.recording.library import RunFolder, runs_dir
from csworkbench.recording.reader import RunFileError, RunFileReader

from .live import is_live
from .run_library import FolderLibrary
from .run_list import Wanted
from .screen_options import Look


def browse(wanted: Wanted, look: Look) -> int:
    """Show the runs until the screen is left; a run that is opened comes back to it. The exit code."""
    from csworkbench.tui.screen_app import RunsApp

    found, rows = FolderLibrary(runs_dir(), wanted), None
    while True:
        app = RunsApp(found, rows, glyphs=look.glyphs, theme=look.theme)
        run = app.run()
        rows = app.runs.rows
        if run is None or app.return_code:
            return app.return_code or 0
        visit(run, look)


def library() -> FolderLibrary:
    """All runs there are, for the key of other screens."""
    return FolderLibrary(runs_dir())


def visit(run: str, look: Look | None = None) -> None:
    """A run in the workbench: live while it goes on, else in replay."""
    from csworkbench.tui.playback import Playback

    from .replay import ReplayFeed
    from .workbench import open_workbench

    folder, look = RunFolder(runs_dir() / run), look or Look()
    if is_live(folder):
        open_workbench(folder, look=look)
        return
    try:
        RunFileReader(folder.file).close()
    except RunFileError as error:
        click.echo(f"csworkbench: {error}", err=True)
        return
    playback = Playback(1.0)
    open_workbench(folder, feed=ReplayFeed(folder, playback), playback=playback, look=look)
