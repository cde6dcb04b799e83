# SPDX-License-Identifier: Apache-2.0
"""An app under a pilot: keys, waiting for what it shows, the texts on its screen."""

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from textual.app import App
from textual.pilot import Pilot

PATIENCE_S = 20.0
A = TypeVar("A", bound=App[Any])


class Piloted(Generic[A]):
    """The app and its pilot."""

    def __init__(self, app: A, pilot: Pilot[Any]) -> None:
        self.app, self.pilot = app, pilot

    async def press(self, *keys: str) -> None:
        """Press keys and let the app work them off."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, "the condition did not come true"
            await self.pilot.pause(0.01)
            self.look()
        await self.pilot.pause()

    def look(self) -> None:
        """Called while waiting."""

    def text(self, selector: str) -> str:
        """What a widget of the screen in front shows."""
        return str(self.app.screen.query_one(selector).render())

    @property
    def notes(self) -> str:
        """All notifications."""
        return "\n".join(n.message for n in self.app._notifications)
