# SPDX-License-Identifier: Apache-2.0
"""Ping, arping and traceroute from inside a router, and the archive of its logs."""

import time
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.message import Message

from csworkbench.cloudstack.diagnostics import Kind, Question
from csworkbench.model.fleet import SystemVm
from csworkbench.tui import diagnostics
from csworkbench.tui.actions import Action
from csworkbench.tui.diagnostics import Diagnoser, Exchange, NotAsked, Offers, Talk
from csworkbench.tui.diagnostics_actions import DIAGNOSTICS_ACTIONS
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.text import clean

from . import run_files
from .ask import AskScreen
from .cloud_detail import hanging
from .help import HelpScreen, action_lines
from .page import PageScreen

TICK_S = 1.0


class Answered(Message):
    """An exchange has come to its end, or the server's offers are known."""


class DiagnosticsScreen(PageScreen):
    """One question at a time; a worker waits for the answer."""

    BINDINGS: ClassVar[list[BindingType]] = [b for action in DIAGNOSTICS_ACTIONS for b in action.bindings()]

    def __init__(self, diagnoser: Diagnoser, vm: SystemVm, cloud: str, glyphs: Glyphs, address: str = "") -> None:
        super().__init__(glyphs)
        self.diagnoser = diagnoser
        self.vm = vm
        self.cloud = cloud
        self.talk = Talk(diagnostics.target_of(vm), last_address=address)
        self.offers: Offers | None = None

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the palette offers here."""
        return DIAGNOSTICS_ACTIONS

    def on_mount(self) -> None:
        """Ask what is offered; count the seconds of what is going on."""
        self.show()
        self.run_worker(self._offers(), name="offers", group="offers")
        self.set_interval(TICK_S, self._tick)

    def _tick(self) -> None:
        if self.talk.going is not None:
            self.show()

    async def _offers(self) -> None:
        try:
            self.offers = await self.diagnoser.offers()
        except NotAsked as error:
            self.offers = Offers(str(error), str(error))
        self.post_message(Answered())

    def on_answered(self, message: Answered) -> None:
        """The newest to the front."""
        message.stop()
        self.show()
        self.call_after_refresh(self._to_end)

    def _to_end(self) -> None:
        for page in self.query("#page").results(VerticalScroll):
            page.scroll_end(animate=False)

    def head(self) -> Line:
        """Which system VM, and what goes on."""
        return diagnostics.head(self.talk, self.vm, cloud=self.cloud)

    def wrapped(self) -> list[Line]:
        """What was asked and answered."""
        return [
            piece for line in diagnostics.lines(self.talk, self.offers, time.monotonic_ns())
            for piece in (hanging((("", ""), *line), self.room) if line else [line])
        ]  # fmt: skip

    def _free(self, why_not: str) -> bool:
        """False, with a word, while something goes on or where it is not offered."""
        going = self.talk.going
        if going is not None:
            run_files.say(self, self.glyphs, f"{going.words} is not over yet", "warning")
        elif self.offers is None:
            run_files.say(self, self.glyphs, "The server has not said yet what it offers", "warning")
        elif why_not:
            run_files.say(self, self.glyphs, why_not, "warning")
        return going is None and self.offers is not None and not why_not

    # Actions; their names are in the registry

    def action_ask(self, word: str) -> None:
        """Ask for an address, and run it."""
        kind = Kind(word)
        if not self._free(self.offers.run if self.offers else ""):
            return

        def given(text: str | None) -> None:
            if not text or not text.strip():
                return
            try:
                asked = diagnostics.parsed(kind, text)
            except NotAsked as error:
                run_files.say(self, self.glyphs, str(error), "error")
                return
            self.talk.last_address = asked.address
            self.run_worker(self._run(self.talk.begin(asked.words, time.monotonic_ns()), asked), group="ask")
            self.post_message(Answered())

        title = f"{kind} from {clean(self.talk.target.name, 60)}"
        self.app.push_screen(AskScreen(title, diagnostics.HINT, self.glyphs, self.talk.last_address), given)

    async def _run(self, exchange: Exchange, asked: Question) -> None:
        try:
            exchange.answer = await self.diagnoser.ask(self.talk.target, asked)
        except NotAsked as error:
            exchange.problem = str(error)
        exchange.ended_ns = time.monotonic_ns()
        self.post_message(Answered())

    def action_collect(self) -> None:
        """Ask for a folder, and fetch the logs."""
        if not self._free(self.offers.collect if self.offers else ""):
            return

        def given(text: str | None) -> None:
            if text and text.strip():
                folder = Path(text.strip()).expanduser()
                exchange = self.talk.begin(f"fetch its logs into {folder}", time.monotonic_ns())
                self.run_worker(self._collect(exchange, folder), group="ask")
                self.post_message(Answered())

        hint = "the folder; the server makes the archive first, which takes a while"
        title = f"logs of {clean(self.talk.target.name, 60)}"
        self.app.push_screen(AskScreen(title, hint, self.glyphs, str(Path.cwd()), edit=True), given)

    async def _collect(self, exchange: Exchange, folder: Path) -> None:
        try:
            exchange.fetched = await self.diagnoser.collect(self.talk.target, folder)
        except NotAsked as error:
            exchange.problem = str(error)
        exchange.ended_ns = time.monotonic_ns()
        self.post_message(Answered())

    def action_write(self) -> None:
        """All that was said, in a file."""
        if not self.talk.exchanges:
            run_files.say(self, self.glyphs, "Nothing has been asked yet", "warning")
            return
        told = diagnostics.lines(self.talk, Offers(), time.monotonic_ns())
        text = "\n".join("".join(part for part, _ in line) for line in told) + "\n"
        name = f"diagnostics-{diagnostics.file_name(self.talk.target.name)}.txt"
        write = partial(diagnostics.keep, text=text)
        run_files.ask_file(self, "keep what was said", "the file, for your eyes only", name, write, self.glyphs)

    def action_scroll(self, lines: int) -> None:
        """Up or down."""
        self.query_one("#page", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_help(self) -> None:
        """The keys of this screen."""
        self.app.push_screen(HelpScreen(self.glyphs, action_lines(DIAGNOSTICS_ACTIONS)))

    def action_leave(self) -> None:
        """Back."""
        self.dismiss()
