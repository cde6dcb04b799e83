# SPDX-License-Identifier: Apache-2.0
"""VPCs and their offerings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab import plan
from csworkbench.lab.api import offerings
from csworkbench.lab.api.commands_network import TAGS, ZONE, network_row, owner_fields, shown
from csworkbench.lab.api.listing import Row, has_services, owned_by, reply, row, stamp
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.records import Vpc

if TYPE_CHECKING:
    from csworkbench.lab.management import Management


@command(
    "listVPCs",
    "Lists VPCs",
    uuid_filter("vpc"),
    Param("name"),
    Param("displaytext"),
    Param("cidr"),
    Param("state"),
    Param("vpcofferingid", "uuid", entity="vpcoffering"),
    Param("restartrequired", "boolean"),
    Param("supportedservices", "list"),
    ZONE,
    TAGS,
    *ACCOUNT,
)
async def list_vpcs(server: Management, arguments: Arguments) -> dict[str, Any]:
    """VPCs with their tiers; `name` matches as a substring."""
    vpcs = server.vpcs if owned_by(server, arguments, server.owner) else []
    items = [_row(server, vpc) for vpc in vpcs if str(arguments.get("name", "")) in vpc.name]
    items = [item for item in items if has_services(item, arguments)]
    names = ("id", "displaytext", "cidr", "state", "vpcofferingid", "restartrequired", "zoneid")
    return reply("vpc", shown(items, arguments, names), arguments)


def _row(server: Management, vpc: Vpc) -> Row:
    pending = server.jobs.pending(vpc.id)
    offering, name = offerings.of_vpc(server, vpc)
    return row(
        id=vpc.id,
        name=vpc.name,
        displaytext=vpc.name,
        created=stamp(vpc.created),
        state="Enabled",
        zoneid=vpc.zone_id,
        zonename=server.zone_name(vpc.zone_id),
        service=[{"name": service} for service in offerings.TIER_SERVICES],
        cidr=str(vpc.cidr),
        vpcofferingid=offering,
        vpcofferingname=name if server.profile.has(4, 13) else None,
        restartrequired=vpc.restart_required,
        networkdomain=plan.DOMAIN,
        network=[network_row(server, tier) for tier in vpc.tiers],
        **owner_fields(server),
        fordisplay=True,
        distributedvpcrouter=False,
        regionlevelvpc=False,
        redundantvpcrouter=vpc.redundant,
        jobid=pending[0].id if pending else None,
        jobstatus=0 if pending else None,
    )


@command("listVPCOfferings", "Lists VPC offerings", uuid_filter("vpcoffering"), Param("name"), Param("state"))
async def list_vpc_offerings(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The default one and the redundant one."""
    fixed = server.fixtures
    items = [
        row(
            id=identity,
            name=name,
            displaytext=name,
            state="Enabled",
            isdefault=True,
            created=stamp(server.started),
            distributedvpcrouter=False,
            supportsregionLevelvpc=False,
            service=[
                {"name": service, "provider": [{"name": "VpcVirtualRouter"}]} for service in offerings.TIER_SERVICES
            ],
        )
        for identity, name in (
            (fixed.vpc_offering, "Default VPC offering"),
            (fixed.redundant_vpc_offering, "Redundant VPC offering"),
        )
    ]
    return reply("vpcoffering", shown(items, arguments, ("id", "name", "state")), arguments)
