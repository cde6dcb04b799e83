# SPDX-License-Identifier: Apache-2.0
"""Discovery and infrastructure: listApis, listCapabilities, servers, zones, hosts, offerings, templates, settings."""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING, Any

from csworkbench.lab import plan
from csworkbench.lab.api import access, fields, offerings
from csworkbench.lab.api.commands_systemvms import host_row
from csworkbench.lab.api.errors import INTERNAL, ApiError
from csworkbench.lab.api.listing import Row, has_keyword, has_services, matches, reply, row, stamp
from csworkbench.lab.api.registry import Arguments, Command, Param, command, uuid_filter
from csworkbench.lab.sessions import current
from csworkbench.lab.settings import VERSION_SHOWN

if TYPE_CHECKING:
    from csworkbench.lab.management import Management


@command("listApis", "lists all available apis on the server", Param("name"))
async def list_apis(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Everything the release knows; an unknown name is error 530."""
    known = access.allowed(server, current())
    if "name" in arguments:
        if arguments["name"] not in known:
            raise ApiError(INTERNAL, f"The API command: {arguments['name']} is not available")
        known = {arguments["name"]: known[arguments["name"]]}
    return {"count": len(known), "api": [_api_row(server, entry) for entry in known.values()]}


def _api_row(server: Management, entry: Command) -> Row:
    return row(
        name=entry.name,
        description=entry.description,
        since=".".join(map(str, entry.since)) or None,
        isasync=entry.is_async,
        params=[
            row(
                name=param.name,
                description=param.description or param.name,
                type=param.type,
                length=255,
                required=param.required,
                since=".".join(map(str, param.since)) or None,
            )
            for param in entry.params_of(server.profile)
        ],
        response=fields.of(entry, server.profile),
    )


@command("listCapabilities", "Lists capabilities")
async def list_capabilities(server: Management, _arguments: Arguments) -> dict[str, Any]:
    """The release and a few switches."""
    settings = server.settings
    limited = settings.flag("api.throttling.enabled")
    return {
        "capability": row(
            securitygroupsenabled=False,
            dynamicrolesenabled=True,
            cloudstackversion=server.profile.code_version if settings.flag(VERSION_SHOWN) else None,
            userpublictemplateenabled=True,
            supportELB="false",
            projectinviterequired=False,
            allowusercreateprojects=True,
            customdiskofferingminsize=1,
            customdiskofferingmaxsize=1024,
            regionsecondaryenabled=False,
            apilimitinterval=settings.number("api.throttling.interval") if limited else None,
            apilimitmax=settings.number("api.throttling.max") if limited else None,
            kvmsnapshotenabled=False,
            defaultuipagesize=20,
        )
    }


@command("listManagementServers", "Lists management servers.", uuid_filter("server"), Param("name"), since=(4, 12))
async def list_management_servers(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The one server there is."""
    item = row(
        id=server.fixtures.server,
        name="mgmt-01",
        state="Maintenance" if server.maintenance else "Up",
        version=server.profile.code_version,
        osdistribution="Linux",
        kernelversion=platform.release(),
        javaversion="17.0.9" if server.profile.has(4, 20) else "11.0.21",
        lastserverstart=stamp(server.started),
        lastboottime=stamp(server.started),
        serviceip="127.0.0.1",
        pendingjobscount=len(server.jobs.pending()) if server.profile.has(4, 21) else None,
    )
    return reply("managementserver", _shown([item], arguments, ("id", "name")), arguments)


@command(
    "listZones",
    "Lists zones",
    uuid_filter("zone"),
    Param("ids", "list", since=(4, 19)),
    Param("name"),
    Param("networktype"),
    Param("available", "boolean"),
)
async def list_zones(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Two zones; the second has no hosts yet, as one that is being built."""
    items = [
        row(
            id=zone,
            name=server.zone_name(zone),
            dns1=plan.PUBLIC_GATEWAY,
            internaldns1=plan.PUBLIC_GATEWAY,
            guestcidraddress="10.1.1.0/24",
            networktype="Advanced",
            securitygroupsenabled=False,
            allocationstate="Enabled" if zone == server.fixtures.zone else "Disabled",
            dhcpprovider="VirtualRouter",
            localstorageenabled=True,
            type="Core" if server.profile.has(4, 18) else None,
        )
        for zone in (server.fixtures.zone, server.fixtures.second_zone)
    ]
    if arguments.get("available", False):
        items = [item for item in items if item["allocationstate"] == "Enabled"]
    items = [item for item in items if item["id"] in arguments.get("ids", [item["id"]])]
    return reply("zone", _shown(items, arguments, ("id", "name", "networktype")), arguments)


@command(
    "listHosts",
    "Lists hosts.",
    uuid_filter("host"),
    Param("name"),
    Param("type"),
    Param("state"),
    Param("resourcestate"),
    Param("hypervisor"),
    Param("zoneid", "uuid", entity="zone"),
    Param("podid", "uuid", entity="pod"),
    Param("clusterid", "uuid", entity="cluster"),
)
async def list_hosts(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The one hypervisor, which is the namespace that holds the bridges, and the system VMs whose agents it knows."""
    fixed = server.fixtures
    item = row(
        id=fixed.host,
        name="kvm-01",
        state="Up",
        type="Routing",
        ipaddress="127.0.0.1",
        zoneid=fixed.zone,
        zonename="zone1",
        podid=fixed.pod,
        podname="pod1",
        clusterid=fixed.cluster,
        clustername="cluster1",
        hypervisor="KVM",
        hypervisorversion=_kernel(),
        version=server.orchestrator.agent_release.code_version,
        resourcestate="Enabled",
        managementserverid=server.fixtures.server if server.profile.has(4, 21) else None,
    )
    names = ("id", "name", "type", "state", "resourcestate", "hypervisor", "zoneid", "podid", "clusterid")
    items = [item, *(host_row(server, vm) for vm in server.system_vm_rows if vm.agent_state is not None)]
    return reply("host", _shown(items, arguments, names), arguments)


def _kernel() -> str:
    """The kernel that carries the routers, as number: it decides how fast they boot, and how they forward."""
    found = re.match(r"[0-9]+(\.[0-9]+)*", platform.release())
    return found[0] if found else ""


@command(
    "listServiceOfferings",
    "Lists all available service offerings.",
    uuid_filter("serviceoffering"),
    Param("name"),
    Param("issystem", "boolean"),
    Param("systemvmtype"),
)
async def list_service_offerings(server: Management, arguments: Arguments) -> dict[str, Any]:
    """User offerings, or with `issystem` the router's."""
    fixed = server.fixtures
    items = [
        row(id=fixed.vm_offering, name="Small Instance", cpunumber=1, cpuspeed=500, memory=512, issystem=False),
        row(
            id=fixed.router_offering,
            name="System Offering For Software Router",
            cpunumber=1,
            cpuspeed=500,
            memory=512,
            issystem=True,
            systemvmtype="domainrouter",
        ),
    ]
    asked = {"issystem": False, **arguments}
    return reply("serviceoffering", _shown(items, asked, ("id", "name", "issystem", "systemvmtype")), arguments)


@command(
    "listNetworkOfferings",
    "Lists all available network offerings.",
    uuid_filter("networkoffering"),
    Param("name"),
    Param("state"),
    Param("guestiptype"),
    Param("traffictype"),
    Param("forvpc", "boolean"),
    Param("supportedservices", "list"),
    Param("sourcenatsupported", "boolean"),
)
async def list_network_offerings(server: Management, arguments: Arguments) -> dict[str, Any]:
    """One for each kind of network."""
    items = [
        row(
            id=offering.id,
            name=offering.name,
            displaytext=offering.text,
            state="Enabled",
            guestiptype=offering.kind,
            traffictype="Guest",
            forvpc=offering.for_vpc,
            conservemode=True,
            ispersistent=False,
            egressdefaultpolicy=False,
            availability="Required" if offering.id == server.fixtures.network_offering else "Optional",
            service=offering.services(providers=True),
        )
        for offering in offerings.listing(server)
        if arguments.get("sourcenatsupported") in (None, "SourceNat" in offering.names)
    ]
    items = [item for item in items if has_services(item, arguments)]
    names = ("id", "name", "state", "guestiptype", "traffictype", "forvpc")
    return reply("networkoffering", _shown(items, arguments, names), arguments)


_TEMPLATE_FILTERS = frozenset(
    {"featured", "self", "selfexecutable", "sharedexecutable", "executable", "community", "all"}
)


@command(
    "listTemplates",
    "List all public, private, and privileged templates.",
    Param("templatefilter", required=True),
    uuid_filter("template"),
    Param("ids", "list"),
    Param("name"),
    Param("hypervisor"),
    Param("zoneid", "uuid", entity="zone"),
    Param("templatetype", since=(4, 19)),
    Param("arch", since=(4, 20)),
    Param("isready", "boolean", since=(4, 21)),
)
async def list_templates(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The guest template, and with `all` the system VM template too; a row for each zone."""
    wanted = arguments["templatefilter"]
    if wanted not in _TEMPLATE_FILTERS:
        raise ApiError(431, f"Please specify a valid template filter, {wanted} is not one")
    fixed = server.fixtures
    templates = [(fixed.vm_template, "lab guest", "USER")]
    if wanted == "all":
        templates.append((fixed.router_template, f"systemvm-kvm-{server.settings.template}", "SYSTEM"))
    items = [
        row(
            id=identity,
            name=name,
            templatetype=kind,
            isready=True,
            status="Download Complete",
            hypervisor="KVM",
            zoneid=zone,
            zonename=server.zone_name(zone),
            format="QCOW2",
            arch="x86_64" if server.profile.has(4, 20) else None,
            created=stamp(server.started),
        )
        for identity, name, kind in templates
        for zone in (fixed.zone, fixed.second_zone)
        if identity in arguments.get("ids", [identity])
    ]
    names = ("id", "name", "hypervisor", "zoneid", "templatetype", "arch", "isready")
    return reply("template", _shown(items, arguments, names), arguments)


def _shown(items: list[Row], arguments: Arguments, names: tuple[str, ...]) -> list[Row]:
    return [item for item in items if matches(item, arguments, names) and has_keyword(item, arguments)]
