# SPDX-License-Identifier: Apache-2.0
"""What else tells how the routers are: health checks (4.14+) and states of rules (cloudstack-api.md 3.5, 3.8)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from csworkbench.model.cloud import Inventory, Router

from .client import Client, Value
from .envelope import flag, rows, string
from .errors import CloudStackError
from .inventory import unsettled
from .targets import read_again

HEALTH = "getRouterHealthCheckResults"
BALANCERS = "listLoadBalancerRules"
FRESH_LIMIT_S = 120.0
ROLES_LIMIT_S = 45.0  # the management server looks every router.check.interval, 30 s
ROLES_PAUSE_S = 2.0


async def with_evidence(client: Client, inventory: Inventory) -> Inventory:
    """Adds the health checks that fail when they are run now, and load balancer rules that are not settled.

    What the server or the role does not offer stays as it was; never raises for that.
    """
    if inventory.systemvms:
        return inventory
    capabilities = await client.capabilities()
    routers = inventory.routers
    if capabilities.has(HEALTH):
        routers = tuple([await _with_health(client, router) for router in routers])
    found: list[str] = list(inventory.unsettled)
    if capabilities.has(BALANCERS):
        for network in inventory.tiers or (inventory.network,):
            params: dict[str, Value] = {"networkid": network.id, "projectid": inventory.project_id or None}
            try:
                found += unsettled("load balancer", await client.list_all(BALANCERS, "loadbalancerrule", **params))
            except CloudStackError:
                break
    return replace(inventory, routers=routers, unsettled=tuple(dict.fromkeys(found)))


async def read_after(client: Client, before: Inventory, *, wanted: Callable[[Inventory], bool]) -> Inventory:
    """The target after the change, with its evidence; waits up to 45 s until what lags behind is as `wanted`.

    Raises CloudStackError.
    """
    return await with_evidence(client, await _waited(client, lambda: read_again(client, before), wanted))


async def _waited(
    client: Client, read: Callable[[], Awaitable[Inventory]], wanted: Callable[[Inventory], bool]
) -> Inventory:
    began_ns = client.around.clock_ns()
    while True:
        found = await read()
        if wanted(found) or client.around.clock_ns() - began_ns > ROLES_LIMIT_S * 1e9:
            return found
        await client.around.sleep(ROLES_PAUSE_S)


async def _with_health(client: Client, router: Router) -> Router:
    """A router whose checks are off, or cannot be run (530), stays without."""
    if router.state != "Running":
        return router
    params: dict[str, Value] = {"routerid": router.id, "performfreshchecks": True}
    try:
        reply = (await client.exchange(HEALTH, params, retry=False, timeout_s=FRESH_LIMIT_S)).payload
    except CloudStackError:
        return router
    about = reply.get("routerhealthchecks")
    checks = rows(about, "healthchecks") if isinstance(about, dict) else []
    failing = (string(row.get("checkname"), 64) for row in checks if "success" in row and not flag(row["success"]))
    return replace(router, failing_checks=tuple(sorted(set(failing))))
