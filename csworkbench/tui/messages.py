# SPDX-License-Identifier: Apache-2.0
"""What widgets tell their screen. The screen decides; widgets know nothing of each other."""

from textual.message import Message

from csworkbench.measurement.outage import Outage

from .cloud import CloudView


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


class NoteWritten(Message):
    """A person wrote a note about a time (ns on the recording host's clock)."""

    def __init__(self, text: str, at_ns: int) -> None:
        super().__init__()
        self.text = text
        self.at_ns = at_ns


class CopyAsked(Message):
    """A text is to be copied."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class CloudReading(Message):
    """How far the reading of the cloud is; the newest one is enough."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def can_replace(self, message: Message) -> bool:
        """Only the last one counts."""
        return isinstance(message, CloudReading)


class CloudRead(Message):
    """The cloud was read."""

    def __init__(self, view: CloudView) -> None:
        super().__init__()
        self.view = view


class CloudFailed(Message):
    """The cloud could not be read, and why."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
