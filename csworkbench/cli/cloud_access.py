# SPDX-License-Identifier: Apache-2.0
"""A cloud by name, for commands that only look: its client, and what an upgrade has to know of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from csworkbench.cloudstack import Client, Surroundings, read_target
from csworkbench.cloudstack.budget import CALLS_PER_SECOND
from csworkbench.cloudstack.fleet import Progress, Scope, read_fleet, scope_of
from csworkbench.config.clouds import Cloud
from csworkbench.model.cloud import Inventory
from csworkbench.model.operation import LivePatch, Restart
from csworkbench.model.scenario import Scenario
from csworkbench.upgrade.facts import Facts, Route, Target

from .profile import open_client, profile_of


@dataclass(frozen=True, slots=True)
class Opened:
    """A client and the cloud that it speaks to."""

    client: Client
    cloud: Cloud


@asynccontextmanager
async def open_cloud(
    name: str, calls_per_second: int = CALLS_PER_SECOND, *, may_ask: bool = True
) -> AsyncIterator[Opened]:
    """The cloud of that name; `lab` is the test cloud that is up. Raises ConfigError."""
    cloud = (await profile_of(name)).cloud
    around = Surroundings(calls_per_second=calls_per_second)
    async with open_client(cloud, around=around, may_ask=may_ask) as client:
        yield Opened(client, cloud)


async def read_facts(client: Client, scenario: Scenario | None, progress: Progress) -> Facts:
    """Of the whole cloud, or of what a scenario operates on. Raises CloudStackError and its BadTarget."""
    if scenario is None:
        return Facts(await read_fleet(client, progress=progress))
    return await scenario_facts(client, scenario, await read_target(client, *scenario.target), progress)


async def scenario_facts(client: Client, scenario: Scenario, inventory: Inventory, progress: Progress) -> Facts:
    """What bears on the scenario's target. Raises CloudStackError."""
    scope, name = await _scope(client, inventory)
    cleanup, live_patch = _manner(scenario)
    target = Target(
        network_id=scope.network_id,
        vpc_id=scope.vpc_id,
        name=name,
        cleanup=cleanup,
        live_patch=live_patch,
        vm_id=inventory.systemvms[0].id if inventory.systemvms else inventory.target_router,
        zone_id=scope.zone_id,
    )
    return Facts(await read_fleet(client, scope, progress), target, routes(scenario, inventory))


async def _scope(client: Client, inventory: Inventory) -> tuple[Scope, str]:
    if inventory.systemvms:
        return Scope(zone_id=inventory.systemvms[0].zone_id), inventory.name
    if inventory.vpc is not None:
        return Scope(vpc_id=inventory.vpc.id, project_id=inventory.vpc.project_id), inventory.name
    return await scope_of(client, inventory.network.id)


def _manner(scenario: Scenario) -> tuple[bool | None, bool | None]:
    """(cleanup, live patch) as the checks want to know it: None where the operation does not tell."""
    match scenario.operation.chosen:
        case None:
            return None, None
        case Restart(cleanup=cleanup, makeredundant=redundant, livepatch=patch):
            return cleanup or redundant, patch
        case LivePatch():
            return False, True
        case _:
            return None, False


def routes(scenario: Scenario, inventory: Inventory) -> tuple[Route, ...]:
    """How SSH reaches each vantage: a forwarded port leads through the router under test, a proxy command may not."""
    found = []
    tenants, outside = scenario.vantages.tenants, scenario.vantages.outside
    if tenants is not None:
        names = None if tenants.vms in ("all", ("all",)) else set(tenants.vms)
        routers = ", ".join(router.name for router in inventory.routers)
        ports = {rule.vm_id: rule.public_ip for rule in inventory.forwardings if rule.private_port == tenants.port}
        found += [
            Route(vm.name, ports[vm.id], "" if tenants.proxy_command else routers)
            for vm in inventory.vms
            if vm.id in ports and (names is None or vm.name in names)
        ]
    if outside is not None:
        found.append(Route("outside", "", ""))
    return tuple(found)


def facts_for(facts: Facts, scenario: Scenario, inventory: Inventory) -> Facts:
    """The same facts for another operation, or other vantages, on the same target; asks nobody."""
    if facts.target is None:
        return facts
    cleanup, live_patch = _manner(scenario)
    vm_id = inventory.systemvms[0].id if inventory.systemvms else inventory.target_router
    target = replace(facts.target, cleanup=cleanup, live_patch=live_patch, vm_id=vm_id)
    return Facts(facts.fleet, target, routes(scenario, inventory))
