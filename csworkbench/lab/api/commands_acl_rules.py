# SPDX-License-Identifier: Apache-2.0
"""The rules of network ACL lists: the VPC's routers follow them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.commands_acls import own_list, users, vpc_of
from csworkbench.lab.api.commands_network import NETWORK, TAGS, shown
from csworkbench.lab.api.errors import ApiError, invalid_value
from csworkbench.lab.api.listing import Row, owned_by, reply, row
from csworkbench.lab.api.programming import Operation, accept, program
from csworkbench.lab.api.public_rules import ANYWHERE, discard, port
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.records import ACTIVE, ADD, REVOKE, AclList, AclRule
from csworkbench.lab.rules import Stage

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_PROTOCOLS = ("tcp", "udp", "icmp", "all")
_ITEM = "NetworkAclItem"
_CREATE = Operation("NETWORK.ACL.ITEM.CREATE", "creating network ACL Item", "network.CreateNetworkACLCmd", _ITEM)
_DELETE = Operation("NETWORK.ACL.ITEM.DELETE", "Deleting Network ACL Item", "network.DeleteNetworkACLCmd", _ITEM)


@command(
    "listNetworkACLs",
    "Lists all network ACL items",
    uuid_filter("aclrule"),
    Param("aclid", "uuid", entity="acllist"),
    NETWORK,
    Param("traffictype"),
    Param("protocol"),
    Param("action"),
    TAGS,
    *ACCOUNT,
)
async def list_network_acls(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Rules of all lists, or with `networkid` of the one that this tier uses."""
    lists = server.acl_lists if owned_by(server, arguments, server.owner) else []
    if "networkid" in arguments:
        lists = [acl for acl in lists if acl is server.find(server.networks, arguments["networkid"]).acl]
    asked = {
        name: str(value).capitalize() if name in ("traffictype", "action") else value
        for name, value in arguments.items()
    }
    items = [_rule_row(server, acl, rule) for acl in lists for rule in sorted(acl.rules, key=lambda one: one.number)]
    names = ("id", "aclid", "traffictype", "protocol", "action")
    return reply("networkacl", shown(items, asked, names, ("protocol",)), arguments)


def _rule_row(server: Management, acl: AclList, rule: AclRule) -> Row:
    icmp = -1 if rule.protocol == "icmp" else None
    return row(
        id=rule.id,
        protocol=rule.protocol,
        startport=None if rule.start_port is None else str(rule.start_port),
        endport=None if rule.end_port is None else str(rule.end_port),
        traffictype=rule.traffic,
        state=rule.state,
        cidrlist=rule.cidr,
        icmptype=icmp,
        icmpcode=icmp,
        tags=[],
        aclid=acl.id,
        aclname=acl.name if server.profile.has(4, 13) else None,
        number=rule.number,
        action=rule.action,
        fordisplay=True,
    )


@command(
    "createNetworkACL",
    "Creates a ACL rule in the given network (the network has to belong to VPC)",
    Param("protocol", required=True),
    Param("startport", "integer"),
    Param("endport", "integer"),
    Param("cidrlist", "list"),
    Param("icmptype", "integer"),
    Param("icmpcode", "integer"),
    NETWORK,
    Param("aclid", "uuid", entity="acllist"),
    Param("traffictype"),
    Param("number", "integer"),
    Param("action"),
    is_async=True,
)
async def create_network_acl(server: Management, arguments: Arguments) -> dict[str, Any]:
    """One more rule; without a number it comes last."""
    acl = own_list(server, _list_id(server, arguments), "Default ACL cannot be modified")
    rule = _rule(server, arguments, acl)
    acl.rules.append(rule)

    async def work() -> dict[str, Any]:
        try:
            await _programusers(server, acl)
        except ApiError:
            discard(acl.rules, rule)
            raise
        rule.state = ACTIVE
        return {"networkacl": _rule_row(server, acl, rule)}

    return accept(server, vpc_of(server, acl), _CREATE, rule.id, work, created=True)


@command(
    "deleteNetworkACL",
    "Deletes a network ACL",
    Param("id", "uuid", required=True, entity="aclrule"),
    is_async=True,
)
async def delete_network_acl(server: Management, arguments: Arguments) -> dict[str, Any]:
    """One rule less; what is established goes on."""
    acl = next(acl for acl in server.acl_lists if any(rule.id == arguments["id"] for rule in acl.rules))
    own_list(server, acl.id, "ACL item belongs to a default ACL and cannot be deleted")
    rule = server.find(acl.rules, arguments["id"])

    async def work() -> dict[str, Any]:
        rule.state = REVOKE
        await _programusers(server, acl)
        discard(acl.rules, rule)
        return {"success": True}

    return accept(server, vpc_of(server, acl), _DELETE, rule.id, work)


async def _programusers(server: Management, acl: AclList) -> None:
    if users(server, acl):
        await program(server, vpc_of(server, acl), Stage.NETWORK_ACL)


def _list_id(server: Management, arguments: Arguments) -> str:
    """The list named, or the one of the tier named; raises ApiError 431."""
    if "aclid" in arguments:
        return str(arguments["aclid"])
    if "networkid" not in arguments:
        raise invalid_value("Cannot create Network ACL Item. ACL Id or network Id is required")
    tier = server.find(server.networks, arguments["networkid"])
    if tier.acl is None:
        raise invalid_value(f"Network: {tier.id} is not part of a VPC")
    return tier.acl.id


def _rule(server: Management, arguments: Arguments, acl: AclList) -> AclRule:
    """Raises ApiError 431."""
    protocol = str(arguments["protocol"]).lower()
    if protocol not in _PROTOCOLS:
        raise invalid_value(f"Protocol {protocol} is not supported; expected one of {', '.join(_PROTOCOLS)}")
    action = str(arguments.get("action", "allow")).lower()
    traffic = str(arguments.get("traffictype", "ingress")).lower()
    if action not in ("allow", "deny"):
        raise invalid_value(f"Invalid action. Allowed actions are: [Deny, Allow], not {action}")
    if traffic not in ("ingress", "egress"):
        raise invalid_value(f"Invalid traffic type: {traffic}")
    first, last = _ports(arguments, protocol)
    try:
        cidrs = ",".join(str(ipaddress.IPv4Network(cidr)) for cidr in arguments.get("cidrlist", [ANYWHERE]))
    except ValueError as error:
        raise invalid_value(f"Source cidrs formatting error {error}") from error
    number = int(arguments.get("number", max((rule.number for rule in acl.rules), default=0) + 1))
    if number < 1:
        raise invalid_value("Invalid number. Number cannot be < 1")
    if any(rule.number == number for rule in acl.rules):
        raise invalid_value(f"ACL item with number {number} already exists in ACL: {acl.id}")
    return AclRule(
        server.new_id(),
        number,
        "Allow" if action == "allow" else "Deny",
        "Ingress" if traffic == "ingress" else "Egress",
        protocol,
        first,
        last,
        cidrs,
        ADD,
    )


def _ports(arguments: Arguments, protocol: str) -> tuple[int | None, int | None]:
    """First and last port, None for all; raises ApiError 431."""
    given = [name for name in ("startport", "endport") if name in arguments]
    if protocol not in ("tcp", "udp"):
        if given:
            raise invalid_value(f"Can specify start and end ports only when protocol is TCP or UDP, not {protocol}")
        return None, None
    if not given:
        return None, None
    first, last = port(arguments, given[0]), port(arguments, given[-1])
    if first > last:
        raise invalid_value("Start port can't be bigger than end port")
    return first, last
