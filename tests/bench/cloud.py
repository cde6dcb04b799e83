# SPDX-License-Identifier: Apache-2.0
"""A test cloud for a benchmark, and probe programs on its tenants over the product's own channel."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csworkbench.cloudstack import Client, Credentials, Surroundings, read_inventory
from csworkbench.model.cloud import Inventory
from csworkbench.model.event import Body
from csworkbench.probing.connect import Dial, dial_through
from csworkbench.probing.handshakes import Handshakes
from csworkbench.probing.ssh import SshAccess, SshRoute

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cloud:
    """What `lab up` said, and the network."""

    state: Path
    info: dict[str, Any]
    inventory: Inventory

    def words(self, *words: str) -> list[str]:
        """A command on this cloud."""
        return [sys.executable, "-m", "csworkbench", "lab", "--state", str(self.state), *words]

    def route(self, place: int, dial: Dial | None = None) -> SshRoute:
        """To the VM at that place, through the router."""
        vm = self.inventory.vms[place]
        rule = next(r for r in self.inventory.forwardings if r.vm_id == vm.id and r.private_port == 22)
        ssh = self.info["ssh"]
        access = SshAccess(
            ssh["user"], ssh["key"], ssh["known_hosts"], dial=dial or dial_through(self.info["connect_socket"]),
            own_config=True,
        )  # fmt: skip
        return SshRoute(rule.public_ip, rule.public_port, access, Handshakes())


@contextlib.contextmanager
def _up(vms: int) -> Iterator[tuple[Path, dict[str, Any]]]:
    with tempfile.TemporaryDirectory(prefix="csw-b-") as folder:
        command = [sys.executable, "-m", "csworkbench", "lab", "--state", folder]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        up = subprocess.run(
            [*command, "up", "--json", "--vms", str(vms)], capture_output=True, text=True, env=env, check=False
        )
        if up.returncode:
            raise SystemExit(f"the test cloud did not come up: {up.stderr.strip().splitlines()[-1]}")
        try:
            yield Path(folder), json.loads(up.stdout)
        finally:
            subprocess.run([*command, "down"], capture_output=True, env=env, check=True)


@contextlib.asynccontextmanager
async def cloud(vms: int) -> AsyncIterator[Cloud]:
    """One of our own; gone at the end."""
    with _up(vms) as (state, info):
        credentials = Credentials(info["endpoint"], info["key"], info["secret"])
        async with Client(credentials, journal=Memory(), around=Surroundings()) as client:
            yield Cloud(state, info, await read_inventory(client, info["network"]))


class Memory:
    """A journal that tells a listener."""

    def __init__(self, listener: Callable[[Body], None] = lambda _body: None) -> None:
        self.bodies: list[Body] = []
        self.listener = listener

    def write(self, *bodies: Body) -> None:
        self.bodies.extend(bodies)
        for body in bodies:
            self.listener(body)


async def run(words: list[str]) -> str:
    """The output of a command that must succeed."""
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(words[2:])} ended with {process.returncode}")
    return out.decode()
