# SPDX-License-Identifier: Apache-2.0
"""A run of the team's store as it goes on: another workbench's, looked at from here."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

from csworkbench.model.event import Event, RunClosed
from csworkbench.recording.reader import RunFileReader

from .team import TeamRun
from .workbench import FileFeed

EVERY_S = 1.0


class TeamFeed(FileFeed):
    """All events so far, then those that are published, until the run ends. It takes no commands."""

    live = True

    def __init__(self, run: TeamRun) -> None:
        super().__init__(run)
        self._run = run

    async def events(self) -> AsyncIterator[list[Event]]:
        """Raises StoreError, StoreLost, RunFileError."""
        after = 0
        while True:
            run = replace(self._run, stored=replace(self._run.stored, position=await asyncio.to_thread(self._position)))
            reader = await asyncio.to_thread(lambda: RunFileReader(run.file))  # noqa: B023 - called at once
            try:
                while batch := await asyncio.to_thread(reader.read, after):
                    after = batch[-1].seq
                    yield batch
                    if any(isinstance(event.body, RunClosed) for event in batch):
                        return
            finally:
                reader.close()
            await asyncio.sleep(EVERY_S)

    def _position(self) -> int:
        return self._run.team.store.position(self._run.stored.name)
