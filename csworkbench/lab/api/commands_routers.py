# SPDX-License-Identifier: Apache-2.0
"""Routers: listRouters, the other lists of system VMs, restartNetwork."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab import plan
from csworkbench.lab.api.commands_network import owner_fields
from csworkbench.lab.api.errors import PARAMETER, ApiError
from csworkbench.lab.api.listing import Row, has_keyword, matches, owned_by, reply, row, stamp
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.records import Router

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
    *ACCOUNT,
)
async def list_routers(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The network's routers; `version` matches as a prefix."""
    shown = owned_by(server, arguments, server.owner) and "vpcid" not in arguments
    routers = server.routers if shown and not arguments.get("forvpc", False) else []
    if "networkid" in arguments and arguments["networkid"] != server.network.id:
        routers = []
    with_health = bool(arguments.get("fetchhealthcheckresults", False))
    items = [router_row(server, router, with_health=with_health) for router in routers]
    names = ("id", "name", "state", "zoneid", "podid", "hostid", "healthchecksfailed")
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


def router_row(server: Management, router: Router, *, with_health: bool = False) -> Row:
    """A router as the API shows it."""
    network, fixed, profile = server.network, server.fixtures, server.profile
    pending = server.jobs.pending(router.id)
    running = router.state in ("Running", "Starting", "Stopping")
    return row(
        id=router.id,
        zoneid=fixed.zone,
        zonename="zone1",
        dns1=plan.PUBLIC_GATEWAY,
        gateway=plan.PUBLIC_GATEWAY,
        name=router.name,
        podid=fixed.pod,
        podname="pod1" if profile.has(4, 13) else None,
        hostid=fixed.host if running else None,
        hostname="kvm-01" if running else None,
        hostcontrolstate="Enabled" if running and profile.has(4, 18) else None,
        hypervisor="KVM",
        linklocalip=router.control_address if running else None,
        linklocalmacaddress=router.control_mac if running else None,
        linklocalnetmask="255.255.0.0" if running else None,
        linklocalnetworkid=fixed.control_network,
        publicip=network.source_nat.address,
        publicmacaddress=router.public_mac,
        publicnetmask=str(plan.PUBLIC.netmask),
        publicnetworkid=fixed.public_network,
        guestipaddress=network.gateway,
        guestmacaddress=router.guest_mac,
        guestnetmask=str(network.cidr.netmask),
        guestnetworkid=network.id,
        guestnetworkname=network.name if profile.has(4, 11, 1) else None,
        networkdomain=plan.DOMAIN,
        templateid=fixed.router_template,
        templatename=f"systemvm-kvm-{server.settings.template}" if profile.has(4, 16) else None,
        created=stamp(router.created),
        state=router.state,
        **owner_fields(server),
        serviceofferingid=fixed.router_offering,
        serviceofferingname="System Offering For Software Router",
        isredundantrouter=False,
        redundantstate="UNKNOWN",
        version=router.template_version,
        scriptsversion=router.scripts_version,
        role="VIRTUAL_ROUTER",
        requiresupgrade=server.settings.requires_upgrade(router),
        healthchecksfailed=server.health.failed(router) if profile.has(4, 16) else None,
        healthcheckresults=health_rows(server, router) if with_health else None,
        softwareversion=router.software_version if profile.has(4, 17) else None,
        nic=_nics(server, router),
        jobid=pending[0].id if pending else None,
        jobstatus=0 if pending else None,
    )


def _nics(server: Management, router: Router) -> list[Row]:
    network, fixed = server.network, server.fixtures
    guest, control, public = router.nic_ids
    return [
        row(
            id=guest,
            networkid=network.id,
            networkname=network.name,
            netmask=str(network.cidr.netmask),
            ipaddress=network.gateway,
            broadcasturi="vlan://1201",
            traffictype="Guest",
            type="Isolated",
            isdefault=False,
            macaddress=router.guest_mac,
        ),
        row(
            id=control,
            networkid=fixed.control_network,
            netmask="255.255.0.0",
            gateway="169.254.0.1",
            ipaddress=router.control_address,
            traffictype="Control",
            isdefault=False,
            macaddress=router.control_mac,
        ),
        row(
            id=public,
            networkid=fixed.public_network,
            netmask=str(plan.PUBLIC.netmask),
            gateway=plan.PUBLIC_GATEWAY,
            ipaddress=network.source_nat.address,
            broadcasturi="vlan://untagged",
            traffictype="Public",
            isdefault=True,
            macaddress=router.public_mac,
        ),
    ]


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
async def list_internal_lb_vms(_server: Management, arguments: Arguments) -> dict[str, Any]:
    """This topology has none."""
    return reply("internalloadbalancervm", [], arguments)


@command(
    "listSystemVms",
    "List system virtual machines.",
    uuid_filter("systemvm"),
    Param("name"),
    Param("systemvmtype"),
    *_PLACES,
)
async def list_system_vms(_server: Management, arguments: Arguments) -> dict[str, Any]:
    """This cloud has none yet."""
    return reply("systemvm", [], arguments)


@command(
    "restartNetwork",
    "Restarts the network; includes 1) restarting network elements - virtual routers, DHCP servers "
    "2) reapplying all public IPs 3) reapplying load balancing/port forwarding rules",
    Param("id", "uuid", required=True, entity="network"),
    Param("cleanup", "boolean", description="If cleanup old network elements"),
    Param("makeredundant", "boolean", since=(4, 11, 1)),
    Param("livepatch", "boolean", since=(4, 17)),
    is_async=True,
)
async def restart_network(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Accept the job; jobs of one network wait for each other."""
    for flag in ("makeredundant", "livepatch"):
        if arguments.get(flag, False):
            raise ApiError(PARAMETER, f"{flag} is not offered by this test cloud yet")
    network = server.network
    cleanup = bool(arguments.get("cleanup", server.profile.cleanup_default))
    text = f"Restarting Network with ID: {network.id}" if server.profile.has(4, 11) else "Restarting network: 204"
    family = server.begin("NETWORK.RESTART", text, (network.id, "Network", network.name))

    async def work() -> dict[str, Any]:
        await server.orchestrator.restart_network(cleanup=cleanup, family=family)
        return {"success": True}

    job = server.jobs.submit(
        "org.apache.cloudstack.api.command.user.network.RestartNetworkCmd",
        ("Network", network.id),
        work,
        queue=f"network {network.id}",
    )
    return {"jobid": job.id}
