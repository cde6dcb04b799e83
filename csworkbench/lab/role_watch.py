# SPDX-License-Identifier: Apache-2.0
"""The management server looks every so often which router of a pair is PRIMARY, and says what it finds odd."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from csworkbench.lab import records
from csworkbench.lab.events import ROUTER_ALERT, Alert, EventLog
from csworkbench.lab.hosts import LabError
from csworkbench.lab.orchestrator import Orchestrator
from csworkbench.lab.records import Router, Served, Vpc
from csworkbench.lab.redundancy import State, role
from csworkbench.lab.vr import Surroundings

_log = logging.getLogger(__name__)


class RoleWatch:
    """`redundantstate` of every router, `router.check.interval` apart: in between it is as old as that."""

    def __init__(
        self, around: Surroundings, orchestrator: Orchestrator, log: EventLog, served: Callable[[], Iterable[Served]]
    ) -> None:
        self._around, self._orchestrator, self._log_book, self._served = around, orchestrator, log, served

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            interval_s = max(1, self._around.settings.number("router.check.interval"))
            await asyncio.sleep(max(interval_s * self._around.pace.scale, _SHORTEST_S))
            await self.look()

    async def look(self) -> None:
        """Ask all routers now."""
        for served in self._served():
            pair = [router for router in served.routers if router.redundant]
            before = [router for router in pair if router.redundant_state == State.PRIMARY]
            await asyncio.gather(*(self._ask(router) for router in pair))
            after = [router for router in pair if router.redundant_state == State.PRIMARY]
            for router in after:
                if before and router not in before:
                    self._alert(f"Redundant virtual router (name: {router.name}) just switch from BACKUP to PRIMARY")
            if len(after) > 1 and len(before) < len(after):
                names = " and ".join(router.name for router in after)
                self._alert(f"More than one redundant virtual router is in PRIMARY state: {names}")

    async def _ask(self, router: Router) -> None:
        if router.state != "Running":
            router.redundant_state = State.UNKNOWN
            return
        public = router.nic("Public")
        device = public.device if public is not None and isinstance(router.served, Vpc) else None
        try:
            router.redundant_state = await role(self._orchestrator.machine(router).host, public_device=device)
        except LabError as error:
            _log.info("role of %s: %s", router.name, error)
            router.redundant_state = State.UNKNOWN

    def _alert(self, text: str) -> None:
        number, name = ROUTER_ALERT
        self._log_book.alerts.append(Alert(records.new_id(self._around.rng), number, name, text))


_SHORTEST_S = 0.5
"""Between two looks, whatever the scale: each costs a few processes."""
