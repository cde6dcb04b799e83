# SPDX-License-Identifier: Apache-2.0
"""A small application around one walk of a runbook."""

import asyncio
import signal
from contextlib import suppress

from textual.app import App

from csworkbench.upgrade.runbook.model import Kind
from csworkbench.upgrade.runbook.walk import Refused, Walk

from . import terminal
from .crash import crash_report
from .glyphs import choose
from .screens.runbook import CopyAsked, Marked, RunAsked, RunbookScreen
from .text import clean
from .theme import THEME

COPIED = "commands.txt"
CSS = """
RunbookScreen { background: $background; color: $foreground; }
#runbook-header { height: 1; background: $panel; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
#runbook-body { height: 1fr; }
#steps { width: 40%; max-width: 64; height: 100%; border: round $border; background: $background; padding: 0;
    text-wrap: nowrap; scrollbar-size-vertical: 1; }
#detail { width: 1fr; height: 100%; border: round $border; padding: 0 1; scrollbar-size-vertical: 1; }
#steps:focus, #detail:focus { border: round $primary 60%; }
.-narrow #runbook-body { layout: vertical; }
.-narrow #steps { width: 100%; max-width: 100%; height: 40%; }
.-narrow #detail { height: 60%; }
.-ascii #steps, .-ascii #detail { border: ascii $border; scrollbar-size-vertical: 0; }
ModalScreen { align: center middle; background: $background 60%; }
.dialog { width: 84; max-width: 96%; height: auto; max-height: 92%; background: $surface; border: round $accent;
    border-title-color: $accent; border-subtitle-color: $secondary; padding: 1 2; }
.-ascii .dialog { border: ascii $accent; }
.dialog-text { height: auto; max-height: 24; }
"""


class RunbookApp(App[None]):
    """One walk on a screen. What is done is on disk before the screen shows it."""

    TITLE = "csworkbench runbook"
    CSS = CSS
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal")]  # noqa: RUF012

    def __init__(self, walk: Walk, *, glyphs: str = "") -> None:
        super().__init__()
        self.walk = walk
        self.glyphs = choose(glyphs)
        self.running = ""
        self.register_theme(THEME)
        self.theme = THEME.name
        self.set_class(self.glyphs.cells.isascii(), "-ascii")
        self.main = RunbookScreen(walk.state, walk.cloud, walk.who, self.glyphs)

    def _fatal_error(self) -> None:
        """A crash report without locals: they may hold what must not be shown."""
        self._exit_renderables.append(crash_report(self._exception, "csworkbench's screen has crashed."))
        self._close_messages_no_wait()

    async def on_mount(self) -> None:
        """Show the screen; leave in order when the terminal goes."""
        await self.push_screen(self.main)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self.exit)
        if not self.is_headless:
            terminal.watch(lambda: self.call_from_thread(self.exit))

    def on_marked(self, message: Marked) -> None:
        """Write it down."""
        message.stop()
        try:
            self.walk.mark(message.step, message.did, message.text)
        except (Refused, OSError) as error:
            self._say(str(error))
        self.main.take(self.walk.state, self.running)

    def on_run_asked(self, message: RunAsked) -> None:
        """Do it beside the screen."""
        message.stop()
        if self.running:
            self._say(f"{self.running} is running")
            return
        if message.step.kind is Kind.MANUAL:
            self._say("a person does this step: y copies its commands, d marks it done")
            return
        self.running = message.step.id
        self.main.take(self.walk.state, self.running)
        self.run_worker(self._perform(message), name="perform", exit_on_error=True)

    async def _perform(self, message: RunAsked) -> None:
        try:
            await self.walk.perform(message.step)
        except (Refused, OSError) as error:
            self._say(str(error))
        finally:
            self.running = ""
        self.main.take(self.walk.state)

    def on_copy_asked(self, message: CopyAsked) -> None:
        """OSC 52 to the terminal; not every one takes it, so to a file as well."""
        message.stop()
        if not message.text:
            self._say("this step has no commands")
            return
        self.copy_to_clipboard(message.text)
        file = self.walk.record.path / COPIED
        try:
            file.write_text(message.text + "\n", encoding="utf-8")
        except OSError as error:
            self._say(f"sent to the terminal's clipboard; {file} cannot be written: {error.strerror or error}")
            return
        self._say(f"sent to the terminal's clipboard, and written to {file}", "information")

    def _say(self, text: str, severity: str = "warning") -> None:
        level = "information" if severity == "information" else "warning"
        self.notify(self.glyphs.plain(clean(text)), severity=level, timeout=8, markup=False)  # type: ignore[arg-type]

    async def action_leave(self) -> None:
        """A running command is not left alone; a check may be."""
        step = self.walk.state.runbook.step(self.running)
        if step is not None and step.kind is Kind.COMMAND:
            self._say(f"{self.running} is running: wait for its end")
            return
        self.exit()

    async def action_quit(self) -> None:
        """Textual's ctrl+q; the same."""
        await self.action_leave()

    def action_help_quit(self) -> None:
        """Textual's ctrl+c; the same."""
        self.run_worker(self.action_leave())
