# SPDX-License-Identifier: Apache-2.0
"""The two borders that lower packages write to and the engine calls through."""

from typing import Protocol

from .event import Body


class Journal(Protocol):
    """Takes events into the run's one history. Returns when they are safe; raises nothing of its own."""

    def write(self, *bodies: Body) -> None:
        """Append events, in this order: all of them or none."""
        ...


class Step(Protocol):
    """One thing that the engine is handed to do in a phase, e.g. the operation itself."""

    @property
    def title(self) -> str:
        """Short name for the timeline and the log."""
        ...

    async def run(self, journal: Journal) -> None:
        """Do it and return when it is over. Raises StepFailed with one clear line when it did not work."""
        ...


class StepFailed(Exception):
    """A step did not work; the message is one line that says what and what to do next."""


class EndUnknown(StepFailed):
    """A step was begun, and nobody waits any longer to know how it ends."""
