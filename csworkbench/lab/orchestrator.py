# SPDX-License-Identifier: Apache-2.0
"""What the management server does to a network: the sequences of NetworkOrchestrator, on real routers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from csworkbench.lab import records, timing
from csworkbench.lab.api.errors import INSUFFICIENT_CAPACITY, INTERNAL, PARAMETER, RESOURCE_UNAVAILABLE, ApiError
from csworkbench.lab.events import ROUTER_ALERT, Alert, EventFamily, EventLog
from csworkbench.lab.hosts import LabError
from csworkbench.lab.records import Router
from csworkbench.lab.settings import Settings
from csworkbench.lab.vr import Surroundings, VirtualRouter, destroyed

_log = logging.getLogger(__name__)
_RESTARTABLE = frozenset({"Implemented", "Setup"})
_EXPENDABLE = frozenset({"Stopped", "Error", "Shutdown", "Unknown"})

NewRouter = Callable[[], Router]


class StartError(Exception):
    """A router did not come up."""


class CapacityError(StartError):
    """No host has room for the router."""


class OutdatedError(LabError):
    """The router needs an upgrade, so no command is sent to it."""


class Orchestrator:
    """Operations on the network; the API's jobs call them, one restart at a time per network."""

    def __init__(self, settings: Settings, around: Surroundings, log: EventLog, new_router: NewRouter) -> None:
        self._settings, self._around, self._log_book, self._new_router = settings, around, log, new_router
        self._network = around.network
        self._machines: dict[str, VirtualRouter] = {}
        self._network_lock = asyncio.Lock()
        self.started_s: dict[str, float] = {}
        """When each router became Running, by id (CLOCK_MONOTONIC)."""

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
            profile = self._settings.profile
            try:
                if not cleanup:
                    await self._reapply()
                elif profile.rolling and self._settings.flag("network.rolling.restart"):
                    await self._rolling(family)
                else:
                    await self._destroy_first(family)
            except (StartError, LabError) as error:
                _log.warning("restart of %s failed: %s", self._network.name, error)
                self._network.restart_required = True
                # The orchestrator returns false, and only exceptions become an ERROR event: the event says success.
                family.add(kind, "Completed", "Successfully completed restarting network")
                raise ApiError(INTERNAL, "Failed to restart network") from error
            self._network.restart_required = not cleanup and profile.restart_required_after_reapply
            family.add(kind, "Completed", "Successfully completed restarting network")

    async def reboot_router(self, router: Router, family: EventFamily, *, forced: bool) -> None:
        """rebootRouter: stop, then start with everything programmed anew. Raises ApiError 530, 533 or 534."""
        kind = "ROUTER.REBOOT"
        async with self._network_lock:
            family.add(kind, "Started", "rebooting router Vm")
            if router.state != "Running":
                family.add(kind, "Completed", "Error while rebooting router Vm", level="ERROR")
                raise ApiError(RESOURCE_UNAVAILABLE, "Unable to reboot domR, it is not in right state " + router.state)
            try:
                await self._stop(router, forced=forced)
                await self._start(router)
            except (StartError, LabError) as error:
                family.add(kind, "Completed", "Error while rebooting router Vm", level="ERROR")
                raise _told(error, "Failed to reboot domR") from error
            family.add(kind, "Completed", "Successfully completed rebooting router Vm")

    async def stop_router(self, router: Router, family: EventFamily, *, forced: bool) -> None:
        """stopRouter; a router that is off stays off. Raises ApiError 431 when it is gone."""
        kind = "ROUTER.STOP"
        async with self._network_lock:
            self._require_row(router)
            family.add(kind, "Started", "stopping router Vm")
            if router.state not in _EXPENDABLE:
                await self._stop(router, forced=forced)
            family.add(kind, "Completed", "Successfully completed stopping router Vm")

    async def start_router(self, router: Router, family: EventFamily) -> None:
        """startRouter with full programming; nothing happens to a running one. Raises ApiError 431, 530 or 533."""
        kind = "ROUTER.START"
        async with self._network_lock:
            self._require_row(router)
            family.add(kind, "Started", "starting router Vm")
            try:
                if router.state != "Running":
                    await self._start(router)
            except StartError as error:
                family.add(kind, "Completed", "Error while starting router Vm", level="ERROR")
                raise _told(error, "Failed to start router") from error
            family.add(kind, "Completed", "Successfully completed starting router Vm")

    async def destroy_router(self, router: Router) -> None:
        """destroyRouter: power off at once and expunge; nobody replaces it. Raises ApiError 431 when it is gone."""
        async with self._network_lock:
            self._require_row(router)
            if router.state not in _EXPENDABLE:
                await self._stop(router, forced=True)
            router.state = "Expunging"
            await self._expunge(router)

    def machine(self, router: Router) -> VirtualRouter:
        """The machine behind a router's row."""
        return self._machines.setdefault(router.id, VirtualRouter(router, self._around))

    async def _rolling(self, family: EventFamily) -> None:
        """A new router beside the old one; the old one goes when the new one runs."""
        for router in [router for router in self._network.routers if router.state in _EXPENDABLE]:
            await self._expunge(router)
        old = list(self._network.routers)
        fresh = await self._start_new()
        for router in old:
            family.add("ROUTER.STOP", "Started", "stopping router Vm")
            await self._stop(router, forced=True)
            family.add("ROUTER.STOP", "Completed", "Successfully completed stopping router Vm")
            await self._expunge(router)
        await self._configure(fresh)  # implementNetworkElementsAndResources: all rules once more

    async def _destroy_first(self, family: EventFamily) -> None:
        """Rules away, router away, then everything anew: the network is down for the whole deployment."""
        for router in list(self._network.routers):
            family.add("ROUTER.STOP", "Started", "stopping router Vm")
            if router.state == "Running":
                if not self._settings.refuses(router):
                    await self.machine(router).revoke()
                await self._stop(router, forced=True)
            family.add("ROUTER.STOP", "Completed", "Successfully completed stopping router Vm")
            await self._expunge(router)
        await self._start_new()

    async def _reapply(self) -> None:
        """cleanup=false: a running router gets all rules again, a missing or stopped one is started."""
        if not self._network.routers:
            await self._start_new()
            return
        for router in list(self._network.routers):
            if router.state == "Running":
                await self._configure(router)
            else:
                await self._start(router)

    async def _configure(self, router: Router) -> None:
        """All rules again; raises OutdatedError instead when the router needs an upgrade."""
        if self._settings.refuses(router):
            raise OutdatedError(f"Unable to send command. Router requires upgrade: {router.name}")
        await self.machine(router).configure()

    async def _start_new(self) -> Router:
        router = self._new_router()
        self._network.routers.append(router)
        await self._start(router)
        return router

    async def _start(self, router: Router) -> None:
        """Deploy, boot, configure; `Running` only after the whole configuration. Raises StartError.

        The disk is made anew when the registered template is another one, and the code is copied at each start: so a
        started router is up to date.
        """
        if self._around.faults.is_set("no-capacity"):
            router.state = "Stopped"
            raise CapacityError(f"Unable to create a deployment for VM {router.name}")
        router.state = "Starting"
        template, release = self._settings.template, self._settings.profile
        machine = self.machine(router)
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
        router.template_version = template
        router.scripts_version = release.scripts_checksum
        router.software_version = release.code_version
        self.started_s[router.id] = time.monotonic()

    async def _stop(self, router: Router, *, forced: bool) -> None:
        """Forced: power off. Else the guest ends its services first and powers itself off."""
        router.state = "Stopping"
        machine = self.machine(router)
        if not forced:
            await _end_services(machine)
            await self._around.pace.wait(timing.ROUTER_SHUTDOWN_S)
        await machine.destroy()
        await self._around.pace.wait(timing.ROUTER_STOP_S)
        router.state = "Stopped"
        self.started_s.pop(router.id, None)

    async def _expunge(self, router: Router) -> None:
        await destroyed(self.machine(router))
        self._network.routers.remove(router)
        self._machines.pop(router.id, None)

    def _require_row(self, router: Router) -> None:
        """It may have gone while the job waited."""
        if router not in self._network.routers:
            raise ApiError(PARAMETER, f"Unable to find router by id {router.id}.")


async def _end_services(machine: VirtualRouter) -> None:
    """SIGTERM to every process of the router but its first: what systemd does before it powers off."""
    try:
        await machine.host.run("sh", "-c", "kill -TERM -1", check=False)
    except LabError as error:
        _log.warning("%s: %s", machine.row.name, error)


def _told(error: Exception, text: str) -> ApiError:
    """The job's error for a router that did not start."""
    if isinstance(error, CapacityError):
        return ApiError(INSUFFICIENT_CAPACITY, str(error), 4335)
    return ApiError(INTERNAL, text)
