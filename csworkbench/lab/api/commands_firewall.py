# SPDX-License-Identifier: Apache-2.0
"""Firewall and egress rules: made, listed, taken away, with real effect on the routers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.commands_network import IP, NETWORK, TAGS, shown
from csworkbench.lab.api.errors import invalid_value
from csworkbench.lab.api.listing import Row, owned_by, reply, row
from csworkbench.lab.api.programming import Operation, accept, conflict, program, program_or_undo
from csworkbench.lab.api.public_rules import ANYWHERE, discard, overlap, port, protocol_of, public_ip
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.records import ACTIVE, ADD, REVOKE, FirewallRule, Network, PublicIp
from csworkbench.lab.rules import Stage

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_OPEN = Operation("FIREWALL.OPEN", "creating firewall rule", "firewall.CreateFirewallRuleCmd", "FirewallRule")
_CLOSE = Operation("FIREWALL.CLOSE", "revoking firewall rule", "firewall.DeleteFirewallRuleCmd", "FirewallRule")
_EGRESS_OPEN = Operation(
    "FIREWALL.EGRESS.OPEN", "creating egress firewall rule", "firewall.CreateEgressFirewallRuleCmd", "FirewallRule"
)
_EGRESS_CLOSE = Operation(
    "FIREWALL.EGRESS.CLOSE", "revoking egress firewall rule", "firewall.DeleteEgressFirewallRuleCmd", "FirewallRule"
)
_RANGE = (
    Param("startport", "integer"),
    Param("endport", "integer"),
    Param("icmptype", "integer"),
    Param("icmpcode", "integer"),
    Param("cidrlist", "list"),
)


@command(
    "listFirewallRules",
    "Lists all firewall rules for an IP address.",
    uuid_filter("firewall"),
    IP,
    NETWORK,
    TAGS,
    *ACCOUNT,
)
async def list_firewall_rules(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Ingress rules."""
    return _firewall_reply(server, _ingress(server), arguments)


@command(
    "listEgressFirewallRules",
    "Lists all egress firewall rules for network ID.",
    uuid_filter("egress"),
    IP,
    NETWORK,
    TAGS,
    *ACCOUNT,
)
async def list_egress_firewall_rules(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Egress rules."""
    return _firewall_reply(server, _outgoing(server), arguments)


def _firewall_reply(server: Management, rules: Iterable[FirewallRule], arguments: Arguments) -> dict[str, Any]:
    items = [firewall_row(server, rule) for rule in rules] if owned_by(server, arguments, server.owner) else []
    return reply("firewallrule", shown(items, arguments, ("id", "ipaddressid", "networkid")), arguments)


def firewall_row(server: Management, rule: FirewallRule) -> Row:
    """An ingress or egress rule as the API shows it."""
    icmp = -1 if rule.protocol == "icmp" else None
    return row(
        id=rule.id,
        protocol=rule.protocol,
        startport=rule.start_port,
        endport=rule.end_port,
        icmptype=icmp,
        icmpcode=icmp,
        cidrlist=rule.cidr,
        destcidrlist=rule.destinations if rule.ip is None else None,
        ipaddressid=rule.ip.id if rule.ip else None,
        ipaddress=rule.ip.address if rule.ip else None,
        networkid=rule.network.id,
        traffictype="Ingress" if rule.ip else "Egress",
        state=rule.state,
        tags=[],
    )


@command(
    "createFirewallRule",
    "Creates a firewall rule for a given IP address",
    Param("ipaddressid", "uuid", required=True, entity="ip"),
    Param("protocol", required=True),
    *_RANGE,
    is_async=True,
)
async def create_firewall_rule(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Let something in on a public address."""
    ip = public_ip(server, arguments["ipaddressid"])
    if ip.network is None or ip.network.vpc is not None:
        raise invalid_value("Firewall rules are not supported on an address of a VPC: it has network ACLs")
    rule = _firewall_rule(server, arguments, ip.network, ip)
    return _create_firewall(server, _OPEN, ip.network.firewall, rule)


@command(
    "createEgressFirewallRule",
    "Creates a egress firewall rule for a given network ",
    Param("networkid", "uuid", required=True, entity="network"),
    Param("protocol", required=True),
    Param("destcidrlist", "list"),
    *_RANGE,
    is_async=True,
)
async def create_egress_firewall_rule(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Let something out; block it where the offering allows everything."""
    network = server.find(server.networks, arguments["networkid"])
    if network.vpc is not None or network.kind != "Isolated":
        raise invalid_value("Egress firewall rules are not supported for a VPC tier or a shared network")
    rule = _firewall_rule(server, arguments, network, None)
    if not all(ipaddress.IPv4Network(cidr).subnet_of(network.cidr) for cidr in rule.cidr.split(",")):
        raise invalid_value(f"{rule.cidr} is not within the guest cidr {network.cidr}")
    rule.destinations = _cidrs("Destination", arguments.get("destcidrlist", []))
    return _create_firewall(server, _EGRESS_OPEN, network.egress, rule)


def _create_firewall(
    server: Management, operation: Operation, rules: list[FirewallRule], rule: FirewallRule
) -> dict[str, Any]:
    for other in rules:
        same = [(one.ip, one.protocol, one.cidr, one.destinations) for one in (other, rule)]
        if same[0] == same[1] and other.state != REVOKE and overlap(other, rule):
            raise conflict(
                f"The range specified, {rule.start_port}-{rule.end_port}, conflicts with rule {other.id} which has "
                f"{other.start_port}-{other.end_port}"
            )
    rules.append(rule)

    async def work() -> dict[str, Any]:
        await program_or_undo(server, rule.network.served, Stage.FIREWALL, undo=lambda: discard(rules, rule))
        rule.state = ACTIVE
        return {"firewallrule": firewall_row(server, rule)}

    return accept(server, rule.network.served, operation, rule.id, work, created=True)


@command(
    "deleteFirewallRule",
    "Deletes a firewall rule",
    Param("id", "uuid", required=True, entity="firewall"),
    is_async=True,
)
async def delete_firewall_rule(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Close it again; what is established goes on."""
    rule = server.find(_ingress(server), arguments["id"])
    return _delete_firewall(server, _CLOSE, rule.network.firewall, rule)


@command(
    "deleteEgressFirewallRule",
    "Deletes an egress firewall rule",
    Param("id", "uuid", required=True, entity="egress"),
    is_async=True,
)
async def delete_egress_firewall_rule(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Take an egress rule away."""
    rule = server.find(_outgoing(server), arguments["id"])
    return _delete_firewall(server, _EGRESS_CLOSE, rule.network.egress, rule)


def _delete_firewall(
    server: Management, operation: Operation, rules: list[FirewallRule], rule: FirewallRule
) -> dict[str, Any]:
    async def work() -> dict[str, Any]:
        rule.state = REVOKE
        await program(server, rule.network.served, Stage.FIREWALL)
        discard(rules, rule)
        return {"success": True}

    return accept(server, rule.network.served, operation, rule.id, work)


def _ingress(server: Management) -> list[FirewallRule]:
    return [rule for network in server.networks for rule in network.firewall]


def _outgoing(server: Management) -> list[FirewallRule]:
    return [rule for network in server.networks if network.vpc is None for rule in network.egress]


def _firewall_rule(server: Management, arguments: Arguments, network: Network, ip: PublicIp | None) -> FirewallRule:
    """Raises ApiError 431."""
    protocol = protocol_of(arguments, "tcp", "udp", "icmp", *(() if ip else ("all",)))
    ported = protocol in ("tcp", "udp")
    first = port(arguments, "startport") if ported and "startport" in arguments else None
    last = port(arguments, "endport") if ported and "endport" in arguments else first
    if first is None:
        first = last
    if first is not None and last is not None and first > last:
        raise invalid_value("Start port can't be bigger than end port")
    if not ported and ("startport" in arguments or "endport" in arguments):
        raise invalid_value(f"Can specify start and end ports only when protocol is TCP or UDP, not {protocol}")
    sources = _cidrs("Source", arguments.get("cidrlist", [ANYWHERE if ip else str(network.cidr)]))
    return FirewallRule(network, server.new_id(), ip, protocol, first, last, sources, ADD)


def _cidrs(what: str, cidrs: Iterable[str]) -> str:
    """Networks with commas between. Raises ApiError 431."""
    try:
        return ",".join(str(ipaddress.IPv4Network(cidr)) for cidr in cidrs)
    except ValueError as error:
        raise invalid_value(f"{what} cidrs formatting error {error}") from error
