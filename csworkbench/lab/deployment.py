# SPDX-License-Identifier: Apache-2.0
"""Routers' machines: started with the registered template and the current code, stopped, removed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from csworkbench.lab import records, timing
from csworkbench.lab.events import ROUTER_ALERT, Alert, EventLog
from csworkbench.lab.handover import Handover
from csworkbench.lab.hosts import LabError
from csworkbench.lab.image import Image
from csworkbench.lab.livepatch import LivePatch
from csworkbench.lab.records import Router, Served
from csworkbench.lab.settings import Settings
from csworkbench.lab.vr import Surroundings, VirtualRouter, destroyed

_log = logging.getLogger(__name__)

NewRouter = Callable[[Served], Router]


class StartError(Exception):
    """A router did not come up."""


class CapacityError(StartError):
    """No host has room for the router."""


class Deployment:
    """The machine behind each router's row, and its row's state."""

    def __init__(
        self,
        settings: Settings,
        around: Surroundings,
        log: EventLog,
        new_router: NewRouter,
        live_patch: LivePatch,
    ) -> None:
        self._settings, self._around, self._log_book, self._new_router = settings, around, log, new_router
        self._live_patch = live_patch
        self._machines: dict[str, VirtualRouter] = {}
        self.handovers: list[dict[str, Any]] = []
        """What each handover moved, in the form that `lab truth` prints."""
        self.started_s: dict[str, float] = {}
        """When each router became Running, by id (CLOCK_MONOTONIC)."""

    def machine(self, router: Router) -> VirtualRouter:
        """The machine behind a router's row."""
        return self._machines.setdefault(router.id, VirtualRouter(router, self._around))

    async def start_new(self, served: Served, handover: Handover | None = None) -> Router:
        """One more router of that network or VPC. Raises StartError."""
        router = self._new_router(served)
        served.routers.append(router)
        await self.start(router, handover)
        return router

    async def start(self, router: Router, handover: Handover | None = None) -> None:
        """Deploy, boot, configure; `Running` only after the whole configuration. Raises StartError.

        The disk is made anew when the registered template is another one, and the code is copied at each start: so a
        started router is up to date.
        """
        if self._around.faults.is_set("no-capacity"):
            router.state = "Stopped"
            raise CapacityError(f"Unable to create a deployment for VM {router.name}")
        router.state = "Starting"
        image = Image(router.kind, self._settings.template, self._live_patch.agent_release, router.redundant)
        machine = self.machine(router)
        try:
            await machine.deploy(image)
            if handover is not None:
                await handover.hold(machine)
            if self._around.faults.is_set("router-never-starts"):
                await self._around.pace.wait(timing.ROUTER_START_LIMIT_S)
                raise LabError("it does not answer on port 3922 (fault router-never-starts)")
            await machine.boot()
            if self._around.faults.is_set("restart-fails"):
                raise LabError("the configuration was refused (fault restart-fails)")
            await machine.configure()
            if handover is not None:
                self.handovers.append(await handover.switch(machine))
        except LabError as error:
            await destroyed(machine)
            router.state = "Stopped"
            number, name = ROUTER_ALERT
            text = f"Command: org.apache.cloudstack.vm.VmWorkStart failed on router {router.name}: {error}"
            self._log_book.alerts.append(Alert(records.new_id(self._around.rng), number, name, text))
            raise StartError(str(error)) from error
        router.state = "Running"
        router.template_version = image.template
        router.scripts_version = image.release.scripts_checksum
        router.software_version = self._settings.profile.code_version
        self.started_s[router.id] = time.monotonic()

    async def stop(self, router: Router, *, forced: bool) -> None:
        """Forced: power off. Else the guest ends its services first and powers itself off."""
        router.state = "Stopping"
        machine = self.machine(router)
        if not forced:
            try:
                await machine.end_services()
            except LabError as error:
                _log.warning("%s: %s", router.name, error)
            await self._around.pace.wait(timing.ROUTER_SHUTDOWN_S)
        await machine.destroy()
        await self._around.pace.wait(timing.ROUTER_STOP_S)
        router.state = "Stopped"
        self.started_s.pop(router.id, None)

    async def expunge(self, router: Router) -> None:
        """Remove machine and row."""
        await destroyed(self.machine(router))
        router.served.routers.remove(router)
        self._machines.pop(router.id, None)
