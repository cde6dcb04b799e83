# SPDX-License-Identifier: Apache-2.0
"""What the workers of the plan screen tell it, and what it tells the app."""

from textual.message import Message

from .plan import Ground, OpenRun


class PlanTold(Message):
    """How far the asking is; the newest one is enough."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def can_replace(self, message: Message) -> bool:
        """Only the last one counts."""
        return isinstance(message, PlanTold)


class GroundFound(Message):
    """The target was read."""

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self.ground = ground


class PlanFailed(Message):
    """Something did not work; one line."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class LoginsTried(Message):
    """Why each login did not work, by tenant; empty where it did."""

    def __init__(self, found: dict[str, str]) -> None:
        super().__init__()
        self.found = found


class RunStarted(Message):
    """A run's engine is up: it is to be shown."""

    def __init__(self, run: OpenRun) -> None:
        super().__init__()
        self.run = run
