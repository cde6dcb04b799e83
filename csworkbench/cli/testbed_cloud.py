# SPDX-License-Identifier: Apache-2.0
"""The cloud that a test bed is on: a client for it, and how its VMs are reached from here."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from csworkbench.cloudstack import Client, Surroundings
from csworkbench.cloudstack.testbed.build import POLL_S
from csworkbench.model.event import Body, Notice
from csworkbench.probing.connect import Dial, dial_soon
from csworkbench.probing.shell import ShellError

from .lab_cloud import LabCloud, running_lab
from .other_cloud import HERE, refuse_test_cloud
from .profile import LAB, lab_profile, open_client, profile_of

LAB_CALLS_PER_SECOND, LAB_POLL_S = 50, 0.25  # nobody else works there
BANNER_LIMIT_S = 5.0
BANNER_BYTES = 255  # RFC 4253, 4.2
ASK_EVERY_S = 1.0


class NoLab(Exception):
    """No test cloud is up."""


@dataclass(frozen=True, slots=True)
class BedCloud:
    """A client, the endpoint that it speaks to, and the way to the VMs."""

    client: Client
    endpoint: str
    dial: Dial
    lab: LabCloud | None

    @property
    def poll_s(self) -> float:
        """Seconds between two looks at a job."""
        return POLL_S if self.lab is None else LAB_POLL_S


class Notices:
    """The journal of a bed's client: what the operator should read goes on, the rest is not kept."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def write(self, *bodies: Body) -> None:
        """See Journal."""
        for body in bodies:
            if isinstance(body, Notice):
                self._tell(body.text)


@asynccontextmanager
async def bed_cloud(name: str, notices: Notices) -> AsyncIterator[BedCloud]:
    """Connect to a cloud by its name. Raises ConfigError; NoLab when `lab` is not up."""
    if name == LAB:
        lab = await running_lab()
        if lab is None:
            raise NoLab
        profile, calls = lab_profile(lab), LAB_CALLS_PER_SECOND
    else:
        profile, calls = await profile_of(name), Surroundings().calls_per_second
        await refuse_test_cloud(profile.cloud)
    async with open_client(profile.cloud, notices, Surroundings(calls_per_second=calls)) as client:
        yield BedCloud(client, client.endpoint, profile.connect, profile.lab)


async def listens(endpoint: str) -> bool:
    """Whether anything listens where a test cloud's API was, on this host."""
    parts = urlsplit(endpoint)
    if parts.hostname not in HERE or not parts.port:
        return True
    try:
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except OSError:
        return False
    writer.close()
    return True


async def silent(dial: Dial, doors: Sequence[tuple[str, int]]) -> list[str]:
    """Those doors behind which no SSH server introduces itself, each with the reason."""
    found = await asyncio.gather(*(_silence(dial, host, port) for host, port in doors))
    return [problem for problem in found if problem]


async def _silence(dial: Dial, host: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    try:
        sock, _ = await dial_soon(dial, host, port, BANNER_LIMIT_S)
    except ShellError as error:
        return str(error)
    try:
        async with asyncio.timeout(BANNER_LIMIT_S):
            said = await loop.sock_recv(sock, BANNER_BYTES)
    except (OSError, TimeoutError):
        said = b""
    finally:
        sock.close()
    return "" if said.startswith(b"SSH-") else f"{host}:{port} is reached, but no SSH server answers"


class Waiting:
    """A deadline, and a line now and then about what is waited for."""

    def __init__(self, limit_s: float, tell: Callable[[str], None]) -> None:
        self._give_up = time.monotonic() + limit_s
        self._tell, self._last = tell, ""

    async def on(self, problems: list[str]) -> bool:
        """False when the time is up; else tells what is new and waits a moment."""
        if time.monotonic() >= self._give_up:
            return False
        line = problems[0] + (f" and {len(problems) - 1} more" if len(problems) > 1 else "")
        if line != self._last:
            self._tell(f"waiting: {line}")
            self._last = line
        await asyncio.sleep(ASK_EVERY_S)
        return True
