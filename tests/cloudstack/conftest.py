# SPDX-License-Identifier: Apache-2.0
from collections.abc import AsyncIterator

import pytest

from csworkbench.cloudstack import Client

from .support import Bench, FakeCloud, HandClock, MemoryJournal


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    cloud, clock, journal = FakeCloud(), HandClock(), MemoryJournal()
    await cloud.server.start_server()
    async with Client(cloud.credentials, journal=journal, around=clock.surroundings()) as client:
        yield Bench(cloud, client, clock, journal)
    await cloud.server.close()
