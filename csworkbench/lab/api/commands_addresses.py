# SPDX-License-Identifier: Apache-2.0
"""Public addresses: acquired, released, given to a VM as a whole (static NAT)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from csworkbench.lab import plan
from csworkbench.lab.api.commands_network import IP, NETWORK, TAGS, VPC, ZONE, owner_fields, shown
from csworkbench.lab.api.errors import PARAMETER, ApiError, invalid_value
from csworkbench.lab.api.implementation import free_address
from csworkbench.lab.api.limits import require_public_ip
from csworkbench.lab.api.listing import Row, owned_by, reply, row, stamp
from csworkbench.lab.api.programming import Operation, accept, conflict, narrated, program, program_or_undo
from csworkbench.lab.api.public_rules import public_ip, rule_network
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.records import (
    RELEASING,
    REVOKE,
    BalancerRule,
    FirewallRule,
    ForwardingRule,
    Network,
    PublicIp,
    Served,
    Vm,
)
from csworkbench.lab.rules import Stage
from csworkbench.lab.sessions import current

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_ASSIGN = Operation("NET.IPASSIGN", "associating ip to network", "address.AssociateIPAddrCmd", "IpAddress")
_RELEASE = Operation("NET.IPRELEASE", "disassociating ip address", "address.DisassociateIPAddrCmd", "IpAddress")
_ENABLE = Operation("STATICNAT.ENABLE", "enabling static nat", "nat.EnableStaticNatCmd", "IpAddress")
_DISABLE = Operation("STATICNAT.DISABLE", "disabling static nat", "nat.DisableStaticNatCmd", "IpAddress")
_ALL_FILES = (Stage.ADDRESSES, Stage.FIREWALL, Stage.FORWARDING, Stage.STATIC_NAT, Stage.LOAD_BALANCER)


@command(
    "listPublicIpAddresses",
    "Lists all public ip addresses",
    uuid_filter("ip"),
    Param("ipaddress"),
    ZONE,
    Param("associatednetworkid", "uuid", entity="network"),
    VPC,
    Param("issourcenat", "boolean"),
    Param("isstaticnat", "boolean"),
    Param("forloadbalancing", "boolean"),
    Param("forvirtualnetwork", "boolean"),
    Param("allocatedonly", "boolean"),
    Param("state"),
    Param("vlanid", "uuid", entity="vlan"),
    TAGS,
    *ACCOUNT,
)
async def list_public_ip_addresses(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The addresses acquired for networks and VPCs; with `allocatedonly=false` a root admin sees the free ones too."""
    ips = server.ips if owned_by(server, arguments, server.owner) else []
    if "vpcid" in arguments:
        ips = [ip for ip in ips if ip in server.find(server.vpcs, arguments["vpcid"]).ips]
    if arguments.get("forloadbalancing", False):
        ips = [ip for ip in ips if any(rule.ip is ip for network in server.networks for rule in network.balancers)]
    names = ("id", "ipaddress", "zoneid", "associatednetworkid", "issourcenat", "isstaticnat", "state", "vlanid")
    items = [_ip_row(server, ip) for ip in ips]
    if current().root and not arguments.get("allocatedonly", True) and not arguments.get("forloadbalancing", False):
        items += [_free_row(server, address) for address in plan.free_addresses({ip.address for ip in server.ips})]
    return reply("publicipaddress", shown(items, arguments, names, ("ipaddress",)), arguments)


def _ip_row(server: Management, ip: PublicIp) -> Row:
    network, fixed, vm = ip.network, server.fixtures, ip.static_nat
    pending = server.jobs.pending(ip.id)
    vpc = next((vpc for vpc in server.vpcs if ip in vpc.ips), None)
    return row(
        id=ip.id,
        ipaddress=ip.address,
        allocated=stamp(ip.allocated),
        zoneid=fixed.zone,
        zonename=server.zone_name(fixed.zone),
        issourcenat=ip.source_nat,
        isstaticnat=vm is not None,
        virtualmachineid=vm.id if vm else None,
        virtualmachinename=vm.name if vm else None,
        virtualmachinedisplayname=vm.display_name or vm.name if vm else None,
        vmipaddress=vm.address if vm else None,
        issystem=False,
        isportable=False,
        **owner_fields(server),
        forvirtualnetwork=True,
        vlanid=fixed.vlan,
        vlanname="vlan://untagged",
        associatednetworkid=network.id if network else None,
        associatednetworkname=network.name if network else None,
        vpcid=vpc.id if vpc else None,
        vpcname=vpc.name if vpc and server.profile.has(4, 16) else None,
        networkid=fixed.public_network,
        physicalnetworkid=fixed.guest_physical_network,
        state=ip.state,
        hasrules=_has_rules(server, ip) if server.profile.has(4, 20) else None,
        jobid=pending[0].id if pending else None,
        jobstatus=0 if pending else None,
    )


def _free_row(server: Management, address: str) -> Row:
    """An address that nobody has acquired."""
    fixed = server.fixtures
    return row(
        id=str(uuid.uuid5(uuid.UUID(fixed.vlan), address)),
        ipaddress=address,
        zoneid=fixed.zone,
        zonename=server.zone_name(fixed.zone),
        issourcenat=False,
        isstaticnat=False,
        issystem=False,
        isportable=False,
        forvirtualnetwork=True,
        vlanid=fixed.vlan,
        vlanname="vlan://untagged",
        networkid=fixed.public_network,
        physicalnetworkid=fixed.guest_physical_network,
        state="Free",
    )


def _has_rules(server: Management, ip: PublicIp) -> bool:
    return any(rule.ip is ip for network in server.networks for rule in network.public_rules)


@command(
    "listIpForwardingRules",
    "List the IP forwarding rules",
    Param("id"),
    IP,
    Param("virtualmachineid", "uuid", entity="vm"),
    *ACCOUNT,
)
async def list_ip_forwarding_rules(_server: Management, arguments: Arguments) -> dict[str, Any]:
    """Static NAT's old rule list: always empty, as where nobody makes such rules."""
    return reply("ipforwardingrule", [], arguments)


@command(
    "associateIpAddress",
    "Acquires and associates a public IP to an account.",
    NETWORK,
    VPC,
    ZONE,
    Param("ipaddress", since=(4, 13)),
    Param("isportable", "boolean"),
    *(param for param in ACCOUNT if param.name in ("account", "domainid", "projectid")),
    is_async=True,
)
async def associate_ip_address(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Acquire the wanted address or the lowest free one; the router takes it with everything closed.

    The first address of a network that nobody uses yet becomes its source NAT address.
    """
    network, served = _owner(server, arguments)
    require_public_ip(server)
    first = network is not None and network.kind == "Isolated" and network.vpc is None and served.source_nat is None
    address = free_address(server, arguments.get("ipaddress"))
    ip = PublicIp(server.new_id(), address, network, source_nat=first, state="Allocating")
    served.ips.append(ip)

    async def work() -> dict[str, Any]:
        await program_or_undo(server, served, Stage.ADDRESSES, undo=lambda: served.ips.remove(ip))
        ip.state = "Allocated"
        return {"ipaddress": _ip_row(server, ip)}

    return accept(server, served, _ASSIGN, ip.id, work, created=True)


@command(
    "disassociateIpAddress",
    "Disassociates an IP address from the account.",
    Param("id", "uuid", required=True, entity="ip"),
    is_async=True,
)
async def disassociate_ip_address(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Release an address with all rules on it; they stay, on their way out, when no router can be programmed."""
    ip = public_ip(server, arguments["id"])
    served = _served(server, ip)
    if ip.source_nat:
        raise ApiError(PARAMETER, "ip address is used for source nat purposes and can not be disassociated.", 4350)

    async def work() -> dict[str, Any]:
        ip.state = RELEASING
        for rule in _rules_on(served, ip):
            rule.state = REVOKE
        await program(server, served, *_ALL_FILES)
        for network in served.networks:
            network.firewall[:] = [rule for rule in network.firewall if rule.ip is not ip]
            network.forwarding[:] = [rule for rule in network.forwarding if rule.ip is not ip]
            network.balancers[:] = [rule for rule in network.balancers if rule.ip is not ip]
        served.ips[:] = [other for other in served.ips if other is not ip]
        return {"success": True}

    return accept(server, served, _RELEASE, ip.id, work)


@command(
    "enableStaticNat",
    "Enables static NAT for given IP address",
    Param("ipaddressid", "uuid", required=True, entity="ip"),
    Param("virtualmachineid", "uuid", required=True, entity="vm"),
    NETWORK,
    Param("vmguestip"),
)
async def enable_static_nat(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Give the address to a VM; synchronous: the reply comes when the router is programmed."""
    ip, vm = public_ip(server, arguments["ipaddressid"]), server.find(server.vms, arguments["virtualmachineid"])
    if ip.source_nat:
        raise invalid_value("Can't enable static, ip address is a sourceNat ip address")
    if _has_rules(server, ip):
        raise conflict(f"Failed to enable static nat for the ip address {ip.address} as it already has rules assigned")
    if ip.static_nat is not None and ip.static_nat is not vm:
        raise conflict(f"Failed to enable static nat on the {ip.address}: it is assigned to another VM")
    if any(other.static_nat is vm and other is not ip for other in server.ips):
        raise conflict(f"Failed to enable static nat on the VM {vm.name}: it is enabled with another IP address")
    network = rule_network(server, ip, vm.network.id)
    family = server.begin(_ENABLE.kind, _ENABLE.doing, _ENABLE.resource(ip.id, ip.address))

    async def work() -> dict[str, Any]:
        before, ip.static_nat = ip.static_nat, vm
        await program_or_undo(server, network.served, Stage.STATIC_NAT, undo=lambda: _give(ip, before))
        return {"success": True}

    return await narrated(family, _ENABLE, work)


@command(
    "disableStaticNat",
    "Disables static rule for given IP address",
    Param("ipaddressid", "uuid", required=True, entity="ip"),
    is_async=True,
)
async def disable_static_nat(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Take the address from the VM; its firewall rules go too, as there."""
    ip = public_ip(server, arguments["ipaddressid"])
    if ip.static_nat is None:
        raise invalid_value("Specified IP address id is not associated with any vm Id")
    network = ip.static_nat.network

    async def work() -> dict[str, Any]:
        before, ip.static_nat = ip.static_nat, None
        for rule in _rules_on(network, ip):
            rule.state = REVOKE
        stages = (Stage.FIREWALL, Stage.STATIC_NAT)
        await program_or_undo(server, network.served, *stages, undo=lambda: _give(ip, before))
        network.firewall[:] = [rule for rule in network.firewall if rule.ip is not ip]
        return {"success": True}

    return accept(server, network.served, _DISABLE, ip.id, work)


def _owner(server: Management, arguments: Arguments) -> tuple[Network | None, Served]:
    """The network and what its router serves that an address is asked for. Raises ApiError 431."""
    if "vpcid" in arguments:
        return None, server.find(server.vpcs, arguments["vpcid"])
    if "networkid" in arguments:
        network = server.find(server.networks, arguments["networkid"])
        if network.vpc is not None:
            raise invalid_value("Can't assign ip to the VPC tier directly; pass the vpcid")
        return _isolated(network), network
    if "zoneid" in arguments:
        network = next(network for network in server.networks if network.vpc is None)
        return _isolated(network), network
    raise ApiError(PARAMETER, "Unable to figure out zone to assign ip to")


def _isolated(network: Network) -> Network:
    if network.kind != "Isolated":
        raise invalid_value("Ip address can only be assigned to an Isolated network with source nat service")
    return network


def _give(ip: PublicIp, vm: Vm | None) -> None:
    ip.static_nat = vm


def _rules_on(served: Served, ip: PublicIp) -> list[FirewallRule | ForwardingRule | BalancerRule]:
    return [rule for network in served.networks for rule in (*network.firewall, *network.public_rules) if rule.ip is ip]


def _served(server: Management, ip: PublicIp) -> Served:
    return next(served for served in (*server.vpcs, *server.networks) if ip in served.ips)
