# SPDX-License-Identifier: Apache-2.0
"""The Textual application: follows one feed, shows it, and asks before anything is changed or ended."""

import asyncio
import signal
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.text import Text
from textual.app import App
from textual.command import Provider
from textual.worker import WorkerFailed

from . import terminal
from .cloud import CloudSource
from .feed import Feed, FeedLost
from .glyphs import choose
from .layout import load
from .messages import ExportAsked, ReplayMoved, StartConfirmed
from .palette import ActionsProvider
from .playback import Playback
from .screens.cloud import CloudScreen
from .screens.confirm import Leave, LeaveScreen
from .screens.help import HelpScreen
from .screens.session import SessionScreen
from .text import clean
from .theme import THEME
from .view import RunView
from .widgets import PANELS

RATE_HZ = 4.0
SLOW_HZ = 2.0
BATCH = 2000  # events folded before the screen gets a turn; a recorded run comes all at once
Export = Callable[[], Awaitable[str]]


class WorkbenchApp(App[None]):
    """One run on a screen. `return_code` is 0, or 1 after a crash; the run's own result is not the viewer's.

    `export` writes the run's CSV files and returns their folder, `cloud` reads the run's cloud; `None` hides nothing
    but says so when asked.
    Raises LayoutError when the layout cannot be used.
    """

    TITLE = "csworkbench"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ActionsProvider}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-broad")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (14, "-low"), (30, "-tall")]  # noqa: RUF012

    def __init__(
        self,
        feed: Feed,
        layout: str = "operator",
        read_only: bool = False,
        export: Export | None = None,
        *,
        slow: bool = False,
        cloud: CloudSource | None = None,
        ascii_only: bool | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        playback: Playback | None = None,
    ) -> None:
        plan = load(layout, PANELS)
        super().__init__(css_path=plan.tcss)
        self.CSS = plan.css  # type: ignore[misc]  # sizes of this layout; the class has none
        self.feed = feed
        self.view = RunView(live=feed.live, where=feed.where, read_only=read_only, clock=clock, playback=playback)
        self.glyphs = choose(ascii_only)
        self._export = export
        self._cloud = cloud
        self._plan = plan
        self._period_s = 1 / (SLOW_HZ if slow else RATE_HZ)
        self._session: SessionScreen | None = None
        self._signals: list[signal.Signals] = []
        self._second_quit = False
        self.register_theme(THEME)
        self.theme = THEME.name
        self.set_class(self.glyphs.cells.isascii(), "-ascii")

    @property
    def session(self) -> SessionScreen:
        """The session screen."""
        assert self._session is not None  # noqa: S101 - there from on_mount on
        return self._session

    async def on_mount(self) -> None:
        """Show the session, follow the feed, leave in order when the terminal goes."""
        self._session = SessionScreen(self.view, self._plan, self.glyphs)
        await self.push_screen(self._session)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self._hung_up)
            except (NotImplementedError, RuntimeError, ValueError):
                continue  # not the main thread: somebody else has them
            self._signals.append(number)
        self.run_worker(self._follow(), name="feed", group="feed", exclusive=True)
        self.set_interval(self._period_s, self.tick)
        if not self.is_headless:
            terminal.watch(self._terminal_gone)

    def on_unmount(self) -> None:
        """Give the signals back."""
        for number in self._signals:
            asyncio.get_running_loop().remove_signal_handler(number)
        self._signals.clear()

    def _hung_up(self) -> None:
        """The terminal or the session is going; the engine is a process of its own and goes on."""
        self.exit(return_code=0)

    def _terminal_gone(self) -> None:
        """Called in the watching thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._hung_up)

    async def _follow(self) -> None:
        """Fold the feed into the view until it ends."""
        try:
            async for batch in self.feed.events():
                for start in range(0, len(batch), BATCH):
                    self.view.fold(batch[start : start + BATCH])
                    await asyncio.sleep(0)
        except (FeedLost, OSError, EOFError) as error:
            self.view.lost = clean(str(error)) or type(error).__name__
        self.view.ended = True
        if not self.view.closed and self.feed.live and not self.view.lost:
            self.view.lost = "it closed the connection before the run had ended"
        self.tick()

    def tick(self) -> None:
        """One frame: figures first, then the panels; the present moves even without news."""
        self.view.refresh()
        if self._session is not None and self._session.is_mounted:
            self._session.show()
        if self.view.stopping and self.view.over:
            self._goodbye()

    # What the screen asks for

    async def on_start_confirmed(self, message: StartConfirmed) -> None:
        """The one command that changes something."""
        message.stop()
        self.view.starting = True
        if not await self._send("start"):
            self.view.starting = False
        self.tick()

    def on_replay_moved(self, message: ReplayMoved) -> None:
        """Go on there; to go back means to hear all from the beginning again."""
        message.stop()
        playback = self.view.playback
        if playback is not None and playback.jump(message.to_ns):
            self.view.restart()
            self.run_worker(self._follow(), name="feed", group="feed", exclusive=True)

    async def on_export_asked(self, message: ExportAsked) -> None:
        """Write the files and say where they are."""
        message.stop()
        if self._export is None:
            self._say("Export is not available here", "warning")
            return
        self.run_worker(self._write(self._export), name="export", group="export", exclusive=True)

    async def _write(self, export: Export) -> None:
        try:
            folder = await export()
        except (OSError, ValueError, RuntimeError) as error:
            self._say(f"Export did not work: {clean(str(error))}", "error")
            return
        self.view.exported = folder
        self._say(f"Exported to {clean(folder)}", "information")
        self.tick()

    async def _send(self, command: str) -> bool:
        try:
            await self.feed.send(command)
        except (FeedLost, OSError, EOFError) as error:
            self._say(f"The engine did not take {command!r}: {clean(str(error))}", "error")
            return False
        return True

    def _say(self, text: str, severity: str) -> None:
        level = {"warning": "warning", "error": "error"}.get(severity, "information")
        self.notify(self.glyphs.plain(text), severity=level, timeout=8, markup=False)  # type: ignore[arg-type]

    # Actions of the app

    async def action_help(self) -> None:
        """All keys."""
        self.push_screen(HelpScreen(self.glyphs))

    async def action_cloud(self) -> None:
        """What needs upgrading in the run's cloud."""
        if self._cloud is None:
            self._say("There is no cloud to ask: a test cloud that a run started is that run's own", "warning")
        elif not isinstance(self.screen, CloudScreen):
            self.push_screen(CloudScreen(self._cloud, self.glyphs))

    async def action_quit(self) -> None:
        """Textual's ctrl+q; asks as well."""
        self.action_leave()

    def action_help_quit(self) -> None:
        """Textual's ctrl+c; asks as well."""
        self.action_leave()

    def action_leave(self) -> None:
        """Leave. A live run is never stopped without being asked about."""
        if isinstance(self.screen, LeaveScreen):
            return
        if not self.view.running or self.view.stopping:
            self._goodbye()
            return
        screen = LeaveScreen(self.view.state.phase, self.glyphs, read_only=self.view.read_only)
        self.push_screen(screen, self._left)

    async def _left(self, answer: Leave | None) -> None:
        if answer is Leave.KEEP:
            self._goodbye()
        elif answer is Leave.STOP:
            self.view.stopping = await self._send("stop")
            if self.view.stopping:
                self._say("Stopping; the window closes when the records are collected. q leaves at once.", "warning")

    def _goodbye(self) -> None:
        """Exit and say where the run is."""
        where = clean(self.view.where)
        if self.view.running:
            text = f"The run goes on. See it again with: csworkbench attach\nRun folder: {where}"
        elif self.view.lost and not self.view.closed:
            text = f"The engine was gone: {self.view.lost}\nRun folder: {where}"
        else:
            text = f"Run folder: {where}"
        if self.view.exported:
            text += f"\nExported to {clean(self.view.exported)}"
        self.exit(message=Text(text))

    def _fatal_error(self) -> None:
        """A crash report without locals: they may hold what must not be shown."""
        error: BaseException | None = self._exception
        if isinstance(error, WorkerFailed):
            error = error.error  # the worker's own exception has the traceback
        lines = traceback.format_exception(error, limit=-12) if error is not None else ["unknown error\n"]
        report = "csworkbench's screen has crashed; a running measurement goes on (csworkbench attach).\n" + "".join(
            lines
        )
        self._exit_renderables.append(Text(report))
        self._close_messages_no_wait()
