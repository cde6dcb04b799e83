# SPDX-License-Identifier: Apache-2.0
"""A network's own things that come with its first VM: switch, source NAT address, router; and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csworkbench.lab import plan
from csworkbench.lab.api.errors import INSUFFICIENT_CAPACITY, INTERNAL, ApiError
from csworkbench.lab.deployment import CapacityError, StartError
from csworkbench.lab.hosts import LabError
from csworkbench.lab.records import Network, PublicIp

if TYPE_CHECKING:
    from csworkbench.lab.management import Management
    from csworkbench.lab.tenants import Tenants

_NO_CAPACITY_CODE = 4335


def free_address(server: Management, wanted: str | None = None) -> str:
    """The wanted public address, or the lowest free one. Raises ApiError 533."""
    free = list(plan.free_addresses({ip.address for ip in server.ips}))
    address = wanted or (free[0] if free else None)
    if address is None or address not in free:
        raise ApiError(INSUFFICIENT_CAPACITY, f"Insufficient address capacity: {address or 'none'} is free", 4325)
    return address


async def implement(server: Management, tenants: Tenants, network: Network) -> None:
    """Give an Allocated network what it needs to carry VMs; others are left alone. Raises ApiError 530 or 533.

    When that fails, the network is Allocated again and has no router; its source NAT address stays its own.
    """
    if network.state != "Allocated" or network.vpc is not None:
        return
    network.state = "Implementing"
    try:
        if network.source_nat is None:
            network.ips.insert(0, PublicIp(server.new_id(), free_address(server), network, source_nat=True))
        await tenants.connect(network)
        await server.orchestrator.implement(network)
    except (ApiError, StartError, LabError) as error:
        await shut_down(server, tenants, network)
        if isinstance(error, CapacityError):
            raise ApiError(INSUFFICIENT_CAPACITY, str(error), _NO_CAPACITY_CODE) from error
        if isinstance(error, ApiError):
            raise
        raise ApiError(INTERNAL, f"Unable to implement network {network.name}: {error}") from error
    network.state = "Implemented"


async def shut_down(server: Management, tenants: Tenants, network: Network) -> None:
    """Take routers and switch away: the network is as it was before its first VM. Raises LabError."""
    await server.orchestrator.release(network)
    await tenants.disconnect(network)
    network.state = "Allocated"
