# SPDX-License-Identifier: Apache-2.0
"""Where the workbench's events come from: a live engine or the file of a run. One stream, one code path."""

from collections.abc import AsyncIterator
from typing import Protocol

from csworkbench.model.event import Event


class FeedLost(Exception):
    """The stream broke off; the message is one line for people."""


class Feed(Protocol):
    """One run's events from its beginning, and the way back to its engine."""

    @property
    def live(self) -> bool:
        """True while an engine is behind it; False for the file of a finished run."""
        ...

    @property
    def where(self) -> str:
        """The run's folder."""
        ...

    def events(self) -> AsyncIterator[list[Event]]:
        """All events in batches, oldest first. Ends after the last one; raises FeedLost or OSError on a break."""
        ...

    async def send(self, command: str, **args: str) -> None:
        """Send a command (`start`, `stop`, `note`) to the engine. Raises FeedLost or OSError when it is gone."""
        ...
