# SPDX-License-Identifier: Apache-2.0
"""What rules on a public address share: the address and its network, ports, the firewall rule that comes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.errors import invalid_value
from csworkbench.lab.api.programming import Operation, accept, conflict, program, program_or_undo
from csworkbench.lab.api.registry import Arguments
from csworkbench.lab.records import (
    ACTIVE,
    ADD,
    REVOKE,
    BalancerRule,
    FirewallRule,
    ForwardingRule,
    Network,
    PublicIp,
)
from csworkbench.lab.rules import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from csworkbench.lab.management import Management

ANYWHERE = "0.0.0.0/0"
_PORTS = range(1, 65536)


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
        if (other.ip, other.protocol) == (ip, protocol) and other.state != REVOKE and overlap(other, rule):
            return None
    network.firewall.append(rule)
    return rule


def revoke_opened(network: Network, owner: str) -> list[FirewallRule]:
    """Mark the firewall rules that came with that rule."""
    opened = [rule for rule in network.firewall if rule.opened_for == owner]
    for rule in opened:
        rule.state = REVOKE
    return opened


def protocol_of(arguments: Arguments, *offered: str) -> str:
    """The protocol, in small letters; raises ApiError 431."""
    protocol = str(arguments["protocol"]).lower()
    if protocol not in offered:
        raise invalid_value(f"Protocol {protocol} is not supported; expected one of {', '.join(offered)}")
    return protocol


def overlap(one: FirewallRule, other: FirewallRule) -> bool:
    """True when two rules have a port in common; a rule without ports covers all."""
    if None in (one.start_port, one.end_port, other.start_port, other.end_port):
        return True
    return bool(one.start_port <= other.end_port and other.start_port <= one.end_port)  # type: ignore[operator]


def discard(rules: list[Any], rule: object) -> None:
    """Remove a row that may be gone already."""
    if rule in rules:
        rules.remove(rule)


def create_on_port(
    server: Management,
    operation: Operation,
    rule: ForwardingRule | BalancerRule,
    arguments: Arguments,
    stage: Stage,
    shown: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """Add the rule, and open its port unless `openfirewall` is false; the reply of the command that creates it.

    `shown` gives the job's result. When the routers cannot be programmed, both rows go again.
    """
    network, rules = rule.network, _rows_of(rule)
    rules.append(rule)
    opened = None
    if opens(network, arguments):
        opened = open_port(server, network, rule.ip, rule.protocol, rule.public_port, rule.id)

    def undo() -> None:
        discard(rules, rule)
        discard(network.firewall, opened)

    async def work() -> dict[str, Any]:
        await program_or_undo(server, network.served, Stage.FIREWALL, stage, undo=undo)
        rule.state = ACTIVE
        if opened is not None:
            opened.state = ACTIVE
        return shown()

    return accept(server, network.served, operation, rule.id, work, created=True)


def delete_on_port(
    server: Management, operation: Operation, rule: ForwardingRule | BalancerRule, stage: Stage
) -> dict[str, Any]:
    """Take the rule away, and the firewall rule that was made for it; the reply of the command that deletes it."""
    network = rule.network

    async def work() -> dict[str, Any]:
        rule.state = REVOKE
        opened = revoke_opened(network, rule.id)
        await program(server, network.served, Stage.FIREWALL, stage)
        discard(_rows_of(rule), rule)
        for other in opened:
            discard(network.firewall, other)
        return {"success": True}

    return accept(server, network.served, operation, rule.id, work)


def _rows_of(rule: ForwardingRule | BalancerRule) -> list[Any]:
    return rule.network.forwarding if isinstance(rule, ForwardingRule) else rule.network.balancers
