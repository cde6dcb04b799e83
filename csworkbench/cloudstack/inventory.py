# SPDX-License-Identifier: Apache-2.0
"""A network and all that hangs on it, read through the API (cloudstack-api.md 3.3 to 3.5)."""

from collections.abc import Mapping

from csworkbench.model.cloud import AclRule, Balancer, Forwarding, Inventory, Network, Router, Vm
from csworkbench.model.natural import natural

from .client import Client, Value
from .envelope import Row, flag, number, rows, string
from .inventory_services import acl_rules, network_services, openings, read_balancers, static_nats, unlisted
from .networks import find_network
from .text import one_line

SHORT = 255


async def read_inventory(client: Client, network_name_or_id: str) -> Inventory:
    """Read the network of this name or id. What the key may not list (routers, for an ordinary user) stays empty.

    Raises UnknownNetwork, AmbiguousNetwork, or CloudStackError.
    """
    row = await find_network(client, network_name_or_id)
    network = to_network(row)
    return await read_networks(client, (network,), {"networkid": network.id}, {"associatednetworkid": network.id})


async def read_networks(
    client: Client, networks: tuple[Network, ...], scope: Mapping[str, Value], of_addresses: Mapping[str, Value]
) -> Inventory:
    """What hangs on one network, or on the tiers of a VPC; `scope` narrows routers and VMs. Raises CloudStackError."""
    capabilities = await client.capabilities()
    project = networks[0].project_id or None

    async def listed(command: str, object_key: str, **params: Value) -> list[Row]:
        if not capabilities.has(command):
            return []
        return await client.list_all(command, object_key, **{"projectid": project, **params})

    async def per_network(command: str, object_key: str) -> list[Row]:
        found: dict[str, Row] = {}
        for network in networks:
            for row in await listed(command, object_key, networkid=network.id):
                found[string(row.get("id")) or str(len(found))] = row
        return list(found.values())

    routers = await listed("listRouters", "router", **scope)
    vms = await listed("listVirtualMachines", "virtualmachine", **scope)
    addresses = await listed("listPublicIpAddresses", "publicipaddress", **of_addresses)
    forwardings = await per_network("listPortForwardingRules", "portforwardingrule")
    lists: tuple[AclRule, ...] = ()
    if networks[0].vpc_id:
        of_tier = {n.id: await listed("listNetworkACLs", "networkacl", networkid=n.id) for n in networks}
        lists = tuple(rule for network_id, found in of_tier.items() for rule in acl_rules(network_id, found))
        by_id = {string(row.get("id")) or str(i): row for found in of_tier.values() for i, row in enumerate(found)}
        acl = list(by_id.values())
        egress = [row for row in acl if string(row.get("traffictype")).lower() == "egress"]
        firewall = [row for row in acl if row not in egress]
    else:
        firewall = await per_network("listFirewallRules", "firewallrule")
        egress = await per_network("listEgressFirewallRules", "firewallrule")
    with_back_ends = capabilities.has("listLoadBalancerRuleInstances")
    balancers: dict[Balancer, None] = {}
    unread: dict[str, None] = {}
    for network in networks:
        some, rest = await read_balancers(listed, network.id, with_back_ends)
        balancers |= dict.fromkeys(some)
        unread |= dict.fromkeys(rest)
    held = [a for a in addresses if string(a.get("state")) in ("", "Allocated", "Allocating")]
    tenants = {vm.id: vm for network in reversed(networks) for vm in _vms(vms, network.id)}
    order = {network.id: place for place, network in enumerate(networks)}
    home = {vm.id: network.id for network in reversed(networks) for vm in _vms(vms, network.id)}
    ordered = sorted(tenants.values(), key=lambda vm: (order[home[vm.id]], natural(vm.name)))
    first = next((n for n in networks if ordered and n.id == home[ordered[0].id]), networks[0])
    return Inventory(
        server_version=capabilities.version,
        network=first,
        routers=tuple(sorted((to_router(r, first.id) for r in routers), key=lambda r: natural(r.name))),
        vms=tuple(ordered),
        public_ips=tuple(sorted((string(a.get("ipaddress"), 64) for a in held), key=natural)),
        source_nat_ip=next((string(a.get("ipaddress"), 64) for a in held if flag(a.get("issourcenat"))), ""),
        forwardings=tuple(sorted(map(to_forwarding, forwardings), key=lambda f: (natural(f.public_ip), f.public_port))),
        firewall_rules=len(firewall),
        egress_rules=len(egress),
        unsettled=(
            *unsettled("port forwarding", forwardings),
            *unsettled("firewall rule", firewall),
            *unsettled("egress rule", egress),
        ),
        static_nats=static_nats(held),
        openings=openings(firewall),
        balancers=tuple(balancers),
        unlisted=(*unlisted(capabilities), *unread),
        acl=lists,
    )


def unsettled(what: str, found: list[Row]) -> tuple[str, ...]:
    """The rules among `found` that are not on the router, or not gone from it, as one line each."""
    return tuple(
        one_line(f"{what} {string(row.get('id'), 64)} is {string(row.get('state'), 20)}", 120)
        for row in found
        if string(row.get("state")) not in ("", "Active")
    )


async def read_routers(
    client: Client, network_id: str, project: str | None = None, vpc_id: str = ""
) -> tuple[Router, ...]:
    """The routers alone, of the network or of its whole VPC; empty when the key may not list them."""
    if not (await client.capabilities()).has("listRouters"):
        return ()
    scope: dict[str, Value] = {"vpcid": vpc_id} if vpc_id else {"networkid": network_id}
    found = await client.list_all("listRouters", "router", **scope, projectid=project)
    return tuple(sorted((to_router(row, network_id) for row in found), key=lambda r: natural(r.name)))


def to_network(row: Row) -> Network:
    """The network in a row of listNetworks."""
    return Network(
        id=string(row.get("id"), 64),
        name=string(row.get("name"), SHORT),
        state=string(row.get("state"), 32),
        type=string(row.get("type"), 32),
        cidr=string(row.get("cidr"), 64),
        gateway=string(row.get("gateway"), 64),
        restart_required=flag(row.get("restartrequired")),
        redundant=flag(row.get("redundantrouter")),
        project_id=string(row.get("projectid"), 64),
        vpc_id=string(row.get("vpcid"), 64),
        offering_id=string(row.get("networkofferingid"), 64),
        offering=string(row.get("networkofferingname"), SHORT),
        services=network_services(row),
        domain=string(row.get("networkdomain"), SHORT),
        ip6_gateway=string(row.get("ip6gateway"), 64),
        ip6_cidr=string(row.get("ip6cidr"), 64),
    )


def to_router(row: Row, network_id: str) -> Router:
    """The router in a row of listRouters, seen from one network. MASTER (to 4.15) reads PRIMARY, as from 4.16 on."""
    guest = _nic(row, "Guest", network_id)
    public = _nic(row, "Public")
    state = string(row.get("redundantstate"), 32) if flag(row.get("isredundantrouter")) else ""
    return Router(
        id=string(row.get("id"), 64),
        name=string(row.get("name"), SHORT),
        state=string(row.get("state"), 32),
        role=string(row.get("role"), 32),
        redundant_state="PRIMARY" if state == "MASTER" else state,
        version=string(row.get("version"), 64),
        scripts_version=string(row.get("scriptsversion"), 200),
        software_version=string(row.get("softwareversion"), 64),
        requires_upgrade=flag(row.get("requiresupgrade")),
        guest_mac=string(guest.get("macaddress") or row.get("guestmacaddress"), 32).lower(),
        public_mac=string(public.get("macaddress") or row.get("publicmacaddress"), 32).lower(),
        guest_ip=string(guest.get("ipaddress") or row.get("guestipaddress"), 64),
        public_ip=string(public.get("ipaddress") or row.get("publicip"), 64),
    )


def to_forwarding(row: Row) -> Forwarding:
    """The rule in a row of listPortForwardingRules; ports come as strings, 0 when they cannot be read."""
    return Forwarding(
        public_ip=string(row.get("ipaddress"), 64),
        public_port=number(row.get("publicport")),
        private_port=number(row.get("privateport")),
        protocol=string(row.get("protocol"), 16).lower(),
        vm_id=string(row.get("virtualmachineid"), 64),
        state=string(row.get("state"), 32),
    )


def _vms(found: list[Row], network_id: str) -> list[Vm]:
    return [
        Vm(
            id=string(row.get("id"), 64),
            name=string(row.get("name"), SHORT),
            state=string(row.get("state"), 32),
            ip=string(nic.get("ipaddress"), 64),
            mac=string(nic.get("macaddress"), 32).lower(),
            ip6=string(nic.get("ip6address"), 64),
        )
        for row in found
        for nic in rows(row, "nic")
        if string(nic.get("networkid")) == network_id
    ]


def _nic(row: Row, traffic: str, network_id: str = "") -> Row:
    fitting = (
        nic
        for nic in rows(row, "nic")
        if string(nic.get("traffictype")) == traffic and (not network_id or string(nic.get("networkid")) == network_id)
    )
    return next(fitting, {})
