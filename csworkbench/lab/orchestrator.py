# SPDX-License-Identifier: Apache-2.0
"""What the management server does to a network: the sequences of NetworkOrchestrator, on real routers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, replace

from csworkbench.lab import timing
from csworkbench.lab.api.errors import INSUFFICIENT_CAPACITY, INTERNAL, PARAMETER, RESOURCE_UNAVAILABLE, ApiError
from csworkbench.lab.deployment import CapacityError, Deployment, StartError
from csworkbench.lab.events import EventFamily
from csworkbench.lab.handover import chosen
from csworkbench.lab.hosts import LabError
from csworkbench.lab.livepatch import LivePatch, PatchTarget, patch_routers
from csworkbench.lab.profiles import Profile
from csworkbench.lab.records import Network, Router, Served, Vpc
from csworkbench.lab.redundancy import State
from csworkbench.lab.rules import Stage
from csworkbench.lab.settings import Settings
from csworkbench.lab.vr import Surroundings, VirtualRouter

_log = logging.getLogger(__name__)
_RESTARTABLE = frozenset({"Implemented", "Setup"})
_EXPENDABLE = frozenset({"Stopped", "Error", "Shutdown", "Unknown"})

_ELECTION_LIMIT_S = 30.0


class OutdatedError(LabError):
    """The router needs an upgrade, so no command is sent to it."""


@dataclass(frozen=True, slots=True)
class Restart:
    """What a restart was asked to do."""

    cleanup: bool = False
    make_redundant: bool = False
    live_patch: bool = False

    @property
    def anew(self) -> bool:
        """With new routers: making a network redundant is a restart with cleanup."""
        return self.cleanup or self.make_redundant

    def of(self, served: Served) -> Restart:
        """The same where it changes something: what is redundant already is not made redundant again."""
        return replace(self, make_redundant=self.make_redundant and not served.redundant)


class Orchestrator:
    """Operations on networks and VPCs; the API's jobs call them, one at a time for each of these."""

    def __init__(self, settings: Settings, around: Surroundings, routers: Deployment, live_patch: LivePatch) -> None:
        self._settings, self._around, self._routers, self._live_patch = settings, around, routers, live_patch
        self._locks: dict[str, asyncio.Lock] = {}

    @property
    def routers(self) -> Deployment:
        """The machines."""
        return self._routers

    @property
    def agent_release(self) -> Profile:
        """The release of the hypervisor's agent."""
        return self._live_patch.agent_release

    def machine(self, router: Router) -> VirtualRouter:
        """The machine behind a router's row."""
        return self._routers.machine(router)

    async def implement(self, served: Served) -> None:
        """The first routers, for a cloud that comes up; returns when they forward. Raises StartError."""
        await self._complete(served)
        halves = [self.machine(router).redundancy for router in served.routers]
        waiting = [asyncio.create_task(half.wait_for(State.PRIMARY)) for half in halves if half is not None]
        if waiting:
            _, others = await asyncio.wait(waiting, timeout=_ELECTION_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
            for task in others:
                task.cancel()
            if len(others) == len(waiting):
                raise StartError(f"no router of {served.name} becomes PRIMARY")

    async def release(self, served: Served) -> None:
        """Destroy all its routers: it is deleted, or could not be implemented."""
        async with self._lock(served):
            for router in list(served.routers):
                if router.state not in _EXPENDABLE:
                    await self._routers.stop(router, forced=True)
                await self._routers.expunge(router)

    async def change_offering(
        self, network: Network, *, redundant: bool, in_sequence: bool, family: EventFamily
    ) -> None:
        """One router or two from now on: all go first, or one after the other. Raises ApiError 530."""
        async with self._lock(network):
            network.redundant = redundant
            try:
                await (self._rolling(network, family) if in_sequence else self._destroy_first(network, family))
            except (StartError, LabError) as error:
                network.restart_required = True
                text = (
                    "Failed to implement network (with specified id) elements and resources as a part of network update"
                )
                raise ApiError(INTERNAL, text) from error

    async def restart_network(self, network: Network, restart: Restart, family: EventFamily) -> None:
        """restartNetwork; raises ApiError 431 or 530 as the job's result does."""
        kind = "NETWORK.RESTART"
        async with self._lock(network.served):
            family.add(kind, "Started", "Restarting network")
            try:
                self._check(network, restart)
            except ApiError:
                family.add(kind, "Completed", "Error while restarting network", level="ERROR")
                raise
            restart = restart.of(network)
            network.redundant |= restart.make_redundant
            work = self._restart(network, restart, family)
            await self._restarted(network, family, kind, "Failed to restart network", work)
            network.restart_required = not restart.anew and self._settings.profile.restart_required_after_reapply

    async def restart_vpc(self, vpc: Vpc, restart: Restart, family: EventFamily) -> None:
        """restartVPC; it writes no Started event. Raises ApiError 530 as the job's result does."""
        async with self._lock(vpc):
            restart = restart.of(vpc)
            vpc.redundant |= restart.make_redundant
            work = self._restart_vpc(vpc, restart, family)
            await self._restarted(vpc, family, "VPC.RESTART", "Failed to restart VPC", work)
            vpc.restart_required = False

    def _check(self, network: Network, restart: Restart) -> None:
        """What a restart refuses, inside its job. Raises ApiError 431."""
        if network.vpc is not None and restart.cleanup and self._settings.profile.has(4, 16, 1):
            raise ApiError(PARAMETER, "Cannot restart a VPC tier with cleanup, please restart the whole VPC.")
        if network.state not in _RESTARTABLE:
            correct = ", ".join(sorted(_RESTARTABLE))
            text = f"Network is not in the right state to be restarted. Correct states are: {correct}"
            raise ApiError(PARAMETER, text)
        if restart.make_redundant and (network.vpc is not None or network.kind != "Isolated"):
            raise ApiError(PARAMETER, "The network offering of this network has no redundant router capability")

    async def _restarted(
        self, served: Served, family: EventFamily, kind: str, text: str, work: Coroutine[None, None, None]
    ) -> None:
        """Run it to its Completed event. Raises ApiError 530."""
        done = f"Successfully completed restarting {'VPC' if isinstance(served, Vpc) else 'network'}"
        try:
            await work
        except (StartError, LabError) as error:
            _log.warning("restart of %s failed: %s", served.name, error)
            served.restart_required = True
            # The orchestrator returns false, and only exceptions become an ERROR event: the event says success.
            family.add(kind, "Completed", done)
            raise ApiError(INTERNAL, text) from error
        family.add(kind, "Completed", done)

    async def _restart(self, served: Served, restart: Restart, family: EventFamily) -> None:
        """With cleanup new routers: for a tier those of its VPC, so all tiers feel it (refused from 4.16.1 on)."""
        if not restart.anew:
            await self._reapply(served, live_patch=restart.live_patch)
            return
        whole = _whole(served)
        if self._settings.profile.rolling and self._settings.flag("network.rolling.restart"):
            await self._rolling(whole, family)
        else:
            await self._destroy_first(whole, family)
        if whole is not served:
            await self._program(served)

    async def _restart_vpc(self, vpc: Vpc, restart: Restart, family: EventFamily) -> None:
        if restart.anew:
            await self._restart(vpc, restart, family)
            return
        for tier in vpc.tiers:
            if tier.restart_required or restart.live_patch:  # each tier patches the routers of the whole VPC again
                await self._reapply(tier, live_patch=restart.live_patch)
                tier.restart_required = False
        await self._complete(vpc)

    def _lock(self, served: Served) -> asyncio.Lock:
        return self._locks.setdefault(_whole(served).id, asyncio.Lock())

    async def reboot_router(self, router: Router, family: EventFamily, *, forced: bool) -> None:
        """rebootRouter: stop, then start with everything programmed anew. Raises ApiError 530, 533 or 534."""
        kind = "ROUTER.REBOOT"
        async with self._lock(router.served):
            family.add(kind, "Started", "rebooting router Vm")
            if router.state != "Running":
                family.add(kind, "Completed", "Error while rebooting router Vm", level="ERROR")
                raise ApiError(RESOURCE_UNAVAILABLE, "Unable to reboot domR, it is not in right state " + router.state)
            try:
                await self._routers.stop(router, forced=forced)
                await self._routers.start(router)
            except (StartError, LabError) as error:
                family.add(kind, "Completed", "Error while rebooting router Vm", level="ERROR")
                raise _told(error, "Failed to reboot domR") from error
            family.add(kind, "Completed", "Successfully completed rebooting router Vm")

    async def stop_router(self, router: Router, family: EventFamily, *, forced: bool) -> None:
        """stopRouter; a router that is off stays off. Raises ApiError 431 when it is gone."""
        kind, what = f"{_event_prefix(router)}.STOP", f"stopping {_called(router)}"
        async with self._lock(router.served):
            self._require_row(router)
            family.add(kind, "Started", what)
            if router.state not in _EXPENDABLE:
                await self._routers.stop(router, forced=forced)
            family.add(kind, "Completed", f"Successfully completed {what}")

    async def start_router(self, router: Router, family: EventFamily) -> None:
        """startRouter with full programming; nothing happens to a running one. Raises ApiError 431, 530 or 533."""
        kind, what = f"{_event_prefix(router)}.START", f"starting {_called(router)}"
        async with self._lock(router.served):
            self._require_row(router)
            family.add(kind, "Started", what)
            try:
                if router.state != "Running":
                    await self._routers.start(router)
            except StartError as error:
                family.add(kind, "Completed", f"Error while {what}", level="ERROR")
                raise _told(error, "Failed to start router") from error
            family.add(kind, "Completed", f"Successfully completed {what}")

    async def destroy_router(self, router: Router) -> None:
        """destroyRouter: power off at once and expunge; nobody replaces it. Raises ApiError 431 when it is gone."""
        async with self._lock(router.served):
            self._require_row(router)
            if router.state not in _EXPENDABLE:
                await self._routers.stop(router, forced=True)
            router.state = "Expunging"
            await self._routers.expunge(router)

    async def _rolling(self, served: Served, family: EventFamily) -> None:
        """A new router beside the old one; the old one goes when the new one runs. A pair gets its second one after."""
        for router in [router for router in served.routers if router.state in _EXPENDABLE]:
            await self._routers.expunge(router)
        if len(served.routers) > 1:
            backups = [router for router in served.routers if router.redundant_state == "BACKUP"]
            backup = (backups or served.routers)[-1]
            await self._routers.stop(backup, forced=True)  # no event is written for this one
            await self._routers.expunge(backup)
        old = list(served.routers)
        handover = chosen(self._around, [self.machine(router) for router in old])
        fresh = await self._routers.start_new(served, handover)
        if served.redundant or any(router.redundant for router in old):
            await self._around.pace.wait(timing.RVR_HANDOVER_S)
        for router in [] if self._around.faults.is_set("duplicate-routers") else old:
            family.add("ROUTER.STOP", "Started", "stopping router Vm")
            await self._routers.stop(router, forced=True)
            family.add("ROUTER.STOP", "Completed", "Successfully completed stopping router Vm")
            await self._routers.expunge(router)
        await self._complete(served)
        if isinstance(served, Vpc):
            for router in served.routers:
                await self.machine(router).apply(Stage.STATIC_NAT)  # reconfigStaticNatForVpcVr
        elif not served.redundant and handover is None:
            await self._configure(fresh)  # implementNetworkElementsAndResources: all rules once more

    async def _destroy_first(self, served: Served, family: EventFamily) -> None:
        """Rules away, routers away, then everything anew: the network is down for the whole deployment."""
        for router in list(served.routers):
            family.add("ROUTER.STOP", "Started", "stopping router Vm")
            if router.state == "Running":
                if not self._settings.refuses(router):
                    await _revoked(self.machine(router))
                await self._routers.stop(router, forced=True)
            family.add("ROUTER.STOP", "Completed", "Successfully completed stopping router Vm")
            await self._routers.expunge(router)
        await self._complete(served)

    async def _reapply(self, served: Served, *, live_patch: bool) -> None:
        """cleanup=false, maybe after a patch: running routers get all rules again, missing or stopped ones are started.

        For a tier these are the routers of its VPC and its own internal load balancers.
        """
        whole = _whole(served)
        if live_patch:
            routers = [router for group in dict.fromkeys((whole, served)) for router in group.routers]
            await patch_routers(self._live_patch, routers, self._patch_target)
        await self._program(whole)
        if whole is not served:
            await self._program(served)

    async def _program(self, served: Served) -> None:
        """Its own routers get all rules again; stopped or missing ones are started."""
        for router in [router for router in served.routers if router.state == "Running"]:
            await self._configure(router)
        await self._complete(served)

    async def _complete(self, served: Served) -> None:
        """As many running routers as there shall be."""
        for router in [router for router in served.routers if router.state in _EXPENDABLE]:
            await self._routers.start(router)
        while len(served.routers) < served.routers_wanted:
            await self._routers.start_new(served)

    def _patch_target(self, router: Router) -> PatchTarget:
        return PatchTarget(self.machine(router).host, router.control.address, router.kind)

    async def _configure(self, router: Router) -> None:
        """All rules again; raises OutdatedError instead when the router needs an upgrade."""
        if self._settings.refuses(router):
            raise OutdatedError(f"Unable to send command. Router requires upgrade: {router.name}")
        await self.machine(router).configure()

    def _require_row(self, router: Router) -> None:
        """It may have gone while the job waited."""
        if router not in router.served.routers:
            raise ApiError(PARAMETER, f"Unable to find router by id {router.id}.")


def _whole(served: Served) -> Served:
    """What a tier is part of: its VPC, whose router is its own; else the network or VPC itself."""
    return served.served if isinstance(served, Network) else served


def _event_prefix(router: Router) -> str:
    return "INTERNALLBVM" if router.role == "INTERNAL_LB_VM" else "ROUTER"


def _called(router: Router) -> str:
    """As event descriptions call it."""
    return "internal lb vm" if router.role == "INTERNAL_LB_VM" else "router Vm"


async def _revoked(machine: VirtualRouter) -> None:
    """Its rules taken away; one that does not answer is destroyed with them."""
    try:
        await machine.revoke()
    except LabError as error:
        _log.warning("%s: %s", machine.row.name, error)


def _told(error: Exception, text: str) -> ApiError:
    """The job's error for a router that did not start."""
    if isinstance(error, CapacityError):
        return ApiError(INSUFFICIENT_CAPACITY, str(error), 4335)
    return ApiError(INTERNAL, text)
