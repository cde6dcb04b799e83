# SPDX-License-Identifier: Apache-2.0
"""IPv6 firewall rules: what is let in to a network's /64."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from csworkbench.lab import ipv6
from csworkbench.lab.api.commands_network import NETWORK, TAGS, shown
from csworkbench.lab.api.errors import ApiError, invalid_value
from csworkbench.lab.api.listing import Row, owned_by, reply, row
from csworkbench.lab.api.programming import Operation, accept, program
from csworkbench.lab.api.public_rules import discard, port
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.records import ACTIVE, ADD, REVOKE, FirewallRule
from csworkbench.lab.rules import Stage

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_OPEN = Operation("FIREWALL.OPEN", "creating ipv6 firewall rule", "ipv6.CreateIpv6FirewallRuleCmd", "FirewallRule")
_CLOSE = Operation("FIREWALL.CLOSE", "revoking ipv6 firewall rule", "ipv6.DeleteIpv6FirewallRuleCmd", "FirewallRule")
_PORTED = ("tcp", "udp")


@command(
    "listIpv6FirewallRules",
    "Lists all IPv6 firewall rules",
    uuid_filter("firewall6"),
    NETWORK,
    TAGS,
    *ACCOUNT,
    since=ipv6.FIRST_RELEASE,
)
async def list_ipv6_firewall_rules(server: Management, arguments: Arguments) -> dict[str, Any]:
    """All of them are for traffic into the network."""
    rules = [rule for network in server.networks for rule in network.firewall6]
    items = [_row(rule) for rule in rules] if owned_by(server, arguments, server.owner) else []
    return reply("firewallrule", shown(items, arguments, ("id", "networkid")), arguments)


def _row(rule: FirewallRule) -> Row:
    return row(
        id=rule.id,
        protocol=rule.protocol,
        startport=rule.start_port,
        endport=rule.end_port,
        cidrlist=rule.cidr,
        networkid=rule.network.id,
        traffictype="Ingress",
        state=rule.state,
        tags=[],
    )


@command(
    "createIpv6FirewallRule",
    "Creates an Ipv6 firewall rule in the given network (the network must not belong to VPC)",
    Param("networkid", "uuid", required=True, entity="network"),
    Param("protocol", required=True),
    Param("startport", "integer"),
    Param("endport", "integer"),
    Param("cidrlist", "list"),
    Param("traffictype"),
    is_async=True,
    since=ipv6.FIRST_RELEASE,
)
async def create_ipv6_firewall_rule(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Let something in; `traffictype=Egress` is not offered. Raises ApiError 431."""
    rule = _rule(server, arguments)
    network = rule.network
    network.firewall6.append(rule)

    async def work() -> dict[str, Any]:
        try:
            await program(server, network, Stage.FIREWALL)
        except ApiError:
            discard(network.firewall6, rule)
            raise
        rule.state = ACTIVE
        return {"firewallrule": _row(rule)}

    return accept(server, network, _OPEN, rule.id, work, created=True)


def _rule(server: Management, arguments: Arguments) -> FirewallRule:
    network, protocol = server.find(server.networks, arguments["networkid"]), str(arguments["protocol"]).lower()
    if network.cidr6 is None:
        raise invalid_value("Unable to create IPv6 firewall rule for a network without IPv6")
    if str(arguments.get("traffictype", "Ingress")).lower() != "ingress":
        raise invalid_value("This test cloud's IPv6 firewall rules are for ingress")
    if protocol not in (*_PORTED, "icmp", "all"):
        raise invalid_value(f"Protocol {protocol} is not supported; expected one of tcp, udp, icmp, all")
    first = port(arguments, "startport") if "startport" in arguments else None
    last = port(arguments, "endport") if "endport" in arguments else first
    if first is not None and (protocol not in _PORTED or last is None or first > last):
        raise invalid_value("Ports are for tcp and udp, and the start port can't be bigger than the end port")
    try:
        sources = [str(ipaddress.IPv6Network(cidr)) for cidr in arguments.get("cidrlist", [ipv6.EVERYWHERE])]
    except ValueError as error:
        raise invalid_value(f"Source cidrs formatting error {error}") from error
    return FirewallRule(network, server.new_id(), None, protocol, first, last, ",".join(sources), ADD)


@command(
    "deleteIpv6FirewallRule",
    "Deletes a IPv6 firewall rule",
    Param("id", "uuid", required=True, entity="firewall6"),
    is_async=True,
    since=ipv6.FIRST_RELEASE,
)
async def delete_ipv6_firewall_rule(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Close it again; what is established goes on."""
    every = [rule for network in server.networks for rule in network.firewall6]
    rule = server.find(every, arguments["id"])

    async def work() -> dict[str, Any]:
        rule.state = REVOKE
        await program(server, rule.network, Stage.FIREWALL)
        discard(rule.network.firewall6, rule)
        return {"success": True}

    return accept(server, rule.network, _CLOSE, rule.id, work)
