# SPDX-License-Identifier: Apache-2.0
"""Which router is meant, and what it means for tenants that it goes away."""

from csworkbench.cloudstack.errors import BadTarget
from csworkbench.cloudstack.text import one_line
from csworkbench.cloudstack.wording import use
from csworkbench.model.cloud import Inventory, Router


def chosen_router(command: str, inventory: Inventory) -> Router:
    """The router that the scenario names, or the only one. Raises BadTarget."""
    if inventory.target_router:
        found = [router for router in inventory.routers if router.id == inventory.target_router]
    else:
        found = list(inventory.routers)
    if len(found) == 1:
        return found[0]
    name = one_line(inventory.name, 60)
    if not found:
        hint = "Only an administrator's key may list and operate routers; else restart the network, which builds one."
        raise BadTarget(command, f"{name} has no router that this key can see", hint=hint)
    names = ", ".join(one_line(router.name, 40) for router in found[:5])
    raise BadTarget(command, f"{name} has {len(found)} routers: {names}", hint="Write `router: NAME` to say which one.")


def without_it(inventory: Inventory, router: Router, until: str) -> str:
    """What tenants have while this router is away."""
    name = one_line(router.name, 40)
    partner = next((r for r in inventory.routers if r.id != router.id and r.state == "Running"), None)
    if partner is None:
        return (
            f"{name} is the only router of {use(inventory)}: nothing passes, and there is no DNS, DHCP, metadata or "
            f"load balancer, {until}. Established connections through it are lost."
        )
    other = one_line(partner.name, 40)
    if router.redundant_state == "BACKUP":
        return f"{other} goes on serving; there is no router in reserve {until}."
    return (
        f"{other} takes over by VRRP: in an orderly stop within a second, after a hard one in about 3 s. Established "
        f"connections should survive. There is no router in reserve {until}."
    )
