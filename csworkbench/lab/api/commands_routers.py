# SPDX-License-Identifier: Apache-2.0
"""Routers and other system VMs, as the API lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab import ipv6, plan
from csworkbench.lab.api.commands_network import owner_fields
from csworkbench.lab.api.listing import Row, has_keyword, matches, owned_by, reply, row, stamp
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.records import Network, Nic, Router, Vpc

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_PLACES = (
    Param("zoneid", "uuid", entity="zone"),
    Param("podid", "uuid", entity="pod"),
    Param("clusterid", "uuid", entity="cluster"),
    Param("hostid", "uuid", entity="host"),
)
_ROUTER_FILTERS = (
    Param("name"),
    Param("state"),
    Param("networkid", "uuid", entity="network"),
    Param("vpcid", "uuid", entity="vpc"),
    Param("forvpc", "boolean"),
    *_PLACES,
)


@command(
    "listRouters",
    "List routers.",
    uuid_filter("router"),
    *_ROUTER_FILTERS,
    Param("version"),
    Param("fetchhealthcheckresults", "boolean", since=(4, 14)),
    Param("healthchecksfailed", "boolean", since=(4, 16)),
    Param("arch", since=(4, 20, 1)),
    *ACCOUNT,
)
async def list_routers(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Virtual routers; `version` matches as a prefix."""
    routers = _chosen(server, arguments, "VIRTUAL_ROUTER")
    with_health = bool(arguments.get("fetchhealthcheckresults", False))
    items = [router_row(server, router, with_health=with_health) for router in routers]
    names = ("id", "name", "state", "zoneid", "podid", "hostid", "healthchecksfailed", "arch")
    prefix = str(arguments.get("version", ""))
    return reply(
        "router",
        [
            item
            for item in items
            if matches(item, arguments, names)
            and has_keyword(item, arguments)
            and str(item["version"]).startswith(prefix)
        ],
        arguments,
    )


def _chosen(server: Management, arguments: Arguments, role: str) -> list[Router]:
    """The routers of that role that the caller sees and that serve the named network or VPC."""
    routers = [router for router in server.routers if router.role == role]
    if not owned_by(server, arguments, server.owner):
        return []
    if "forvpc" in arguments:
        routers = [router for router in routers if (_vpc(router) is not None) == arguments["forvpc"]]
    if "vpcid" in arguments:
        routers = [router for router in routers if (vpc := _vpc(router)) is not None and vpc.id == arguments["vpcid"]]
    if "networkid" in arguments:
        network = arguments["networkid"]
        routers = [router for router in routers if any(one.id == network for one in router.served.networks)]
    return routers


def _vpc(router: Router) -> Vpc | None:
    served = router.served
    if isinstance(served, Vpc):
        return served
    return served.vpc if isinstance(served, Network) else None


def router_row(server: Management, router: Router, *, with_health: bool = False) -> Row:
    """A router as the API shows it."""
    fixed, profile, served = server.fixtures, server.profile, router.served
    pending = server.jobs.pending(router.id)
    running = router.state in ("Running", "Starting", "Stopping")
    vpc, public = _vpc(router), router.nic("Public")
    guest = router.guests[0] if router.guests else None
    guests = guest.network if guest is not None else None
    return row(
        id=router.id,
        zoneid=served.zone_id,
        zonename=server.zone_name(served.zone_id),
        dns1=plan.PUBLIC_GATEWAY,
        gateway=plan.PUBLIC_GATEWAY if public else None,
        name=router.name,
        podid=fixed.pod,
        podname="pod1" if profile.has(4, 13) else None,
        hostid=fixed.host if running else None,
        hostname="kvm-01" if running else None,
        hostcontrolstate="Enabled" if running and profile.has(4, 18) else None,
        hypervisor="KVM",
        linklocalip=router.control.address if running else None,
        linklocalmacaddress=router.control.mac if running else None,
        linklocalnetmask="255.255.0.0" if running else None,
        linklocalnetworkid=fixed.control_network,
        publicip=public.address if public else None,
        publicmacaddress=public.mac if public else None,
        publicnetmask=str(plan.PUBLIC.netmask) if public else None,
        publicnetworkid=fixed.public_network if public else None,
        guestipaddress=guest.address if guest else None,
        guestmacaddress=guest.mac if guest else None,
        guestnetmask=str(guests.cidr.netmask) if guests else None,
        guestnetworkid=guests.id if guests else None,
        guestnetworkname=guests.name if guests and profile.has(4, 11, 1) else None,
        networkdomain=plan.DOMAIN,
        templateid=fixed.router_template,
        templatename=f"systemvm-kvm-{server.settings.template}" if profile.has(4, 16) else None,
        created=stamp(router.created),
        state=router.state,
        **owner_fields(server),
        serviceofferingid=fixed.router_offering,
        serviceofferingname="System Offering For Software Router",
        isredundantrouter=router.redundant,
        redundantstate=_redundant_state(server, router),
        version=router.template_version,
        scriptsversion=router.scripts_version,
        role=router.role,
        arch="x86_64" if profile.has(4, 20, 1) else None,
        requiresupgrade=server.settings.requires_upgrade(router),
        healthchecksfailed=server.health.failed(router) if profile.has(4, 16) else None,
        healthcheckresults=health_rows(server, router) if with_health else None,
        softwareversion=router.software_version if profile.has(4, 17) else None,
        vpcid=vpc.id if vpc else None,
        vpcname=vpc.name if vpc and profile.has(4, 11, 1) else None,
        nic=[_nic(server, router, nic) for nic in router.nics],
        jobid=pending[0].id if pending else None,
        jobstatus=0 if pending else None,
    )


def _redundant_state(server: Management, router: Router) -> str:
    """As last polled; the word for the active router changed with 4.16."""
    return "MASTER" if router.redundant_state == "PRIMARY" and not server.profile.has(4, 16) else router.redundant_state


def _nic(server: Management, router: Router, nic: Nic) -> Row:
    fixed, network = server.fixtures, nic.network
    common = {"id": nic.id, "ipaddress": nic.address, "traffictype": nic.traffic, "macaddress": nic.mac}
    match nic.traffic:
        case "Control":
            own = {"networkid": fixed.control_network, "netmask": "255.255.0.0", "gateway": "169.254.0.1"}
        case "Public":
            own = {
                "networkid": fixed.public_network,
                "netmask": str(plan.PUBLIC.netmask),
                "gateway": plan.PUBLIC_GATEWAY,
                "broadcasturi": "vlan://untagged",
            }
        case _ if network is not None:
            own = {
                "networkid": network.id,
                "networkname": network.name,
                "netmask": str(network.cidr.netmask),
                "broadcasturi": f"vlan://{network.vlan}",
                "type": network.kind,
            }
            if network.kind == "Shared":
                own["gateway"] = network.gateway
        case _:
            own = {}
    default = nic.traffic == "Public" or (nic.traffic == "Guest" and "gateway" in own)
    return row(**common, **own, **ipv6.router_nic_fields(router, nic), isdefault=default)


def health_rows(server: Management, router: Router) -> list[Row]:
    """The last results of a router's health checks."""
    return [
        row(
            checkname=result.name,
            checktype=result.kind,
            success=result.success,
            status=("SUCCESS" if result.success else "FAILED") if server.profile.has(4, 22) else None,
            lastupdated=stamp(result.checked),
            details=result.details,
        )
        for result in server.health.known(router)
    ]


@command("listInternalLoadBalancerVMs", "List internal LB VMs.", uuid_filter("ilbvm"), *_ROUTER_FILTERS, *ACCOUNT)
async def list_internal_lb_vms(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Internal load balancers of VPC tiers: routers' rows without a version."""
    items = [internal_lb_row(server, router) for router in _chosen(server, arguments, "INTERNAL_LB_VM")]
    names = ("id", "name", "state", "zoneid", "podid", "hostid")
    shown = [item for item in items if matches(item, arguments, names) and has_keyword(item, arguments)]
    return reply("internalloadbalancervm", shown, arguments)


def internal_lb_row(server: Management, router: Router) -> Row:
    """An internal LB VM as the API shows it."""
    item = router_row(server, router)
    return {name: value for name, value in item.items() if name not in ("version", "healthchecksfailed")}
