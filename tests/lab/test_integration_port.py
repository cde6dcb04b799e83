# SPDX-License-Identifier: Apache-2.0
"""The integration port: off by default, opened by a restart, unsigned calls as the system user."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from csworkbench.lab.hosts import LabError
from csworkbench.lab.integration import IntegrationPort
from tests.lab.served import Served, served


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Served, str, aiohttp.ClientSession]]:
    """A server whose integration port is open, its address, and a plain HTTP client."""
    async with served("4.22") as api, aiohttp.ClientSession() as plain:
        integration = IntegrationPort(api.server)
        api.server.restarted = integration.follow
        port = free_port()
        try:
            await api.set(integration_api_port=str(port))
            yield api, f"http://127.0.0.1:{port}", plain
        finally:
            await integration.close()


async def test_unsigned_calls_on_any_path_are_the_systems() -> None:
    async with opened() as (api, base, plain):
        for path in ("/", "/client/api", "/any/path"):
            async with plain.get(f"{base}{path}?command=listHosts&response=json") as reply:
                assert (reply.status, (await reply.json())["listhostsresponse"]["count"]) == (200, 1)
        url = f"{base}/?command=restartNetwork&response=json&id={api.server.network.id}"
        async with plain.post(url) as reply:
            assert reply.status == 200
        assert (await api.call("listEvents", listall="true"))[1]["event"][0]["username"] == "system"
        assert (await api.call("listAsyncJobs", account="system"))[1]["asyncjobs"][0]["account"] == "system"
        async with plain.get(f"{base}/?command=listZones") as reply:
            assert reply.content_type == "text/xml"


async def test_only_the_query_string_is_read() -> None:
    async with opened() as (_, base, plain):
        async with plain.post(f"{base}/", data={"command": "listZones", "response": "json"}) as reply:
            assert (reply.status, reply.content_type) == (432, "text/xml")
        async with plain.post(f"{base}/?command=listZones&response=json", data={"id": "unknown"}) as reply:
            assert reply.status == 200


@pytest.mark.parametrize("command", ["listNothing", "listzones", "login", ""])
async def test_an_unknown_command_is_432(command: str) -> None:
    async with opened() as (_, base, plain), plain.get(f"{base}/?command={command}&response=json") as reply:
        assert reply.status == 432
        assert (await reply.json())["errorresponse"]["errorcode"] == 432


async def test_it_is_off_until_a_restart_and_again_when_the_setting_is_zero() -> None:
    async with served("4.22") as api:
        integration = IntegrationPort(api.server)
        api.server.restarted = integration.follow
        integration.follow()
        assert integration.port == 0
        port = free_port()
        await api.call("updateConfiguration", name="integration.api.port", value=str(port))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        api.server.restart()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await api.set(integration_api_port="0")
        async with asyncio.timeout(10):
            while await _accepts(port):
                assert (await api.call("listZones"))[0] == 200


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:  # it had waited in the listener that was closed
        return True
    writer.close()
    return True


async def test_a_port_that_is_taken_is_told() -> None:
    async with served("4.22") as api:
        integration = IntegrationPort(api.server)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            api.server.settings.change("integration.api.port", str(taken.getsockname()[1]))
            api.server.settings.server_started()
            with pytest.raises(LabError, match=r"integration\.api\.port"):
                integration.follow()
        assert integration.port == 0
        assert (await api.call("listZones"))[0] == 200
