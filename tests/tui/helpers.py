# SPDX-License-Identifier: Apache-2.0
"""Running the app under a pilot, and waiting for what it shows."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot
from textual.screen import Screen

from csworkbench.tui.app import WorkbenchApp
from csworkbench.tui.widgets.base import LinesPanel

from .feeds import HandFeed
from .piloted import Piloted
from .synthetic import HOSTILE, Story


async def exported() -> str:
    """An export that works."""
    return "/runs/x/export"


class Bench(Piloted[WorkbenchApp]):
    """An app under a pilot with its feed."""

    def __init__(self, app: WorkbenchApp, feed: HandFeed, pilot: Pilot[None]) -> None:
        super().__init__(app, pilot)
        self.feed = feed

    def look(self) -> None:
        """The next frame, without waiting for its time."""
        if self.app.is_running:
            self.app.tick()

    def on(self, screen: type[Screen[Any]]) -> bool:
        """True while that screen is in front."""
        return isinstance(self.app.screen, screen)

    def text(self, panel: str) -> str:
        """What a panel of lines shows."""
        return self.app.session.query_one(f"#{panel}", LinesPanel).shown

    @property
    def rows(self) -> list[str]:
        """The timeline's rows as text."""
        return self.app.session.timeline.text_rows()


@asynccontextmanager
async def bench(
    feed: HandFeed | None = None,
    size: tuple[int, int] = (120, 40),
    read_only: bool = False,
    export: Callable[[], object] | None = exported,
    ascii_only: bool = False,
) -> AsyncIterator[Bench]:
    """The app on a feed; its clock stands still."""
    feed = feed or HandFeed()
    glyphs = "ascii" if ascii_only else "blocks"
    app = WorkbenchApp(feed, read_only=read_only, export=export, glyphs=glyphs, clock=lambda: 0)  # type: ignore[arg-type]
    async with app.run_test(size=size) as pilot:
        yield Bench(app, feed, pilot)


@asynccontextmanager
async def at_ready(size: tuple[int, int] = (120, 40), read_only: bool = False) -> AsyncIterator[Bench]:
    """A live run whose baseline is over."""
    feed = HandFeed()
    feed.give(Story().until_ready())
    async with bench(feed, size, read_only) as b:
        await b.until(lambda: "ready" in b.text("header") and b.app.session.timeline.window is not None)
        yield b


@asynccontextmanager
async def at_end(
    size: tuple[int, int] = (120, 40), hostile: bool = False, ascii_only: bool = False
) -> AsyncIterator[Bench]:
    """A finished run, replayed."""
    feed = HandFeed(live=False)
    feed.give(Story(names=HOSTILE if hostile else ()).events())
    feed.end()
    async with bench(feed, size, ascii_only=ascii_only) as b:
        await b.until(lambda: "RESTARTED" in b.text("guide"))
        yield b
