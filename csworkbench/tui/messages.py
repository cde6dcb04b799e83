# SPDX-License-Identifier: Apache-2.0
"""What widgets tell their screen. The screen decides; widgets know nothing of each other."""

from textual.message import Message

from csworkbench.measurement.outage import Outage


class OutageChosen(Message):
    """An outage was picked in the list."""

    def __init__(self, outage: Outage) -> None:
        super().__init__()
        self.outage = outage


class CursorMoved(Message):
    """The timeline's cursor stands somewhere else; the newest one is enough."""

    def can_replace(self, message: Message) -> bool:
        """Several moves before the next frame are one."""
        return isinstance(message, CursorMoved)


class StartConfirmed(Message):
    """The operation was confirmed."""


class ReplayMoved(Message):
    """A replay is to go on from another place: ns on the recording host's clock."""

    def __init__(self, to_ns: int) -> None:
        super().__init__()
        self.to_ns = to_ns


class ExportAsked(Message):
    """The measurements are to be exported."""
