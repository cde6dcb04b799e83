# SPDX-License-Identifier: Apache-2.0
"""What is started on a host can be ended, however it was started."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from csworkbench.lab import tenant
from csworkbench.lab.fabric import Fabric
from csworkbench.lab.hosts import Host
from csworkbench.lab.launch import Namespaces

pytestmark = pytest.mark.lab

LIMIT_S = 20.0


@pytest.fixture
async def fabric() -> AsyncIterator[Fabric]:
    namespaces = await Namespaces.start(root=os.geteuid() == 0)
    try:
        yield Fabric(namespaces)
    finally:
        await namespaces.stop()


async def until(host: Host, wanted: int, *pattern: str) -> None:
    """Wait until so many processes of the host match, as pgrep takes it."""
    async with asyncio.timeout(LIMIT_S):
        while int((await host.run("pgrep", "-c", *pattern, check=False)).output) != wanted:
            pass


async def test_a_program_and_a_call_end_when_they_are_killed(fabric: Fabric) -> None:
    host = await fabric.create(tenant.host_spec("h", 0, nameserver=None))
    server = await fabric.service(host, "website", name="h", port=8000)
    program = await fabric.daemon(host, ["sh", "-c", "sleep 4711 & echo started >&2; wait"], "started")
    await until(host, 1, "-f", "^sleep 4711")
    for daemon in (server, program):
        await daemon.running.kill()
        assert await asyncio.wait_for(daemon.running.exited, LIMIT_S) == -signal.SIGKILL
    await until(host, 0, "-f", "^sleep 4711")  # what it had started, too
    other = await fabric.daemon(host, ["sh", "-c", "sleep 4712 & echo started >&2; wait"], "started")
    await other.running.signal(signal.SIGTERM)
    assert await asyncio.wait_for(other.running.exited, LIMIT_S) == -signal.SIGTERM
    await until(host, 1, "-f", "^sleep 4712")


async def test_a_call_that_is_given_up_ends_its_process(fabric: Fabric) -> None:
    host = await fabric.create(tenant.host_spec("h", 0, nameserver=None))
    waiting = asyncio.create_task(host.call("website", name="h", port=8000))
    await until(host, 1, "-P", "1")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await until(host, 0, "-P", "1")
