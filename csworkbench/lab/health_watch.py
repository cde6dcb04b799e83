# SPDX-License-Identifier: Apache-2.0
"""The management server fetches the health check results of all routers every so often, and acts on them."""

from __future__ import annotations

import asyncio
import logging

from csworkbench.lab.api.errors import ApiError
from csworkbench.lab.events import ROUTER_ALERT, Alert, Event, EventFamily
from csworkbench.lab.hosts import LabError
from csworkbench.lab.management import Management
from csworkbench.lab.orchestrator import Restart
from csworkbench.lab.records import RUNNING, Network, Router, Vpc
from csworkbench.lab.timing import Pace

_log = logging.getLogger(__name__)
_PREFIX = "router.health.checks"
_KIND = "ROUTER.HEALTH.CHECKS"
_MINUTE_S = 60
_SHORTEST_S = 1.0
"""Between two rounds, however small the scale: each costs a dozen processes per router."""
_OFF_S = 5.0
"""How often to look whether it has been switched on."""


class HealthWatch:
    """`router.health.checks.results.fetch.interval` minutes apart, times the scale.

    With the interval 0 it is off, and so it is at the scale 0: no time passes there in which it were due.
    """

    def __init__(self, pace: Pace, server: Management) -> None:
        self._pace, self._server = pace, server

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            minutes = self._server.settings.number(f"{_PREFIX}.results.fetch.interval")
            interval_s = minutes * _MINUTE_S * self._pace.scale
            await asyncio.sleep(max(interval_s, _SHORTEST_S) if interval_s > 0 else _OFF_S)
            if interval_s > 0 and not self._server.away:
                await self.look()

    async def look(self) -> None:
        """Check all routers now."""
        settings = self._server.settings
        if not settings.profile.has(4, 14) or not settings.flag(f"{_PREFIX}.enabled"):
            return
        for router in self._server.routers:
            if router.role == "VIRTUAL_ROUTER" and router.state == RUNNING:
                await self._check(router)

    async def _check(self, router: Router) -> None:
        try:
            failing = [result.name for result in await self._server.health.check(router) if not result.success]
        except LabError as error:
            _log.info("health checks of %s: %s", router.name, error)
            failing = ["connectivity.test"]
        if not failing or router.state != RUNNING:
            return
        self._event(router, f"Router {router.id} has failing checks: {', '.join(failing)}")
        number, name = ROUTER_ALERT
        text = f"Health checks failed: {len(failing)} failing checks on router {router.name} / {router.id}"
        self._server.log.alerts.append(Alert(self._server.new_id(), number, name, text))
        fatal = self._server.settings.value(f"{_PREFIX}.failures.to.recreate.vr", zone=router.served.zone_id)
        if {word.strip() for word in fatal.split(",")} & set(failing):
            await self._recreate(router)

    async def _recreate(self, router: Router) -> None:
        """Restart what it serves with cleanup, as no job and by nobody's order."""
        self._event(router, f"Recreating router {router.id} due to health check failures")
        orchestrator, served, restart = self._server.orchestrator, router.served, Restart(cleanup=True)
        try:
            match served:
                case Network():
                    family = self._family("NETWORK.RESTART", (served.id, "Network", served.name))
                    await orchestrator.restart_network(served, restart, family)
                case Vpc():
                    family = self._family("VPC.RESTART", (served.id, "Vpc", served.name))
                    await orchestrator.restart_vpc(served, restart, family)
        except ApiError as error:
            _log.warning("recreation of %s: %s", router.name, error)

    def _event(self, router: Router, text: str) -> None:
        self._family(_KIND, (router.id, "DomainRouter", router.name)).add(_KIND, "Completed", text)

    def _family(self, kind: str, resource: tuple[str, str, str]) -> EventFamily:
        """Of the system account; nothing is scheduled, so its events have no parent."""
        log, new_id = self._server.log, self._server.new_id
        caller = self._server.accounts.system
        first = Event(new_id(), kind, "INFO", "", "Scheduled", caller.account, caller.user, None, resource)
        return EventFamily(log, new_id, caller.account, caller.user, first, None, log.starts)
