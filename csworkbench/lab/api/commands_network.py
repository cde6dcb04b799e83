# SPDX-License-Identifier: Apache-2.0
"""Tenant resources: networks and VMs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from csworkbench.lab import ipv6, plan
from csworkbench.lab.api import offerings
from csworkbench.lab.api.listing import Row, has_keyword, has_services, matches, owned_by, reply, row, stamp
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.records import Network, Vm

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

NETWORK = Param("networkid", "uuid", entity="network")
IP = Param("ipaddressid", "uuid", entity="ip")
ZONE = Param("zoneid", "uuid", entity="zone")
VPC = Param("vpcid", "uuid", entity="vpc")
TAGS = Param("tags", "map")


def owner_fields(server: Management) -> Row:
    """The fields that say whose a row is."""
    return {"account": server.owner, "domainid": server.fixtures.domain, "domain": "ROOT"}


@command(
    "listNetworks",
    "Lists all available networks.",
    uuid_filter("network"),
    Param("type"),
    ZONE,
    Param("issystem", "boolean"),
    Param("acltype"),
    Param("traffictype"),
    Param("physicalnetworkid", "uuid", entity="physicalnetwork"),
    Param("restartrequired", "boolean"),
    Param("networkofferingid", "uuid", entity="networkoffering"),
    Param("forvpc", "boolean"),
    Param("canusefordeploy", "boolean"),
    Param("supportedservices", "list"),
    VPC,
    Param("networkfilter", since=(4, 17)),
    Param("name", since=(4, 22)),
    TAGS,
    *ACCOUNT,
)
async def list_networks(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Networks, among them the tiers of VPCs."""
    asked = {name: value for name, value in arguments.items() if (name, str(value).lower()) != ("type", "all")}
    if "type" in asked:
        asked["type"] = str(asked["type"]).capitalize()
    names = ("id", "name", "type", "acltype", "zoneid", "vpcid", "networkofferingid")
    flags = ("issystem", "traffictype", "restartrequired", "canusefordeploy")
    networks = server.networks if owned_by(server, arguments, server.owner) else []
    if "forvpc" in arguments:
        networks = [network for network in networks if (network.vpc is not None) == arguments["forvpc"]]
    items = [network_row(server, network) for network in networks]
    items = [item for item in items if has_services(item, arguments)]
    return reply("network", shown(items, asked, names + flags), arguments)


def network_row(server: Management, network: Network) -> Row:
    """A network as the API shows it, with the pending job on it if there is one."""
    fixed, profile, vpc = server.fixtures, server.profile, network.vpc
    pending = server.jobs.pending(network.id)
    kind = offerings.of(server, network)
    return row(
        id=network.id,
        name=network.name,
        displaytext=network.display_text or network.name,
        broadcastdomaintype="Vlan",
        traffictype="Guest",
        gateway=network.gateway,
        netmask=str(network.cidr.netmask),
        cidr=str(network.cidr),
        ip6cidr=str(network.cidr6) if network.cidr6 else None,
        ip6gateway=str(network.cidr6[1]) if network.cidr6 else None,
        ip6routing="Static" if network.cidr6 else None,
        ip6routes=ipv6.routes(network) if network.cidr6 else None,
        zoneid=network.zone_id,
        zonename=server.zone_name(network.zone_id),
        networkofferingid=kind.id,
        networkofferingname=kind.name,
        networkofferingconservemode=True,
        issystem=False,
        state=network.state,
        broadcasturi=f"vlan://{network.vlan}" if network.state != "Allocated" else None,
        dns1=plan.PUBLIC_GATEWAY,
        type=network.kind,
        vlan=str(network.vlan) if network.state != "Allocated" else None,
        acltype="Domain" if network.kind == "Shared" else "Account",
        **owner_fields(server),
        service=kind.services(providers=False),
        networkdomain=plan.DOMAIN,
        physicalnetworkid=fixed.guest_physical_network,
        vpcid=vpc.id if vpc else None,
        vpcname=vpc.name if vpc and profile.has(4, 16) else None,
        aclid=network.acl.id if network.acl else None,
        aclname=network.acl.name if network.acl and profile.has(4, 16) else None,
        restartrequired=network.restart_required,
        canusefordeploy=True,
        ispersistent=False,
        strechedl2subnet=False,
        redundantrouter=network.served.redundant if profile.has(4, 11, 1) else None,
        egressdefaultpolicy=network.egress_default_allow,
        created=stamp(network.created) if profile.has(4, 16) else None,
        jobid=pending[0].id if pending else None,
        jobstatus=0 if pending else None,
    )


@command(
    "listVirtualMachines",
    "List the virtual machines owned by the account.",
    uuid_filter("vm"),
    Param("ids", "list"),
    Param("name"),
    Param("state"),
    ZONE,
    NETWORK,
    VPC,
    Param("hostid", "uuid", entity="host"),
    Param("templateid", "uuid", entity="template"),
    Param("serviceofferingid", "uuid", entity="serviceoffering"),
    Param("hypervisor"),
    Param("keypair"),
    Param("details", "list"),
    TAGS,
    *ACCOUNT,
)
async def list_virtual_machines(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The tenants; `name` matches as a substring."""
    vms = server.vms if owned_by(server, arguments, server.owner) else []
    if "networkid" in arguments:
        vms = [vm for vm in vms if vm.network.id == arguments["networkid"]]
    if "vpcid" in arguments:
        vms = [vm for vm in vms if vm.network.vpc is not None and vm.network.vpc.id == arguments["vpcid"]]
    if "ids" in arguments:
        vms = [vm for vm in vms if vm.id in arguments["ids"]]
    if "keypair" in arguments:
        vms = [vm for vm in vms if arguments["keypair"] in (pair.name for pair in vm.key_pairs)]
    items = [vm_row(server, vm) for vm in vms if str(arguments.get("name", "")) in vm.name]
    names = ("id", "state", "zoneid", "hostid", "templateid", "serviceofferingid", "hypervisor")
    return reply("virtualmachine", shown(items, arguments, names), arguments)


def vm_row(server: Management, vm: Vm) -> Row:
    """A VM as the API shows it, with its one NIC and its static NAT address."""
    network, fixed = vm.network, server.fixtures
    pending = server.jobs.pending(vm.id)
    public = next((ip for ip in network.ips if ip.static_nat is vm), None)
    keys = ",".join(pair.name for pair in vm.key_pairs) or None
    nic = row(
        id=vm.nic_id,
        networkid=network.id,
        networkname=network.name,
        netmask=str(network.cidr.netmask),
        gateway=network.gateway,
        ipaddress=vm.address,
        isolationuri=f"vlan://{network.vlan}",
        broadcasturi=f"vlan://{network.vlan}",
        traffictype="Guest",
        type=network.kind,
        isdefault=True,
        macaddress=vm.mac,
        deviceid="0",
        secondaryip=[],
        **ipv6.nic_fields(network, vm.mac),
    )
    return row(
        id=vm.id,
        name=vm.name,
        displayname=vm.display_name or vm.name,
        instancename=vm.instance_name,
        **owner_fields(server),
        created=stamp(vm.created),
        state=vm.state,
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
        keypairs=keys if server.profile.has(4, 17) else None,
        keypair=keys if not server.profile.has(4, 17) else None,
        publicip=public.address if public else None,
        publicipid=public.id if public else None,
        nic=[nic],
        jobid=pending[0].id if pending else None,
        jobstatus=0 if pending else None,
    )


def shown(
    items: list[Row], arguments: Arguments, names: Iterable[str], search: tuple[str, ...] = ("name",)
) -> list[Row]:
    """The rows that the filters and the keyword let through."""
    return [item for item in items if matches(item, arguments, names) and has_keyword(item, arguments, search)]
