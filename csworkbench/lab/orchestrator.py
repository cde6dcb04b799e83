# SPDX-License-Identifier: Apache-2.0
"""What the management server does to a network: the sequences of NetworkOrchestrator, on real routers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from csworkbench.lab import records, timing
from csworkbench.lab.api.errors import INTERNAL, PARAMETER, RESOURCE_UNAVAILABLE, ApiError
from csworkbench.lab.events import ROUTER_ALERT, Alert, EventFamily, EventLog
from csworkbench.lab.hosts import LabError
from csworkbench.lab.profiles import Profile
from csworkbench.lab.records import Router
from csworkbench.lab.vr import Surroundings, VirtualRouter, destroyed

_log = logging.getLogger(__name__)
_RESTARTABLE = frozenset({"Implemented", "Setup"})
_EXPENDABLE = frozenset({"Stopped", "Error", "Shutdown", "Unknown"})

NewRouter = Callable[[], Router]


class StartError(Exception):
    """A router did not come up."""


class Orchestrator:
    """Operations on the network; the API's jobs call them, one restart at a time per network."""

    def __init__(self, profile: Profile, around: Surroundings, log: EventLog, new_router: NewRouter) -> None:
        self._profile, self._around, self._log_book, self._new_router = profile, around, log, new_router
        self._network = around.network
        self._machines: dict[str, VirtualRouter] = {}
        self._network_lock = asyncio.Lock()

    async def implement(self) -> None:
        """The network's first router, for a cloud that comes up. Raises StartError."""
        await self._start_new()

    async def restart_network(self, *, cleanup: bool, family: EventFamily) -> None:
        """restartNetwork; raises ApiError 431 or 530 as the job's result does."""
        kind = "NETWORK.RESTART"
        async with self._network_lock:
            family.add(kind, "Started", "Restarting network")
            if self._network.state not in _RESTARTABLE:
                text = f"Network is not in the right state to be restarted. Correct states are: {_RESTARTABLE}"
                family.add(kind, "Completed", "Error while restarting network", level="ERROR")
                raise ApiError(PARAMETER, text)
            try:
                if not cleanup:
                    await self._reapply()
                elif self._profile.rolling:
                    await self._rolling(family)
                else:
                    await self._destroy_first(family)
            except (StartError, LabError) as error:
                _log.warning("restart of %s failed: %s", self._network.name, error)
                self._network.restart_required = True
                # The orchestrator returns false, and only exceptions become an ERROR event: the event says success.
                family.add(kind, "Completed", "Successfully completed restarting network")
                raise ApiError(INTERNAL, "Failed to restart network") from error
            self._network.restart_required = not cleanup and self._profile.restart_required_after_reapply
            family.add(kind, "Completed", "Successfully completed restarting network")

    async def reboot_router(self, router: Router, family: EventFamily) -> None:
        """rebootRouter: stop, then start with everything programmed anew. Raises ApiError."""
        kind = "ROUTER.REBOOT"
        async with self._network_lock:
            family.add(kind, "Started", "rebooting router Vm")
            if router.state != "Running":
                family.add(kind, "Completed", "Error while rebooting router Vm", level="ERROR")
                raise ApiError(RESOURCE_UNAVAILABLE, "Unable to reboot domR, it is not in right state " + router.state)
            try:
                await self._stop(router)
                await self._start(router)
            except (StartError, LabError) as error:
                family.add(kind, "Completed", "Error while rebooting router Vm", level="ERROR")
                raise ApiError(INTERNAL, "Failed to reboot domR") from error
            family.add(kind, "Completed", "Successfully completed rebooting router Vm")

    async def _rolling(self, family: EventFamily) -> None:
        """A new router beside the old one; the old one goes when the new one runs."""
        for router in [router for router in self._network.routers if router.state in _EXPENDABLE]:
            await self._expunge(router)
        old = list(self._network.routers)
        fresh = await self._start_new()
        for router in old:
            family.add("ROUTER.STOP", "Started", "stopping router Vm")
            await self._stop(router)
            family.add("ROUTER.STOP", "Completed", "Successfully completed stopping router Vm")
            await self._expunge(router)
        await self._machine(fresh).configure()  # implementNetworkElementsAndResources: all rules once more

    async def _destroy_first(self, family: EventFamily) -> None:
        """Rules away, router away, then everything anew: the network is down for the whole deployment."""
        for router in list(self._network.routers):
            family.add("ROUTER.STOP", "Started", "stopping router Vm")
            if router.state == "Running":
                await self._machine(router).revoke()
                await self._stop(router)
            family.add("ROUTER.STOP", "Completed", "Successfully completed stopping router Vm")
            await self._expunge(router)
        await self._start_new()

    async def _reapply(self) -> None:
        """cleanup=false: a running router gets all rules again, a missing or stopped one is started."""
        if not self._network.routers:
            await self._start_new()
            return
        for router in self._network.routers:
            if router.state == "Running":
                await self._machine(router).configure()
            else:
                await self._start(router)

    async def _start_new(self) -> Router:
        router = self._new_router()
        self._network.routers.append(router)
        await self._start(router)
        return router

    async def _start(self, router: Router) -> None:
        """Deploy, boot, configure; `Running` only after the whole configuration. Raises StartError."""
        router.state = "Starting"
        machine = self._machine(router)
        try:
            await machine.deploy()
            await machine.boot()
            if self._around.faults.is_set("restart-fails"):
                raise LabError("the configuration was refused (fault restart-fails)")
            await machine.configure()
        except LabError as error:
            await destroyed(machine)
            router.state = "Stopped"
            number, name = ROUTER_ALERT
            text = f"Command: org.apache.cloudstack.vm.VmWorkStart failed on router {router.name}: {error}"
            self._log_book.alerts.append(Alert(records.new_id(self._around.rng), number, name, text))
            raise StartError(str(error)) from error
        router.state = "Running"
        router.template_version = self._profile.template
        router.scripts_version = self._profile.scripts_checksum
        router.software_version = self._profile.code_version

    async def _stop(self, router: Router) -> None:
        router.state = "Stopping"
        await self._machine(router).destroy()
        await self._around.pace.wait(timing.ROUTER_STOP_S)
        router.state = "Stopped"

    async def _expunge(self, router: Router) -> None:
        await destroyed(self._machine(router))
        self._network.routers.remove(router)
        self._machines.pop(router.id, None)

    def _machine(self, router: Router) -> VirtualRouter:
        return self._machines.setdefault(router.id, VirtualRouter(router, self._around))
