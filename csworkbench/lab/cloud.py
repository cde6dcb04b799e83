# SPDX-License-Identifier: Apache-2.0
"""A whole cloud: fabric, tenants, router and management server, put together."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any

from csworkbench.lab import fleet, hostile, ipv6, plan, provider, records, topologies
from csworkbench.lab.deployment import Deployment, StartError
from csworkbench.lab.events import EventLog
from csworkbench.lab.fabric import Fabric
from csworkbench.lab.fault_actions import FaultActions
from csworkbench.lab.faults import Faults
from csworkbench.lab.health_watch import HealthWatch
from csworkbench.lab.hosts import Host, LabError, first_error
from csworkbench.lab.jobs import Jobs
from csworkbench.lab.launch import Namespaces
from csworkbench.lab.livepatch import LivePatch
from csworkbench.lab.management import Fixtures, Management
from csworkbench.lab.memory import memory_mb
from csworkbench.lab.options import Options
from csworkbench.lab.orchestrator import Orchestrator
from csworkbench.lab.records import Router, Served
from csworkbench.lab.role_watch import RoleWatch
from csworkbench.lab.settings import HANDOVER, Settings
from csworkbench.lab.state import StateDirectory
from csworkbench.lab.systemvm_manager import SystemVms
from csworkbench.lab.tenants import Tenants
from csworkbench.lab.timing import Pace
from csworkbench.lab.vr import Surroundings
from csworkbench.lab.witness_control import Witnessing

_SERVICE_PORTS = {"dns": 53, "metadata": 80}
"""Services of the router for its guests that can be cut off by their port."""
BREAK_PATHS = ("egress", "ingress", "all", *_SERVICE_PORTS, "balancer")
_LONGEST_BREAK_MS = 3_600_000
_AT_ONCE = 8
"""Machines that start at a time: more of them only wait for the kernel's network lock, and for each other."""


class Cloud:
    """The running cloud; made by `bring_up`."""

    def __init__(
        self,
        namespaces: Namespaces,
        management: Management,
        fabric: Fabric,
        faults: FaultActions,
        user_key: Path,
    ) -> None:
        self.namespaces = namespaces
        self.management = management
        self.fabric = fabric
        self.faults = faults
        self.truth: list[dict[str, Any]] = []
        """Every outage made so far, in the form that `lab break` prints."""
        self.witnessing = Witnessing(self.host, management.network, user_key)
        self._watching: list[asyncio.Task[None]] = []

    @classmethod
    async def bring_up(
        cls, options: Options, state: StateDirectory, namespaces: Namespaces, progress: Callable[[str], None]
    ) -> Cloud:
        """Build everything; returns when tenants answer and the router forwards. Raises LabError."""
        profile, rng = options.check(), state.rng()
        layout = topologies.build(options.topology, options.vms, rng, options.tenant_kinds)
        if options.hostile_names:
            hostile.rename(layout.networks)
        members = {member.served.id: member for member in fleet.extend(layout, options.fleet, rng)}
        fixtures = Fixtures.make(rng)
        fabric, faults = Fabric(namespaces), Faults()
        settings = Settings(profile)
        if options.handover != settings.value(HANDOVER):
            settings.change(HANDOVER, options.handover)
        for name, value in options.settings:
            settings.change(name, value)
        around = Surroundings(fabric, Pace(0.0), faults, rng, settings, at_once=True)
        numbers = itertools.count(plan.FIRST_INSTANCE + len(layout.vms))

        def new_router(served: Served) -> Router:
            return plan.new_router(served, next(numbers), rng)

        log = EventLog()
        live_patch = LivePatch(fabric.control, settings, faults)
        routers = Deployment(settings, around, log, new_router, live_patch)
        orchestrator = Orchestrator(settings, around, routers, live_patch)
        key, secret = state.api_keys()
        jobs = Jobs(lambda: records.new_id(rng), Pace(options.scale))
        management = Management(
            settings, key, secret, layout.networks, layout.vpcs, fixtures, rng, log, jobs, orchestrator
        )
        management.use_faults(faults)
        tenants = management.tenants = Tenants(fabric, layout.networks, state, lambda: next(numbers))
        system_vms = management.system_vms = SystemVms(settings, around, log, live_patch)
        actions = FaultActions(around, management, orchestrator, tenants)
        cloud = cls(namespaces, management, fabric, actions, state.user_key)
        progress(f"{len(layout.vms)} tenants and {layout.router_count} routers")
        bridges = [network.bridge for network in layout.networks]
        servers = {network.server for network in layout.networks}
        keys, _ = await asyncio.gather(tenants.keys(), fabric.build(bridges, servers))
        await provider.connect(fabric, layout.networks)
        for served in management.served:
            served.zone_id = fixtures.zone
        for network in layout.networks:
            network.public_key = next(iter(keys.values())).authorized.strip()
        await _start_all(
            [
                system_vms.bring_up(lambda: next(numbers)),
                *(
                    member.start(orchestrator, settings, new_router)
                    if (member := members.get(served.id))
                    else orchestrator.implement(served)  # without waits: nobody measures a first start
                    for served in management.served
                ),
                *(tenants.start(vm, keys[vm.name]) for vm in layout.vms),
            ]
        )
        await provider.wait_for_ipv6(fabric, [vm for vm in layout.vms if vm.network.cidr6 is not None])
        watch = RoleWatch(around, orchestrator, log, lambda: management.served)
        await watch.look()
        for member in members.values():
            for router in member.served.routers:
                if router.state == records.RUNNING:
                    await management.health.check(router)
        around.pace, around.at_once = Pace(options.scale), False
        cloud._watching = [asyncio.create_task(run()) for run in (watch.run, HealthWatch(around.pace, management).run)]
        return cloud

    def host(self, name: str) -> Host:
        """A host by name; raises LabError that lists the names there are."""
        try:
            return self.fabric.hosts[name]
        except KeyError:
            raise LabError(f"no host {name!r}; there are {', '.join(sorted(self.fabric.hosts))}") from None

    async def cut(self, path: str, length_ms: int) -> dict[str, Any]:
        """An exactly timed outage of that path at the provider's router or the guests' switch; raises LabError."""
        if path not in BREAK_PATHS:
            raise LabError(f"unknown path {path!r}; there are {', '.join(BREAK_PATHS)}")
        if not 1 <= length_ms <= _LONGEST_BREAK_MS:
            raise LabError(f"--ms must be 1 to {_LONGEST_BREAK_MS}")
        if path in _SERVICE_PORTS:
            switch = self.namespaces.fab
            ports = [_SERVICE_PORTS[path]]
            stamps = await switch.call("cut_ports", ports=ports, length_ms=length_ms, clock_offset_s=0)
        else:
            cut = {"addresses": self._cut_addresses(path), "length_ms": length_ms, "clock_offset_s": 0}
            stamps = await self.host("gateway").call("cut", **cut)
        made = {"path": path, **stamps, "clock": "monotonic"}
        self.truth.append(made)
        return made

    def _cut_addresses(self, path: str) -> list[str]:
        """The public addresses of a path. With static NAT a VM leaves by its own address: that is egress then.

        The VMs of a shared network have one address for both directions: any path cuts both.
        """
        ips, balancers = (
            self.management.ips,
            [rule for network in self.management.networks for rule in network.balancers],
        )
        direct = [vm.address for vm in self.management.vms if vm.network.kind == "Shared"]
        match path:
            case "all":
                return [*(ip.address for ip in ips), *direct]
            case "balancer" if balancers:
                return sorted({rule.ip.address for rule in balancers})
            case "balancer":
                raise LabError("there is no load balancer rule")
        outbound = [ip.address for ip in ips if ip.source_nat or ip.static_nat is not None]
        inbound = [ip.address for ip in ips if ip.address not in outbound]
        return [*(outbound if path == "egress" else inbound), *direct]

    async def close(self) -> None:
        """End the jobs and what runs by itself; the namespaces are left to whoever started them."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await self.management.jobs.close()
        if self.management.system_vms is not None:
            await self.management.system_vms.close()


async def _start_all(starts: Collection[Awaitable[None]]) -> None:
    """A few at a time. Raises LabError with the first failure."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def limited(work: Awaitable[None]) -> None:
        async with gate:
            await work

    try:
        async with asyncio.TaskGroup() as tasks:
            for start in starts:
                tasks.create_task(limited(start))
    except ExceptionGroup as errors:  # not `except*`, which would put what is raised here into a group again
        first = first_error(errors)
        if isinstance(first, LabError | StartError):
            raise LabError(str(first)) from errors
        raise


def describe(cloud: Cloud, options: Options, state: StateDirectory, **more: object) -> dict[str, Any]:
    """The info object of `lab up --json` and `lab status --json`."""
    words = [sys.executable, "-m", "csworkbench", "lab", "--state", str(state.path), "exec", "outside", "--"]
    return {
        "state": "up",
        **more,
        "supervisor_pid": cloud.namespaces.supervisor_pid,
        "profile": options.profile,
        "topology": options.topology,
        "scale": options.scale,
        "vms": options.vms,
        "networks": len(cloud.management.networks),
        "memory_mb": memory_mb(os.getpid()),
        "key": cloud.management.key,
        "secret": cloud.management.secret,
        "accounts": cloud.management.accounts.listing(),
        "network": cloud.management.network.name,
        **({"vpc": cloud.management.vpcs[0].name} if cloud.management.vpcs else {}),
        "egress_target": plan.OUTSIDE_HOST,
        **({"egress_target6": str(ipv6.OUTSIDE_HOST)} if any(n.cidr6 for n in cloud.management.networks) else {}),
        "connect_socket": str(state.connect_socket),
        "ssh": {"user": "ops", "key": str(state.user_key), "known_hosts": str(state.known_hosts)},
        "outside": {"exec": words},
    }
