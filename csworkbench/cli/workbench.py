# SPDX-License-Identifier: Apache-2.0
"""Opening the workbench on a run, live or finished: one event stream, one reducer."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import click

from csworkbench.config import ConfigError
from csworkbench.config.clouds import config_file
from csworkbench.engine.client import CodecError, NoEngine, Viewer
from csworkbench.model.event import Event, RunClosed
from csworkbench.recording.library import RunFolder
from csworkbench.recording.reader import RunFileError, RunFileReader
from csworkbench.tui.feed import FeedLost

from .cloud_screen import source_of
from .common import fail
from .live import is_live
from .progress import Progress
from .screen_options import Look

if TYPE_CHECKING:
    from csworkbench.tui.playback import Playback
    from csworkbench.tui.runs import RunLibrary

DEFAULT_LOOK = Look()


class LiveFeed:
    """A run that is going on, through its engine's socket."""

    live = True

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._viewer: Viewer | None = None

    @property
    def where(self) -> str:
        """The run's folder."""
        return str(self._folder.path)

    async def events(self) -> AsyncIterator[list[Event]]:
        """All events from the beginning, then each new one."""
        try:
            self._viewer = await Viewer.attach(self._folder.socket)
        except NoEngine:
            return
        async for batch in self._viewer.events():
            yield batch

    async def send(self, command: str, **args: str) -> None:
        """Ask the engine; an engine that is gone is seen by the end of the events."""
        if self._viewer is not None:
            with contextlib.suppress(NoEngine):
                await self._viewer.send(command, **args)

    async def close(self) -> None:
        """Let go of the engine; the run goes on."""
        if self._viewer is not None:
            await self._viewer.close()


class FileFeed:
    """A finished run, from its file."""

    live = False

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    @property
    def where(self) -> str:
        """The run's folder."""
        return str(self._folder.path)

    async def events(self) -> AsyncIterator[list[Event]]:
        """All events, in chunks. Raises FeedLost where the file is damaged."""
        try:
            reader = RunFileReader(self._folder.file)
            try:
                after = 0
                while batch := await asyncio.to_thread(reader.read, after):
                    after = batch[-1].seq
                    yield batch
            finally:
                reader.close()
        except RunFileError as error:
            raise FeedLost(str(error)) from None

    async def send(self, command: str, **args: str) -> None:
        """A finished run takes no commands."""


def feed_of(folder: RunFolder) -> LiveFeed | FileFeed:
    """The feed of a run: live when its engine answers."""
    return LiveFeed(folder) if is_live(folder) else FileFeed(folder)


def open_workbench(
    folder: RunFolder,
    *,
    read_only: bool = False,
    look: Look = DEFAULT_LOOK,
    feed: LiveFeed | FileFeed | None = None,
    playback: "Playback | None" = None,
) -> int:
    """Run the TUI on a run and return the exit code; says how to come back when the run goes on."""
    from csworkbench.config.keys_file import load_keys
    from csworkbench.tui.app import WorkbenchApp
    from csworkbench.tui.layout import LayoutError

    def library() -> "RunLibrary":
        from .run_screen import library as all_runs

        return all_runs()

    async def export() -> str:
        from csworkbench.results.export import export_run

        target = folder.exports
        await asyncio.to_thread(export_run, folder.file, target)
        return str(target)

    def opened() -> WorkbenchApp:
        return WorkbenchApp(
            feed or feed_of(folder),
            look.layout,
            read_only,
            export,
            slow=look.slow,
            cloud=source_of(folder),
            playback=playback,
            glyphs=look.glyphs,
            theme=look.theme,
            keys=load_keys(config_file()),
            library=library,
        )

    try:
        app = opened()
        app.run()
        while app.wanted:  # another run; whoever leaves that one comes back to this one
            from .run_screen import visit

            visit(app.wanted, look)
            app = opened()
            app.run()
    except (LayoutError, ConfigError) as error:
        fail(str(error), 2)
    code = app.return_code or 0
    if app.view.state.closed is not None:  # the app has said how to come back to one that goes on
        with contextlib.suppress(OSError):
            click.echo(
                f"`csworkbench show {folder.name}` prints the result, `csworkbench export` writes the CSV files."
            )
    return code


def follow_plain(folder: RunFolder, feed: LiveFeed | FileFeed | None = None) -> int:
    """Print one line per change of state until the run ends, on stdout."""
    progress = Progress(lambda line: print(line, flush=True))

    async def follow() -> int:
        async for batch in (feed or feed_of(folder)).events():
            for event in batch:
                progress(event)
                if isinstance(event.body, RunClosed):
                    return event.body.exit_code  # the engine may stay for other viewers
        return 1

    try:
        return asyncio.run(follow())
    except KeyboardInterrupt:
        sys.stderr.write("detached; the run goes on\n")
        return 0
    except (FeedLost, CodecError) as error:
        fail(str(error), 1)
