# SPDX-License-Identifier: Apache-2.0
"""Network ACL lists of VPCs: made, given to tiers, taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.commands_network import NETWORK, VPC, shown
from csworkbench.lab.api.errors import INTERNAL, ApiError, invalid_value
from csworkbench.lab.api.listing import Row, owned_by, reply, row
from csworkbench.lab.api.programming import Operation, accept, program
from csworkbench.lab.api.public_rules import discard
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.records import AclList, Network, Vpc
from csworkbench.lab.rules import Stage

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_LIST = "NetworkAcl"
_CREATE_LIST = Operation("NETWORK.ACL.CREATE", "creating network acl list", "network.CreateNetworkACLListCmd", _LIST)
_DELETE_LIST = Operation("NETWORK.ACL.DELETE", "Deleting Network ACL List", "network.DeleteNetworkACLListCmd", _LIST)
_REPLACE = Operation("NETWORK.ACL.REPLACE", "Replacing network ACL", "network.ReplaceNetworkACLListCmd", _LIST)


@command(
    "listNetworkACLLists",
    "Lists all network ACLs",
    uuid_filter("acllist"),
    Param("name"),
    NETWORK,
    VPC,
    *ACCOUNT,
)
async def list_network_acl_lists(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Lists; the default ones belong to no VPC, so `vpcid` gives them too. `networkid`: the one that this tier uses."""
    lists = server.acl_lists if owned_by(server, arguments, server.owner) else []
    if "networkid" in arguments:
        lists = [acl for acl in lists if acl is server.find(server.networks, arguments["networkid"]).acl]
    if "vpcid" in arguments:
        lists = [acl for acl in lists if acl in server.find(server.vpcs, arguments["vpcid"]).acl_lists]
    items = [_list_row(server, acl) for acl in lists]
    return reply("networkacllist", shown(items, arguments, ("id", "name")), arguments)


def _list_row(server: Management, acl: AclList) -> Row:
    vpc = None if acl.default else vpc_of(server, acl)
    return row(
        id=acl.id,
        name=acl.name,
        description=acl.description,
        vpcid=vpc.id if vpc else None,
        vpcname=vpc.name if vpc and server.profile.has(4, 16) else None,
        fordisplay=True,
    )


@command(
    "createNetworkACLList",
    "Creates a network ACL for the given VPC",
    Param("name", required=True),
    Param("description"),
    Param("vpcid", "uuid", required=True, entity="vpc"),
    is_async=True,
)
async def create_network_acl_list(server: Management, arguments: Arguments) -> dict[str, Any]:
    """A list without rules; no router hears of it until a tier uses it."""
    vpc = server.find(server.vpcs, arguments["vpcid"])
    acl = AclList(server.new_id(), str(arguments["name"]), description=str(arguments.get("description", "")))
    vpc.acl_lists.append(acl)

    async def work() -> dict[str, Any]:
        return {"networkacllist": _list_row(server, acl)}

    return accept(server, vpc, _CREATE_LIST, acl.id, work, created=True)


@command(
    "deleteNetworkACLList",
    "Deletes a network ACL",
    Param("id", "uuid", required=True, entity="acllist"),
    is_async=True,
)
async def delete_network_acl_list(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Only a list that no tier uses."""
    acl = own_list(server, arguments["id"], "Default ACL cannot be removed")
    vpc = vpc_of(server, acl)

    async def work() -> dict[str, Any]:
        if tiers := users(server, acl):
            text = f"ACL is still associated with {len(tiers)} tier(s). Cannot delete network ACL list: {acl.id}"
            raise ApiError(INTERNAL, text, 4250)
        discard(vpc.acl_lists, acl)
        return {"success": True}

    return accept(server, vpc, _DELETE_LIST, acl.id, work)


@command(
    "replaceNetworkACLList",
    "Replaces ACL associated with a network or private gateway",
    Param("aclid", "uuid", required=True, entity="acllist"),
    NETWORK,
    Param("gatewayid"),
    is_async=True,
)
async def replace_network_acl_list(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Another list for a tier."""
    acl = server.find(server.acl_lists, arguments["aclid"])
    if "networkid" not in arguments or "gatewayid" in arguments:
        raise invalid_value("Network id and private gateway can't be passed at the same time, nor both be missing")
    tier = server.find(server.networks, arguments["networkid"])
    if tier.vpc is None:
        raise invalid_value(f"Network is not part of a VPC: {tier.id}")
    if acl not in tier.vpc.acl_lists:
        raise invalid_value("Network and ACL are not in the same VPC")
    vpc = tier.vpc

    async def work() -> dict[str, Any]:
        before, tier.acl = tier.acl, acl
        try:
            await program(server, vpc, Stage.NETWORK_ACL)
        except ApiError:
            tier.acl = before
            raise
        return {"success": True}

    return accept(server, vpc, _REPLACE, acl.id, work)


def users(server: Management, acl: AclList) -> list[Network]:
    """The tiers that use a list."""
    return [network for network in server.networks if network.acl is acl]


def vpc_of(server: Management, acl: AclList) -> Vpc:
    """The VPC that a list belongs to; the first one for a default list."""
    return next(vpc for vpc in server.vpcs if acl in vpc.acl_lists)


def own_list(server: Management, identity: str, refusal: str) -> AclList:
    """A list that users may change; raises ApiError 431 for a default one."""
    acl = server.find(server.acl_lists, identity)
    if acl.default:
        raise invalid_value(refusal)
    return acl
