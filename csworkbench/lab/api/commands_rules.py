# SPDX-License-Identifier: Apache-2.0
"""Firewall, egress and port-forwarding rules: made, listed, taken away, with real effect on the routers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.commands_network import IP, NETWORK, TAGS, shown
from csworkbench.lab.api.errors import invalid_value
from csworkbench.lab.api.listing import Row, owned_by, reply, row
from csworkbench.lab.api.programming import Operation, accept, conflict, program, program_or_undo
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.records import ACTIVE, ADD, REVOKE, FirewallRule, ForwardingRule, Network, PublicIp
from csworkbench.lab.rules import Stage

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

ANYWHERE = "0.0.0.0/0"
_PORTS = range(1, 65536)
_OPEN = Operation("FIREWALL.OPEN", "creating firewall rule", "firewall.CreateFirewallRuleCmd", "FirewallRule")
_CLOSE = Operation("FIREWALL.CLOSE", "revoking firewall rule", "firewall.DeleteFirewallRuleCmd", "FirewallRule")
_EGRESS_OPEN = Operation(
    "FIREWALL.EGRESS.OPEN", "creating egress firewall rule", "firewall.CreateEgressFirewallRuleCmd", "FirewallRule"
)
_EGRESS_CLOSE = Operation(
    "FIREWALL.EGRESS.CLOSE", "revoking egress firewall rule", "firewall.DeleteEgressFirewallRuleCmd", "FirewallRule"
)
_FORWARD = Operation(
    "NET.RULEADD", "creating port forwarding rule", "firewall.CreatePortForwardingRuleCmd", "PortForwardingRule"
)
_UNFORWARD = Operation(
    "NET.RULEDELETE", "revoking forwarding rule", "firewall.DeletePortForwardingRuleCmd", "PortForwardingRule"
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
        if same[0] == same[1] and other.state != REVOKE and _overlap(other, rule):
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


@command(
    "listPortForwardingRules",
    "Lists all port forwarding rules for an IP address.",
    uuid_filter("forwarding"),
    IP,
    NETWORK,
    TAGS,
    *ACCOUNT,
)
async def list_port_forwarding_rules(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Forwarded ports."""
    mine = owned_by(server, arguments, server.owner)
    items = [_forwarding_row(server, rule) for rule in _forwardings(server)] if mine else []
    return reply("portforwardingrule", shown(items, arguments, ("id", "ipaddressid", "networkid")), arguments)


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
        virtualmachinedisplayname=rule.vm.display_name or rule.vm.name,
        vmguestip=rule.vm.address,
        ipaddressid=rule.ip.id,
        ipaddress=rule.ip.address,
        networkid=rule.network.id,
        state=rule.state,
        cidrlist="",
        tags=[],
    )


@command(
    "createPortForwardingRule",
    "Creates a port forwarding rule",
    Param("ipaddressid", "uuid", required=True, entity="ip"),
    Param("privateport", "integer", required=True),
    Param("publicport", "integer", required=True),
    Param("protocol", required=True),
    Param("virtualmachineid", "uuid", required=True, entity="vm"),
    Param("privateendport", "integer"),
    Param("publicendport", "integer"),
    Param("openfirewall", "boolean"),
    NETWORK,
    Param("vmguestip"),
    is_async=True,
)
async def create_port_forwarding_rule(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Forward a port; unless `openfirewall` is false, the port is opened as well. One port per rule."""
    ip = public_ip(server, arguments["ipaddressid"])
    public, private = port(arguments, "publicport"), port(arguments, "privateport")
    if (arguments.get("publicendport", public), arguments.get("privateendport", private)) != (public, private):
        raise invalid_value("port ranges are not offered by this test cloud")
    protocol = _protocol(arguments, "tcp", "udp")
    vm = server.find(server.vms, arguments["virtualmachineid"])
    network = rule_network(server, ip, vm.network.id)
    if arguments.get("vmguestip", vm.address) != vm.address:
        raise invalid_value("Vm doesn't have guest ip address specified")
    require_free_port(server, ip, protocol, public)
    rule = ForwardingRule(network, server.new_id(), ip, protocol, public, private, vm, ADD)
    network.forwarding.append(rule)
    opened = open_port(server, network, ip, protocol, public, rule.id) if opens(network, arguments) else None

    def undo() -> None:
        discard(network.forwarding, rule)
        discard(network.firewall, opened)

    async def work() -> dict[str, Any]:
        await program_or_undo(server, network.served, Stage.FIREWALL, Stage.FORWARDING, undo=undo)
        rule.state = ACTIVE
        if opened is not None:
            opened.state = ACTIVE
        return {"portforwardingrule": _forwarding_row(server, rule)}

    return accept(server, network.served, _FORWARD, rule.id, work, created=True)


@command(
    "deletePortForwardingRule",
    "Deletes a port forwarding rule",
    Param("id", "uuid", required=True, entity="forwarding"),
    is_async=True,
)
async def delete_port_forwarding_rule(server: Management, arguments: Arguments) -> dict[str, Any]:
    """End a forwarding, and the firewall rule that was made for it."""
    rule = server.find(_forwardings(server), arguments["id"])
    network = rule.network

    async def work() -> dict[str, Any]:
        rule.state = REVOKE
        opened = revoke_opened(network, rule.id)
        await program(server, network.served, Stage.FIREWALL, Stage.FORWARDING)
        discard(network.forwarding, rule)
        for other in opened:
            discard(network.firewall, other)
        return {"success": True}

    return accept(server, network.served, _UNFORWARD, rule.id, work)


def public_ip(server: Management, identity: str) -> PublicIp:
    """The address with that id, which the parameter check has confirmed."""
    return server.find(server.ips, identity)


def rule_network(server: Management, ip: PublicIp, identity: str | None) -> Network:
    """The network that a rule on that address is for; an address of a VPC belongs to the tier of its first rule.

    Raises ApiError 431 when the address is another network's.
    """
    if ip.network is not None and identity in (None, ip.network.id):
        return ip.network
    if identity is None:
        raise invalid_value("networkid is needed for an address of a VPC that has no rules yet")
    network = server.find(server.networks, identity)
    used = any(rule.ip is ip for other in network.served.networks for rule in other.public_rules)
    if ip not in network.ips or (used and ip.network is not network):
        raise invalid_value(f"IP address {ip.address} is not associated with the network {network.name}")
    ip.network = network
    return network


def opens(network: Network, arguments: Arguments) -> bool:
    """`openfirewall`: by default yes; in a VPC there is no firewall to open."""
    return network.vpc is None and bool(arguments.get("openfirewall", True))


def port(arguments: Arguments, name: str) -> int:
    """A port number; raises ApiError 431."""
    number = int(arguments[name])
    if number not in _PORTS:
        raise invalid_value(f"{name} is an invalid value: {number}")
    return number


def require_free_port(server: Management, ip: PublicIp, protocol: str, public: int) -> None:
    """Raises ApiError 537 when that port of the address is taken, or the whole address is a VM's."""
    if ip.static_nat is not None:
        raise conflict(f"Can't create the rule: ip address {ip.address} is enabled for static nat")
    rules = (rule for network in server.networks for rule in network.public_rules)
    if any(
        (rule.ip, rule.protocol, rule.public_port) == (ip, protocol, public) and rule.state != REVOKE for rule in rules
    ):
        raise conflict(f"The range specified, {public}-{public}, conflicts with a rule on {ip.address}")


def open_port(
    server: Management, network: Network, ip: PublicIp, protocol: str, public: int, owner: str
) -> FirewallRule | None:
    """The firewall rule that comes with a forwarding or balancing rule; None when the port is open already."""
    rule = FirewallRule(network, server.new_id(), ip, protocol, public, public, ANYWHERE, ADD, owner)
    for other in network.firewall:
        if (other.ip, other.protocol) == (ip, protocol) and other.state != REVOKE and _overlap(other, rule):
            return None
    network.firewall.append(rule)
    return rule


def revoke_opened(network: Network, owner: str) -> list[FirewallRule]:
    """Mark the firewall rules that came with that rule."""
    opened = [rule for rule in network.firewall if rule.opened_for == owner]
    for rule in opened:
        rule.state = REVOKE
    return opened


def _ingress(server: Management) -> list[FirewallRule]:
    return [rule for network in server.networks for rule in network.firewall]


def _outgoing(server: Management) -> list[FirewallRule]:
    return [rule for network in server.networks if network.vpc is None for rule in network.egress]


def _forwardings(server: Management) -> list[ForwardingRule]:
    return [rule for network in server.networks for rule in network.forwarding]


def _firewall_rule(server: Management, arguments: Arguments, network: Network, ip: PublicIp | None) -> FirewallRule:
    """Raises ApiError 431."""
    protocol = _protocol(arguments, "tcp", "udp", "icmp", *(() if ip else ("all",)))
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


def _protocol(arguments: Arguments, *offered: str) -> str:
    protocol = str(arguments["protocol"]).lower()
    if protocol not in offered:
        raise invalid_value(f"Protocol {protocol} is not supported; expected one of {', '.join(offered)}")
    return protocol


def _overlap(one: FirewallRule, other: FirewallRule) -> bool:
    if None in (one.start_port, one.end_port, other.start_port, other.end_port):
        return True
    return bool(one.start_port <= other.end_port and other.start_port <= one.end_port)  # type: ignore[operator]


def discard(rules: list[Any], rule: object) -> None:
    """Remove a row that may be gone already."""
    if rule in rules:
        rules.remove(rule)
