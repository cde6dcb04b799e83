# SPDX-License-Identifier: Apache-2.0
"""Port-forwarding rules: made, listed, taken away, with real effect on the routers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.commands_network import IP, NETWORK, TAGS, shown
from csworkbench.lab.api.errors import invalid_value
from csworkbench.lab.api.listing import Row, owned_by, reply, row
from csworkbench.lab.api.programming import Operation
from csworkbench.lab.api.public_rules import (
    create_on_port,
    delete_on_port,
    port,
    protocol_of,
    public_ip,
    require_free_port,
    rule_network,
)
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.records import ADD, ForwardingRule
from csworkbench.lab.rules import Stage

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_FORWARD = Operation(
    "NET.RULEADD", "creating port forwarding rule", "firewall.CreatePortForwardingRuleCmd", "PortForwardingRule"
)
_UNFORWARD = Operation(
    "NET.RULEDELETE", "revoking forwarding rule", "firewall.DeletePortForwardingRuleCmd", "PortForwardingRule"
)


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
    protocol = protocol_of(arguments, "tcp", "udp")
    vm = server.find(server.vms, arguments["virtualmachineid"])
    network = rule_network(server, ip, vm.network.id)
    if arguments.get("vmguestip", vm.address) != vm.address:
        raise invalid_value("Vm doesn't have guest ip address specified")
    require_free_port(server, ip, protocol, public)
    rule = ForwardingRule(network, server.new_id(), ip, protocol, public, private, vm, ADD)
    return create_on_port(
        server, _FORWARD, rule, arguments, Stage.FORWARDING,
        lambda: {"portforwardingrule": _forwarding_row(server, rule)},
    )  # fmt: skip


@command(
    "deletePortForwardingRule",
    "Deletes a port forwarding rule",
    Param("id", "uuid", required=True, entity="forwarding"),
    is_async=True,
)
async def delete_port_forwarding_rule(server: Management, arguments: Arguments) -> dict[str, Any]:
    """End a forwarding, and the firewall rule that was made for it."""
    rule = server.find(_forwardings(server), arguments["id"])
    return delete_on_port(server, _UNFORWARD, rule, Stage.FORWARDING)


def _forwardings(server: Management) -> list[ForwardingRule]:
    return [rule for network in server.networks for rule in network.forwarding]
