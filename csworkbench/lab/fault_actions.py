# SPDX-License-Identifier: Apache-2.0
"""Faults that do something at once: to the switch, to a running router, to a tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from csworkbench.lab import timing
from csworkbench.lab.announcements import silent_inside, silent_public
from csworkbench.lab.hosts import LabError
from csworkbench.lab.management import Management
from csworkbench.lab.orchestrator import Orchestrator
from csworkbench.lab.records import RUNNING, Vm
from csworkbench.lab.switch_faults import mute, split
from csworkbench.lab.tenants import Tenants
from csworkbench.lab.vr import Surroundings, VirtualRouter

_DISABLED, _FORWARDING = 0, 3
"""States of a bridge's port; in both the carrier stays."""


class FaultActions:
    """Switches faults, one at a time."""

    def __init__(
        self, around: Surroundings, management: Management, orchestrator: Orchestrator, tenants: Tenants
    ) -> None:
        self._faults = around.faults
        self._around, self._management, self._orchestrator = around, management, orchestrator
        self._tenants = tenants
        self._turn = asyncio.Lock()
        self._actions: dict[str, Callable[[bool], Awaitable[None]]] = {
            "no-garp": self._silence_pairs,
            "no-garp-inside": self._silence_pairs,
            "no-garp-public": self._silence_pairs,
            "both-primary": self._split,
            "router-hangs": self._hang,
            "router-frozen": self._freeze,
            "ssh-off": self._stop_ssh,
            "tenant-reboots": self._reboot_tenant,
        }

    async def change(self, name: str, *, on: bool) -> None:
        """Switch a fault and do at once what it means for what runs; raises LabError, and nothing is switched then."""
        async with self._turn:
            before = self._faults.is_set(name)
            self._faults.change(name, on=on)
            action = self._actions.get(name)
            if action is None:
                return
            try:
                await action(on)
            except LabError:
                self._faults.change(name, on=before)
                raise

    def listing(self) -> list[dict[str, object]]:
        """Every fault with its state, for `lab fault`."""
        return self._faults.listing()

    async def _silence_pairs(self, _on: bool) -> None:
        """keepalived announces by itself: what it sends for a pair is dropped at the switch."""
        pairs = [served for served in self._management.served if served.redundant]
        gateways = [network.gateway for served in pairs for network in served.networks]
        public = [ip.address for served in pairs for ip in served.held_ips]
        silenced = [
            *(gateways if silent_inside(self._faults) else []),
            *(public if silent_public(self._faults) else []),
        ]
        await mute(self._around.fabric, list(dict.fromkeys(silenced)))

    async def _split(self, on: bool) -> None:
        if on and not any(served.redundant and len(served.routers) > 1 for served in self._management.served):
            raise LabError("there is no redundant pair of routers")
        await split(self._around.fabric, on)

    async def _hang(self, on: bool) -> None:
        """Nothing gets in or out of the router, which notices nothing: its links stay up."""
        if on:
            machine = self._active_router()
            await self._set_ports(machine, _DISABLED)
            machine.held_by.add("router-hangs")
            return
        for machine in self._released("router-hangs"):
            await self._set_ports(machine, _FORWARDING)

    async def _freeze(self, on: bool) -> None:
        """Every process but PID 1 stops; the kernel forwards and answers ping."""
        if on:
            machine = self._active_router()
            await machine.host.run("sh", "-c", "kill -STOP -1")
            machine.held_by.add("router-frozen")
            return
        for machine in self._released("router-frozen"):
            await self._around.fabric.hosts[machine.row.name].run("sh", "-c", "kill -CONT -1")

    def _released(self, fault: str) -> list[VirtualRouter]:
        """The routers that it held until now; those that were started anew since are free of it."""
        machines = [self._orchestrator.machine(router) for router in self._management.routers]
        held = [machine for machine in machines if fault in machine.held_by]
        for machine in held:
            machine.held_by.discard(fault)
        return held

    async def _set_ports(self, machine: VirtualRouter, state: int) -> None:
        lines = "".join(f"link set dev {port.name} state {state}\n" for port in machine.ports())
        await self._around.fabric.namespaces.fab.run("bridge", "-batch", "-", text=lines)

    def _active_router(self) -> VirtualRouter:
        """The one that serves the first network; raises LabError when none does."""
        for router in self._management.network.served.routers:
            machine = self._orchestrator.machine(router)
            if router.state == RUNNING and not machine.held_by and machine.services.active:
                return machine
        raise LabError("no router is active and answers")

    async def _stop_ssh(self, on: bool) -> None:
        await self._tenants.serve_ssh(self._last_vm(), on=not on)

    async def _reboot_tenant(self, on: bool) -> None:
        """A machine that is new but for its addresses and its host keys. The API says Running all the time."""
        if not on:
            return
        vm = self._last_vm()
        try:
            await self._tenants.destroy(vm)
            await self._around.pace.wait(timing.TENANT_BOOT_S)
            if vm.state == RUNNING:  # else it was destroyed meanwhile
                await self._tenants.start(vm)
        finally:
            self._faults.change("tenant-reboots", on=False)

    def _last_vm(self) -> Vm:
        running = [vm for vm in self._management.vms if vm.state == RUNNING]
        if not running:
            raise LabError("no tenant runs")
        return running[-1]
