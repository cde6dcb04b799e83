# SPDX-License-Identifier: Apache-2.0
"""A management server without namespaces: the real API, jobs and events over an orchestrator that only waits."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace
from typing import cast

from csworkbench.lab import plan, records
from csworkbench.lab.api.errors import INTERNAL, ApiError
from csworkbench.lab.events import EventFamily, EventLog
from csworkbench.lab.jobs import Jobs
from csworkbench.lab.management import Fixtures, Management
from csworkbench.lab.orchestrator import Orchestrator, Restart
from csworkbench.lab.profiles import PROFILES, Profile
from csworkbench.lab.records import Network, Router
from csworkbench.lab.settings import Settings
from csworkbench.lab.timing import Pace

KEY, SECRET = "key", "secret"


class WaitingOrchestrator:
    """Records what it was asked, and ends when the test says so."""

    def __init__(self, agent_release: Profile) -> None:
        self.agent_release = agent_release
        self.asked: list[str] = []
        self.running = 0
        self.most_at_once = 0
        self.go_on = asyncio.Event()
        self.fail = False
        self.routers = SimpleNamespace(started_s={})

    async def restart_network(self, _network: Network, restart: Restart, family: EventFamily) -> None:
        """Wait for `go_on`."""
        family.add("NETWORK.RESTART", "Started", "Restarting network")
        await self._work(f"restart cleanup={restart.cleanup}{' livepatch' if restart.live_patch else ''}")

    async def reboot_router(self, router: Router, _family: EventFamily, *, forced: bool) -> None:
        """Wait for `go_on`."""
        await self._work(f"reboot {router.name}{' forced' if forced else ''}")

    async def stop_router(self, router: Router, _family: EventFamily, *, forced: bool) -> None:
        """Wait for `go_on`."""
        await self._work(f"stop {router.name}{' forced' if forced else ''}")
        router.state = "Stopped"

    async def start_router(self, router: Router, _family: EventFamily) -> None:
        """Wait for `go_on`."""
        await self._work(f"start {router.name}")
        router.state = "Running"

    async def destroy_router(self, router: Router) -> None:
        """Wait for `go_on`."""
        await self._work(f"destroy {router.name}")

    async def _work(self, what: str) -> None:
        self.asked.append(what)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        await self.go_on.wait()
        self.running -= 1
        if self.fail:
            raise ApiError(INTERNAL, "Failed to restart network")


def management(profile: str) -> tuple[Management, WaitingOrchestrator]:
    """A server of that release with the usual network and one running router."""
    rng = random.Random(11)
    network = plan.isolated_network(3, rng)
    router = plan.new_router(network, 4, rng)
    router.state = "Running"
    network.routers.append(router)
    settings = Settings(PROFILES[profile])
    router.template_version = settings.template
    router.scripts_version = settings.profile.scripts_checksum
    router.software_version = settings.profile.code_version
    orchestrator = WaitingOrchestrator(settings.profile)
    fixtures = Fixtures.make(rng)
    network.zone_id = fixtures.zone
    server = Management(
        settings,
        KEY,
        SECRET,
        [network],
        [],
        fixtures,
        rng,
        EventLog(),
        Jobs(lambda: records.new_id(rng), Pace(0.0)),
        cast(Orchestrator, orchestrator),
    )
    return server, orchestrator
