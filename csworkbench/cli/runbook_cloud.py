# SPDX-License-Identifier: Apache-2.0
"""The API behind a runbook's checks."""

from typing import Any

from csworkbench.cloudstack import Client, CloudStackError
from csworkbench.config import ConfigError
from csworkbench.config.clouds import Cloud
from csworkbench.upgrade.runbook.model import Check
from csworkbench.upgrade.runbook.walk import CheckFailed, Rows

from .profile import open_client, profile_of


async def known_cloud(name: str) -> Cloud:
    """The cloud of that name; `lab` is the test cloud that is up. Raises ConfigError."""
    return (await profile_of(name)).cloud


def rows_of(name: str) -> Rows:
    """Asks that cloud. It is looked up for each check: an upgrade may move it, or take it away for a while."""

    async def rows(check: Check) -> list[dict[str, Any]]:
        try:
            async with open_client(await known_cloud(name)) as client:
                return await _rows(client, check)
        except (CloudStackError, ConfigError) as error:
            raise CheckFailed(str(error)) from None

    return rows


async def _rows(client: Client, check: Check) -> list[dict[str, Any]]:
    """All rows; a reply that holds one object, as listCapabilities', is one row."""
    first = await client.call(check.command, **{"listall": True, **check.params, "page": 1, "pagesize": 1})
    for name, value in first.items():
        if isinstance(value, list):
            return [dict(row) for row in await client.list_all(check.command, name, **check.params)]
        if isinstance(value, dict):
            return [dict(value)]
    return []
