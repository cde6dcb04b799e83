# SPDX-License-Identifier: Apache-2.0
"""The Textual application: follows one feed, shows it, and asks before anything is changed or ended."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import App
from textual.command import Provider

from . import terminal
from .clipboard import keep
from .cloud import CloudSource
from .crash import crash_report
from .feed import Feed, FeedLost
from .glyphs import choose
from .keymap import remapped
from .layout import Layout, LayoutError, base, known, load
from .messages import CopyAsked, ExportAsked, NoteWritten, ReplayMoved, StartConfirmed
from .palette import ActionsProvider
from .playback import Playback
from .screens.confirm import Leave, LeaveScreen
from .screens.help import HelpScreen, help_lines, here_lines
from .screens.session import SessionScreen
from .text import clean
from .theme import THEMES
from .view import RunView
from .visit import RunsWanted, RunWanted
from .widgets import PANELS

if TYPE_CHECKING:
    from .runs import RunLibrary

RATE_HZ = 4.0
SLOW_HZ = 2.0
LAYOUT_CSS = "layout"  # marks the sources of a layout in the stylesheet
BATCH = 2000  # events folded before the screen gets a turn; a recorded run comes all at once
Export = Callable[[], Awaitable[str]]


class WorkbenchApp(App[None]):
    """One run on a screen. `return_code` is 0, or 1 after a crash; the run's own result is not the viewer's.

    `export` writes the run's CSV files and returns their folder, `cloud` reads the run's cloud; `None` hides nothing
    but says so when asked. `glyphs` and `theme` are names of SETS and THEMES; `keys` are a person's own, by action.
    Raises LayoutError when the layout cannot be used, KeymapError when the keys cannot.
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
        glyphs: str = "",
        theme: str = "dark",
        keys: Mapping[str, str] | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        playback: Playback | None = None,
        library: "Callable[[], RunLibrary] | None" = None,
    ) -> None:
        plan = load(layout, PANELS)
        super().__init__(css_path=base())
        self._style(plan)
        self.feed = feed
        self.read_only, self.clock = read_only, clock
        self.view = RunView(live=feed.live, where=feed.where, read_only=read_only, clock=clock, playback=playback)
        self.glyphs = choose(glyphs)
        self._export = export
        self._cloud = cloud
        self._library = library
        self.wanted = ""  # the run that is to be opened after this one
        self._plan = plan
        self._period_s = 1 / (SLOW_HZ if slow else RATE_HZ)
        self._session: SessionScreen | None = None
        self._signals: list[signal.Signals] = []
        self._second_quit = False
        self.actions = remapped(keys or {})
        self.view.keys = {a.id: a.shown_keys.split()[0] for a in self.actions if a.id in (keys or {})}
        self.set_keymap({action.id: action.keys for action in self.actions if action.id in (keys or {})})
        for known_theme in THEMES.values():
            self.register_theme(known_theme)
        self.theme = THEMES[theme].name
        self.set_class(THEMES[theme].ansi, "-ansi-colours")
        self.set_class(self.glyphs.cells.isascii(), "-ascii")

    @property
    def session(self) -> SessionScreen:
        """The session screen."""
        assert self._session is not None  # noqa: S101 - there from on_mount on
        return self._session

    async def begin(self) -> None:
        """Show the session and follow the feed."""
        self._session = SessionScreen(self.view, self._plan, self.glyphs)
        await self.push_screen(self._session)
        self.run_worker(self._follow(), name="feed", group="feed", exclusive=True)

    async def on_mount(self) -> None:
        """Begin; leave in order when the terminal goes."""
        await self.begin()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self._hung_up)
            except (NotImplementedError, RuntimeError, ValueError):
                continue  # not the main thread: somebody else has them
            self._signals.append(number)
        self.set_interval(self._period_s, self.tick)
        if not self.is_headless:
            terminal.watch(self._terminal_gone)
            self.call_after_refresh(terminal.calm_collector)

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

    def _style(self, plan: Layout) -> None:
        """The layout's sizes and its own stylesheet, in place of another layout's."""
        for source in [s for s in self.stylesheet.source if s[1] == LAYOUT_CSS]:
            del self.stylesheet.source[source]
        sizes, rules = (str(plan.tcss.with_suffix(".yaml")), LAYOUT_CSS), (str(plan.tcss), LAYOUT_CSS)
        self.stylesheet.add_source(plan.css, read_from=sizes, tie_breaker=1)
        self.stylesheet.add_source(plan.tcss.read_text("utf-8"), read_from=rules, tie_breaker=2)

    async def use_layout(self, name: str) -> None:
        """Show the same run in another layout; says why when that one cannot be used."""
        try:
            plan = await asyncio.to_thread(load, name, PANELS)
            self._style(plan)
        except (LayoutError, OSError) as error:
            self._say(clean(str(error)), "error")
            return
        self._plan = plan
        self.stylesheet.reparse()
        await self.session.use_layout(plan)
        self.refresh_css(animate=False)
        self.tick()
        self.clear_notifications()  # else a name for each press would pile up over the timeline
        self._say(f"layout {plan.name}", "information")

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

    async def on_note_written(self, message: NoteWritten) -> None:
        """Keep a note in the run."""
        message.stop()
        if await self._send("note", text=message.text, at_ns=str(message.at_ns)):
            self._say("Note kept in the run", "information")

    async def on_copy_asked(self, message: CopyAsked) -> None:
        """Copy by the terminal (OSC 52), and into a file: nobody can tell whether the terminal took it."""
        message.stop()
        self.copy_to_clipboard(message.text)
        try:
            file = await asyncio.to_thread(keep, message.text, Path(self.view.where))
        except OSError as error:
            self._say(f"Copied, if the terminal takes OSC 52; no file: {error.strerror or error}", "warning")
            return
        self._say(f"Copied, if the terminal takes OSC 52; also in {clean(str(file))}", "information")

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

    async def _send(self, command: str, **args: str) -> bool:
        try:
            await self.feed.send(command, **args)
        except (FeedLost, OSError, EOFError) as error:
            self._say(f"The engine did not take {command!r}: {clean(str(error))}", "error")
            return False
        return True

    def _say(self, text: str, severity: str) -> None:
        level = {"warning": "warning", "error": "error"}.get(severity, "information")
        self.notify(self.glyphs.plain(text), severity=level, timeout=8, markup=False)  # type: ignore[arg-type]

    # Actions of the app

    async def action_next_layout(self) -> None:
        """The next layout, around."""
        names = known()
        here = names.index(self._plan.key) if self._plan.key in names else -1
        await self.use_layout(names[(here + 1) % len(names)])

    async def action_help(self) -> None:
        """All keys."""
        focused = self.focused.id if self.focused is not None else None
        lines = [*here_lines(focused or ""), *help_lines(self.glyphs, self.actions)]
        self.push_screen(HelpScreen(self.glyphs, lines))

    async def action_cloud(self) -> None:
        """What needs upgrading in the run's cloud."""
        from .screens.cloud import CloudScreen  # noqa: PLC0415 - with the API's client, half a second of a start

        if self._cloud is None:
            self._say("There is no cloud to ask: a test cloud that a run started is that run's own", "warning")
        elif not isinstance(self.screen, CloudScreen):
            self.push_screen(CloudScreen(self._cloud, self.glyphs))

    def action_runs(self) -> None:
        """All runs."""
        from .screens.runs import show_runs  # noqa: PLC0415

        show_runs(self, self._library() if self._library is not None else None, self.glyphs)

    def on_runs_wanted(self, message: RunsWanted) -> None:
        """From the cloud screen."""
        message.stop()
        self.action_runs()

    def on_run_wanted(self, message: RunWanted) -> None:
        """Another run; a live one goes on without this window, and whoever opened it comes back to it."""
        message.stop()
        self.wanted = message.run
        self.exit()

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
        head = "csworkbench's screen has crashed; a running measurement goes on (csworkbench attach)."
        self._exit_renderables.append(crash_report(self._exception, head))
        self._close_messages_no_wait()
