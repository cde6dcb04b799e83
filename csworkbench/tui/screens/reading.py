# SPDX-License-Identifier: Apache-2.0
"""A page of lines that takes a while to read: progress, an error, or the lines, wrapped to the width."""

import threading
from collections.abc import Callable, Sequence

from textual.message import Message

from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.runs import LibraryError
from csworkbench.tui.text import clean

from .cloud_detail import hanging
from .page import PageScreen


class PageProgress(Message):
    """How far the reading is; the newest one is enough."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def can_replace(self, message: Message) -> bool:
        """Only the last one counts."""
        return isinstance(message, PageProgress)


class PageRead(Message):
    """The page is there."""


class PageFailed(Message):
    """It cannot be read, and why."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class ReadingScreen(PageScreen):
    """`load` is called in a thread; leaving the screen ends it at its next word of progress."""

    def __init__(self, title: str, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self.heading = title
        self.progress = "reading"
        self.problem = ""
        self.ready = False
        self._gone = threading.Event()

    def load(self, told: Callable[[str], bool]) -> None:
        """Read; `told` shows how far, and is False when nobody waits any more. Raises LibraryError."""
        raise NotImplementedError

    def lines(self, width: int) -> Sequence[Line]:
        """What was read, for so many cells."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Read at once."""
        self.show()
        self.begin()

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self._gone.set()

    def begin(self) -> None:
        """Read, once more if need be."""
        self.run_worker(self._work, name="page", group="page", thread=True, exclusive=True)

    def _work(self) -> None:
        def told(text: str) -> bool:
            self.post_message(PageProgress(text))
            return not self._gone.is_set()

        try:
            self.load(told)
        except LibraryError as error:
            self.post_message(PageFailed(str(error)))
            return
        self.post_message(PageRead())

    def on_page_progress(self, message: PageProgress) -> None:
        """How far."""
        self.progress = message.text
        self.show()

    def on_page_read(self, message: PageRead) -> None:
        """There it is."""
        self.ready, self.progress = True, ""
        self.show()

    def on_page_failed(self, message: PageFailed) -> None:
        """Say so."""
        self.problem, self.progress = message.text, ""
        self.show()

    def head(self) -> Line:
        """The title, and how far the reading is."""
        head: Line = ((" csworkbench ", "b $primary"), (f" {clean(self.heading, 200)} ", "b"))
        return (*head, (f"  {self.progress}", "$accent")) if self.progress else head

    def wrapped(self) -> list[Line]:
        """What was read, or why not."""
        found: Sequence[Line] = ()
        if self.problem:
            found = [(("× ", "b $error"), (clean(self.problem, 2_000), "$error"))]
        elif self.ready:
            found = self.lines(self.room)
        return [piece for line in found for piece in hanging(line, self.room)]
