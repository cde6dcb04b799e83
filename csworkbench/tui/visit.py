# SPDX-License-Identifier: Apache-2.0
"""Opening a run from another screen: the app ends with the run's name, and whoever started the app opens it."""

from textual.message import Message


class RunWanted(Message):
    """A run is to be opened: in replay, or live while it goes on."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run


class RunsWanted(Message):
    """The list of all runs is to be shown."""
