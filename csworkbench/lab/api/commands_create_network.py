# SPDX-License-Identifier: Apache-2.0
"""createNetwork, updateNetwork and deleteNetwork, for isolated networks."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from csworkbench.lab import plan
from csworkbench.lab.api import offerings
from csworkbench.lab.api.commands_network import VPC, network_row
from csworkbench.lab.api.errors import INSUFFICIENT_CAPACITY, INTERNAL, PARAMETER, ApiError, invalid_value
from csworkbench.lab.api.implementation import shut_down
from csworkbench.lab.api.programming import Operation, accept, narrated
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command
from csworkbench.lab.hosts import LabError
from csworkbench.lab.records import Network

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_CREATE = "NETWORK.CREATE"
_UPDATE = Operation("NETWORK.UPDATE", "updating network", "network.UpdateNetworkCmd", "Network")
_DELETE = Operation("NETWORK.DELETE", "deleting network", "network.DeleteNetworkCmd", "Network")
_LAST_VLAN = 1999
_PREFIXES = range(16, 30)
_OWN = (plan.PUBLIC, plan.OUTSIDE, ipaddress.IPv4Network("169.254.0.0/16"), ipaddress.IPv4Network("127.0.0.0/8"))
"""What a guest network may not overlap."""


@command(
    "createNetwork",
    "Creates a network",
    Param("name", required=True),
    Param("displaytext"),
    Param("networkofferingid", "uuid", required=True, entity="networkoffering"),
    Param("zoneid", "uuid", required=True, entity="zone"),
    Param("gateway"),
    Param("netmask"),
    VPC,
    *(param for param in ACCOUNT if param.name in ("account", "domainid", "projectid")),
)
async def create_network(server: Management, arguments: Arguments) -> dict[str, Any]:
    """An isolated network in state Allocated: its switch, source NAT address and router come with the first VM."""
    if "displaytext" not in arguments and not server.profile.has(4, 18):
        text = "Unable to execute API command createnetwork due to missing parameter displaytext"
        raise ApiError(PARAMETER, text)
    offering = server.find(offerings.listing(server), arguments["networkofferingid"])
    if "vpcid" in arguments or offering.for_vpc or offering.kind != "Isolated":
        raise invalid_value("This test cloud makes isolated networks only: no VPC tiers and no shared networks")
    if arguments["zoneid"] != server.fixtures.zone:
        raise invalid_value(f"Cannot perform this operation, Zone is currently disabled: {arguments['zoneid']}")
    gateway = _gateway(arguments)
    vlan = _free_vlan(server)
    network = Network(
        id=server.new_id(),
        name=arguments["name"],
        display_text=arguments.get("displaytext", ""),
        zone_id=arguments["zoneid"],
        cidr=gateway.network,
        gateway=str(gateway.ip),
        vlan=vlan,
        bridge=f"br{vlan}",
        state="Allocated",
        redundant=offering.redundant,
    )
    server.networks.append(network)
    family = server.begin_unscheduled(_CREATE, (network.id, "Network", network.name))
    family.add(_CREATE, "Completed", f"Successfully completed creating network. Network Id: {network.id}")
    return {"network": network_row(server, network)}


@command(
    "updateNetwork",
    "Updates a network",
    Param("id", "uuid", required=True, entity="network"),
    Param("name"),
    Param("displaytext"),
    Param("networkofferingid", "uuid", entity="networkoffering"),
    Param("updateinsequence", "boolean", description="if true, we will update the routers one after the other"),
    Param("forced", "boolean", description="update although services are in use that the new offering lacks"),
    is_async=True,
)
async def update_network(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Names, and with another offering new routers, one or two; `updateinsequence`: always one after the other."""
    network = server.find(server.networks, arguments["id"])
    redundant = _redundancy(server, network, arguments.get("networkofferingid"))
    family = server.begin(_UPDATE.kind, _UPDATE.doing, _UPDATE.resource(network.id, network.name))

    async def work() -> dict[str, Any]:
        network.name = arguments.get("name", network.name)
        network.display_text = arguments.get("displaytext", network.display_text)
        if redundant != network.redundant and network.state == "Allocated":
            network.redundant = redundant
        elif redundant != network.redundant:
            in_sequence = bool(arguments.get("updateinsequence", False))
            await server.orchestrator.change_offering(
                network, redundant=redundant, in_sequence=in_sequence, family=family
            )
        return {"network": network_row(server, network)}

    job = server.jobs.submit(
        "org.apache.cloudstack.api.command.user.network.UpdateNetworkCmd",
        ("Network", network.id),
        lambda: narrated(family, _UPDATE, work),
        queue=f"network {network.served.id}",
    )
    return {"jobid": job.id}


@command(
    "deleteNetwork",
    "Deletes a network",
    Param("id", "uuid", required=True, entity="network"),
    Param("forced", "boolean"),
    is_async=True,
)
async def delete_network(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Routers, switch, addresses and rules go; the job fails while a VM is in it that is not expunged."""
    network = server.find(server.networks, arguments["id"])
    if network.vpc is not None or network.kind != "Isolated":
        raise invalid_value("This test cloud deletes isolated networks only")
    tenants = server.tenants

    async def work() -> dict[str, Any]:
        if tenants is None or any(vm.state != "Error" for vm in network.vms):
            raise ApiError(INTERNAL, "Failed to delete network")
        try:
            await shut_down(server, tenants, network)
        except LabError as error:
            if not arguments.get("forced", False):
                raise ApiError(INTERNAL, "Failed to delete network") from error
        network.state = "Destroy"
        server.networks[:] = [other for other in server.networks if other is not network]
        return {"success": True}

    return accept(server, network, _DELETE, network.id, work)


def _redundancy(server: Management, network: Network, offering_id: str | None) -> bool:
    """Whether the network shall have two routers. Raises ApiError 431 for an offering that it cannot get."""
    if offering_id is None:
        return network.redundant
    offering = server.find(offerings.listing(server), offering_id)
    if network.vpc is not None or network.kind != "Isolated" or offering.for_vpc or offering.kind != "Isolated":
        if offering_id == offerings.of(server, network).id:
            return network.redundant
        raise invalid_value("Can't upgrade from the network offering of this network to that one")
    return offering.redundant


def _gateway(arguments: Arguments) -> ipaddress.IPv4Interface:
    """The gateway with its network: the zone's own range unless both are given. Raises ApiError 431."""
    if "gateway" not in arguments and "netmask" not in arguments:
        return ipaddress.IPv4Interface(f"{plan.GUEST_GATEWAY}/{plan.GUEST.prefixlen}")
    if "gateway" not in arguments or "netmask" not in arguments:
        raise invalid_value("gateway and netmask have to be given together")
    text = f"{arguments['gateway']}/{arguments['netmask']}"
    try:
        found = ipaddress.IPv4Interface(text)
        mask = ipaddress.IPv4Address(arguments["netmask"])
    except ValueError as error:
        raise invalid_value(f"Invalid gateway or netmask: {text}") from error
    network = found.network
    edge = found.ip in (network.network_address, network.broadcast_address)
    if mask != network.netmask or network.prefixlen not in _PREFIXES or edge or not network.is_private:
        raise invalid_value(f"Invalid gateway or netmask: {text}")
    if any(network.overlaps(own) for own in _OWN):
        raise invalid_value(f"The network {network} is one of the test cloud's own")
    return found


def _free_vlan(server: Management) -> int:
    """Raises ApiError 533."""
    taken = {network.vlan for network in server.networks}
    free = next((vlan for vlan in range(plan.GUEST_VLAN, _LAST_VLAN + 1) if vlan not in taken), None)
    if free is None:
        raise ApiError(INSUFFICIENT_CAPACITY, "Unable to allocate vnet as a part of network implement", 4335)
    return free
