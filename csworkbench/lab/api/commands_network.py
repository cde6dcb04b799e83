# SPDX-License-Identifier: Apache-2.0
"""Tenant resources: networks, VMs, public addresses and the rules on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from csworkbench.lab import plan
from csworkbench.lab.api.listing import Row, has_keyword, matches, owned_by, reply, row, stamp
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.records import FirewallRule, ForwardingRule, PublicIp, Vm

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_NETWORK = Param("networkid", "uuid", entity="network")
_IP = Param("ipaddressid", "uuid", entity="ip")
_ZONE = Param("zoneid", "uuid", entity="zone")
_VPC = Param("vpcid", "uuid", entity="vpc")
_TAGS = Param("tags", "map")


def owner_fields(server: Management) -> Row:
    """The fields that say whose a row is."""
    return {"account": server.owner, "domainid": server.fixtures.domain, "domain": "ROOT"}


@command(
    "listNetworks",
    "Lists all available networks.",
    uuid_filter("network"),
    Param("type"),
    _ZONE,
    Param("issystem", "boolean"),
    Param("acltype"),
    Param("traffictype"),
    Param("physicalnetworkid", "uuid", entity="physicalnetwork"),
    Param("restartrequired", "boolean"),
    Param("networkofferingid", "uuid", entity="networkoffering"),
    Param("forvpc", "boolean"),
    _VPC,
    Param("networkfilter", since=(4, 17)),
    Param("name", since=(4, 22)),
    _TAGS,
    *ACCOUNT,
)
async def list_networks(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The isolated network."""
    asked = {name: value for name, value in arguments.items() if (name, str(value).lower()) != ("type", "all")}
    if "type" in asked:
        asked["type"] = str(asked["type"]).capitalize()
    names = ("id", "type", "zoneid", "issystem", "traffictype", "restartrequired", "networkofferingid", "name", "vpcid")
    items = [network_row(server)] if owned_by(server, arguments, server.owner) else []
    if arguments.get("forvpc", False):
        items = []
    return reply("network", _shown(items, asked, names), arguments)


def network_row(server: Management) -> Row:
    """A network as the API shows it, with the pending job on it if there is one."""
    network, fixed, profile = server.network, server.fixtures, server.profile
    pending = server.jobs.pending(network.id)
    redundancy = {"name": "RedundantRouter", "value": "true", "canchooseservicecapability": True}
    services: list[Row] = [{"name": "SourceNat", "capability": [redundancy]}]
    services += [{"name": name} for name in ("Dhcp", "Dns", "Firewall", "PortForwarding", "StaticNat")]
    return row(
        id=network.id,
        name=network.name,
        displaytext=network.name,
        broadcastdomaintype="Vlan",
        traffictype="Guest",
        gateway=network.gateway,
        netmask=str(network.cidr.netmask),
        cidr=str(network.cidr),
        zoneid=fixed.zone,
        zonename="zone1",
        networkofferingid=fixed.network_offering,
        networkofferingname="DefaultIsolatedNetworkOfferingWithSourceNatService",
        networkofferingconservemode=True,
        issystem=False,
        state=network.state,
        broadcasturi="vlan://1201",
        dns1=plan.PUBLIC_GATEWAY,
        type="Isolated",
        vlan="1201",
        acltype="Account",
        **owner_fields(server),
        service=services,
        networkdomain=plan.DOMAIN,
        physicalnetworkid=fixed.guest_physical_network,
        restartrequired=network.restart_required,
        canusefordeploy=True,
        ispersistent=False,
        strechedl2subnet=False,
        redundantrouter=False if profile.has(4, 11, 1) else None,
        egressdefaultpolicy=network.egress_default_allow,
        created=stamp(network.created) if profile.has(4, 16) else None,
        jobid=pending[0].id if pending else None,
        jobstatus=0 if pending else None,
    )


@command("listVPCs", "Lists VPCs", uuid_filter("vpc"), Param("name"), Param("state"), _ZONE, *ACCOUNT)
async def list_vpcs(_server: Management, arguments: Arguments) -> dict[str, Any]:
    """This topology has none."""
    return reply("vpc", [], arguments)


@command(
    "listVirtualMachines",
    "List the virtual machines owned by the account.",
    uuid_filter("vm"),
    Param("ids", "list"),
    Param("name"),
    Param("state"),
    _ZONE,
    _NETWORK,
    _VPC,
    Param("hostid", "uuid", entity="host"),
    Param("details", "list"),
    _TAGS,
    *ACCOUNT,
)
async def list_virtual_machines(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The tenants; `name` matches as a substring."""
    vms = server.network.vms if owned_by(server, arguments, server.owner) else []
    if "vpcid" in arguments:
        vms = []
    if "ids" in arguments:
        vms = [vm for vm in vms if vm.id in arguments["ids"]]
    items = [_vm_row(server, vm) for vm in vms if str(arguments.get("name", "")) in vm.name]
    return reply("virtualmachine", _shown(items, arguments, ("id", "state", "zoneid", "hostid")), arguments)


def _vm_row(server: Management, vm: Vm) -> Row:
    network, fixed = server.network, server.fixtures
    nic = row(
        id=vm.nic_id,
        networkid=network.id,
        networkname=network.name,
        netmask=str(network.cidr.netmask),
        gateway=network.gateway,
        ipaddress=vm.address,
        isolationuri="vlan://1201",
        broadcasturi="vlan://1201",
        traffictype="Guest",
        type="Isolated",
        isdefault=True,
        macaddress=vm.mac,
        deviceid="0",
        secondaryip=[],
    )
    return row(
        id=vm.id,
        name=vm.name,
        displayname=vm.name,
        instancename=vm.instance_name,
        **owner_fields(server),
        created=stamp(vm.created),
        state="Running",
        haenable=False,
        zoneid=fixed.zone,
        zonename="zone1",
        hostid=fixed.host,
        hostname="kvm-01",
        templateid=fixed.vm_template,
        templatename="lab guest",
        serviceofferingid=fixed.vm_offering,
        serviceofferingname="Small Instance",
        cpunumber=1,
        memory=512,
        hypervisor="KVM",
        nic=[nic],
    )


@command(
    "listPublicIpAddresses",
    "Lists all public ip addresses",
    uuid_filter("ip"),
    Param("ipaddress"),
    _ZONE,
    Param("associatednetworkid", "uuid", entity="network"),
    _VPC,
    Param("issourcenat", "boolean"),
    Param("isstaticnat", "boolean"),
    Param("forloadbalancing", "boolean"),
    Param("forvirtualnetwork", "boolean"),
    Param("allocatedonly", "boolean"),
    Param("state"),
    Param("vlanid", "uuid", entity="vlan"),
    _TAGS,
    *ACCOUNT,
)
async def list_public_ip_addresses(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The addresses acquired for the network."""
    shown = owned_by(server, arguments, server.owner) and "vpcid" not in arguments
    items = [_ip_row(server, ip) for ip in server.network.ips] if shown else []
    names = ("id", "ipaddress", "zoneid", "associatednetworkid", "issourcenat", "isstaticnat", "state", "vlanid")
    if arguments.get("forloadbalancing", False):
        items = []
    return reply("publicipaddress", _shown(items, arguments, names, ("ipaddress",)), arguments)


def _ip_row(server: Management, ip: PublicIp) -> Row:
    network, fixed = server.network, server.fixtures
    return row(
        id=ip.id,
        ipaddress=ip.address,
        allocated=stamp(ip.allocated),
        zoneid=fixed.zone,
        zonename="zone1",
        issourcenat=ip.source_nat,
        isstaticnat=False,
        issystem=False,
        isportable=False,
        **owner_fields(server),
        forvirtualnetwork=True,
        vlanid=fixed.vlan,
        vlanname="vlan://untagged",
        associatednetworkid=network.id,
        associatednetworkname=network.name,
        networkid=fixed.public_network,
        physicalnetworkid=fixed.guest_physical_network,
        state="Allocated",
        hasrules=any(rule.ip is ip for rule in network.forwarding) if server.profile.has(4, 20) else None,
    )


@command(
    "listFirewallRules",
    "Lists all firewall rules for an IP address.",
    uuid_filter("firewall"),
    _IP,
    _NETWORK,
    _TAGS,
    *ACCOUNT,
)
async def list_firewall_rules(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Ingress rules."""
    return _firewall_reply(server, server.network.firewall, arguments)


@command(
    "listEgressFirewallRules",
    "Lists all egress firewall rules for network ID.",
    uuid_filter("egress"),
    _IP,
    _NETWORK,
    _TAGS,
    *ACCOUNT,
)
async def list_egress_firewall_rules(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Egress rules."""
    return _firewall_reply(server, server.network.egress, arguments)


def _firewall_reply(server: Management, rules: Iterable[FirewallRule], arguments: Arguments) -> dict[str, Any]:
    items = [_firewall_row(server, rule) for rule in rules] if owned_by(server, arguments, server.owner) else []
    return reply("firewallrule", _shown(items, arguments, ("id", "ipaddressid", "networkid")), arguments)


def _firewall_row(server: Management, rule: FirewallRule) -> Row:
    icmp = -1 if rule.protocol == "icmp" else None
    return row(
        id=rule.id,
        protocol=rule.protocol,
        startport=rule.start_port,
        endport=rule.end_port,
        icmptype=icmp,
        icmpcode=icmp,
        cidrlist=rule.cidr,
        destcidrlist="" if rule.ip is None else None,
        ipaddressid=rule.ip.id if rule.ip else None,
        ipaddress=rule.ip.address if rule.ip else None,
        networkid=server.network.id,
        traffictype="Ingress" if rule.ip else "Egress",
        state="Active",
        tags=[],
    )


@command(
    "listPortForwardingRules",
    "Lists all port forwarding rules for an IP address.",
    uuid_filter("forwarding"),
    _IP,
    _NETWORK,
    _TAGS,
    *ACCOUNT,
)
async def list_port_forwarding_rules(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Forwarded ports."""
    shown = owned_by(server, arguments, server.owner)
    items = [_forwarding_row(server, rule) for rule in server.network.forwarding] if shown else []
    return reply("portforwardingrule", _shown(items, arguments, ("id", "ipaddressid", "networkid")), arguments)


def _forwarding_row(server: Management, rule: ForwardingRule) -> Row:
    private, public = str(rule.private_port), str(rule.public_port)
    return row(
        id=rule.id,
        privateport=private,
        privateendport=private,
        protocol=rule.protocol,
        publicport=public,
        publicendport=public,
        virtualmachineid=rule.vm.id,
        virtualmachinename=rule.vm.name,
        virtualmachinedisplayname=rule.vm.name,
        vmguestip=rule.vm.address,
        ipaddressid=rule.ip.id,
        ipaddress=rule.ip.address,
        networkid=server.network.id,
        state="Active",
        cidrlist="",
        tags=[],
    )


@command(
    "listLoadBalancerRules",
    "Lists load balancer rules.",
    uuid_filter("loadbalancer"),
    Param("name"),
    Param("publicipid", "uuid", entity="ip"),
    Param("virtualmachineid", "uuid", entity="vm"),
    _ZONE,
    _NETWORK,
    _TAGS,
    *ACCOUNT,
)
async def list_load_balancer_rules(_server: Management, arguments: Arguments) -> dict[str, Any]:
    """This topology has none yet."""
    return reply("loadbalancerrule", [], arguments)


def _shown(
    items: list[Row], arguments: Arguments, names: Iterable[str], search: tuple[str, ...] = ("name",)
) -> list[Row]:
    return [item for item in items if matches(item, arguments, names) and has_keyword(item, arguments, search)]
