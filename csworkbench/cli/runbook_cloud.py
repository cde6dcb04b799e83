# SPDX-License-Identifier: Apache-2.0
"""The API behind a runbook's checks."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from csworkbench.cloudstack import Client, CloudStackError, Credentials, Surroundings
from csworkbench.config import ConfigError
from csworkbench.config.clouds import Cloud, cloudmonkey_file, config_file, find_cloud
from csworkbench.model.event import Body
from csworkbench.upgrade.runbook.model import Check
from csworkbench.upgrade.runbook.walk import CheckFailed, Rows

from .lab_cloud import running_lab


class _NoJournal:
    """A runbook keeps the findings of its checks, not the calls."""

    def write(self, *bodies: Body) -> None:
        """Forget them."""


async def known_cloud(name: str) -> Cloud:
    """The cloud of that name; `lab` is the test cloud that is up. Raises ConfigError."""
    if name != "lab":
        return find_cloud(name, os.environ, config_file(), cloudmonkey_file())
    lab = await running_lab()
    if lab is None:
        raise ConfigError("cloud `lab`: no test cloud is up; `csworkbench lab up` starts one")
    return Cloud("lab", lab.endpoint, lab.key, lab.secret, ca_file=lab.ca_file)


def rows_of(name: str) -> Rows:
    """Asks that cloud. It is looked up for each check: an upgrade may move it, or take it away for a while."""

    async def rows(check: Check) -> list[dict[str, Any]]:
        try:
            async with _client(await known_cloud(name)) as client:
                return await _rows(client, check)
        except (CloudStackError, ConfigError, ValueError) as error:
            raise CheckFailed(str(error)) from None

    return rows


@asynccontextmanager
async def _client(cloud: Cloud) -> AsyncIterator[Client]:
    credentials = Credentials(cloud.endpoint, cloud.key, cloud.secret)
    async with Client(credentials, journal=_NoJournal(), around=Surroundings(verify=cloud.verify())) as client:
        yield client


async def _rows(client: Client, check: Check) -> list[dict[str, Any]]:
    """All rows; a reply that holds one object, as listCapabilities', is one row."""
    first = await client.call(check.command, **{"listall": True, **check.params, "page": 1, "pagesize": 1})
    for name, value in first.items():
        if isinstance(value, list):
            return [dict(row) for row in await client.list_all(check.command, name, **check.params)]
        if isinstance(value, dict):
            return [dict(value)]
    return []
