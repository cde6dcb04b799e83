# SPDX-License-Identifier: Apache-2.0
"""Load balancer rules: haproxy on the routers follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.commands_network import NETWORK, TAGS, ZONE, owner_fields, shown, vm_row
from csworkbench.lab.api.errors import invalid_value
from csworkbench.lab.api.listing import Row, owned_by, reply, row
from csworkbench.lab.api.programming import Operation, accept, program_or_undo
from csworkbench.lab.api.public_rules import (
    create_on_port,
    delete_on_port,
    port,
    public_ip,
    require_free_port,
    rule_network,
)
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.records import ADD, BalancerRule, Network, Vm
from csworkbench.lab.rules import Stage

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

ALGORITHMS = ("source", "roundrobin", "leastconn")
_CREATE = Operation("LB.CREATE", "creating load balancer", "loadbalancer.CreateLoadBalancerRuleCmd", "LoadBalancerRule")
_DELETE = Operation("LB.DELETE", "deleting load balancer", "loadbalancer.DeleteLoadBalancerRuleCmd", "LoadBalancerRule")
_ASSIGN = Operation(
    "LB.ASSIGN.TO.RULE",
    "applying instances for load balancer",
    "loadbalancer.AssignToLoadBalancerRuleCmd",
    "LoadBalancerRule",
)
_REMOVE = Operation(
    "LB.REMOVE.FROM.RULE",
    "removing instances from load balancer",
    "loadbalancer.RemoveFromLoadBalancerRuleCmd",
    "LoadBalancerRule",
)


@command(
    "listLoadBalancerRules",
    "Lists load balancer rules.",
    uuid_filter("loadbalancer"),
    Param("name"),
    Param("publicipid", "uuid", entity="ip"),
    Param("virtualmachineid", "uuid", entity="vm"),
    ZONE,
    NETWORK,
    TAGS,
    *ACCOUNT,
)
async def list_load_balancer_rules(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Rules; `virtualmachineid`: those that this VM serves."""
    rules = _rules(server) if owned_by(server, arguments, server.owner) else []
    if "virtualmachineid" in arguments:
        rules = [rule for rule in rules if any(vm.id == arguments["virtualmachineid"] for vm in rule.vms)]
    items = [_rule_row(server, rule) for rule in rules]
    names = ("id", "name", "publicipid", "zoneid", "networkid")
    return reply("loadbalancerrule", shown(items, arguments, names), arguments)


def _rule_row(server: Management, rule: BalancerRule) -> Row:
    return row(
        id=rule.id,
        name=rule.name,
        publicipid=rule.ip.id,
        publicip=rule.ip.address,
        publicport=str(rule.public_port),
        privateport=str(rule.private_port),
        algorithm=rule.algorithm,
        protocol=rule.protocol,
        networkid=rule.network.id,
        cidrlist="",
        **owner_fields(server),
        state=rule.state,
        zoneid=rule.network.zone_id,
        zonename=server.zone_name(rule.network.zone_id),
        tags=[],
    )


@command(
    "listLoadBalancerRuleInstances",
    "List all virtual machine instances that are assigned to a load balancer rule.",
    Param("id", "uuid", required=True, entity="loadbalancer"),
    Param("applied", "boolean"),
    Param("lbvmips", "boolean"),
)
async def list_load_balancer_rule_instances(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The VMs behind a rule; `applied=false`: the network's others."""
    rule = _rule(server, arguments)
    applied = arguments.get("applied", True)
    vms = [vm for vm in rule.network.vms if (vm in rule.vms) == applied]
    if not owned_by(server, arguments, server.owner):
        vms = []
    if arguments.get("lbvmips", False):
        pairs: list[Row] = [
            {"loadbalancerruleinstance": vm_row(server, vm), "lbvmipaddresses": [vm.address]} for vm in vms
        ]
        return reply("lbrulevmidip", pairs, arguments)
    return reply("loadbalancerruleinstance", [vm_row(server, vm) for vm in vms], arguments)


@command(
    "createLoadBalancerRule",
    "Creates a load balancer rule",
    Param("name", required=True),
    Param("algorithm", required=True),
    Param("publicport", "integer", required=True),
    Param("privateport", "integer", required=True),
    Param("publicipid", "uuid", entity="ip"),
    NETWORK,
    ZONE,
    Param("protocol"),
    Param("openfirewall", "boolean"),
    Param("description"),
    is_async=True,
)
async def create_load_balancer_rule(server: Management, arguments: Arguments) -> dict[str, Any]:
    """A rule without VMs; haproxy has a listener for it once a VM is assigned."""
    if "publicipid" not in arguments:
        raise invalid_value("publicipid is needed: this test cloud acquires no address by itself")
    ip = public_ip(server, arguments["publicipid"])
    public, private = port(arguments, "publicport"), port(arguments, "privateport")
    algorithm, protocol = str(arguments["algorithm"]), str(arguments.get("protocol", "tcp")).lower()
    if algorithm not in ALGORITHMS:
        raise invalid_value(f"Invalid algorithm: {algorithm}")
    if protocol != "tcp":
        raise invalid_value("haproxy serves the protocol tcp only")
    require_free_port(server, ip, protocol, public)
    network = rule_network(server, ip, arguments.get("networkid"))
    rule = BalancerRule(
        network=network,
        id=server.new_id(),
        name=str(arguments["name"]),
        ip=ip,
        algorithm=algorithm,
        public_port=public,
        private_port=private,
        vms=[],
        state=ADD,
    )
    return create_on_port(
        server, _CREATE, rule, arguments, Stage.LOAD_BALANCER, lambda: {"loadbalancer": _rule_row(server, rule)}
    )


@command(
    "deleteLoadBalancerRule",
    "Deletes a load balancer rule.",
    Param("id", "uuid", required=True, entity="loadbalancer"),
    is_async=True,
)
async def delete_load_balancer_rule(server: Management, arguments: Arguments) -> dict[str, Any]:
    """End a rule, and the firewall rule that was made for it."""
    return delete_on_port(server, _DELETE, _rule(server, arguments), Stage.LOAD_BALANCER)


@command(
    "assignToLoadBalancerRule",
    "Assigns virtual machine or a list of virtual machines to a load balancer rule.",
    Param("id", "uuid", required=True, entity="loadbalancer"),
    Param("virtualmachineids", "list"),
    Param("vmidipmap", "map"),
    is_async=True,
)
async def assign_to_load_balancer_rule(server: Management, arguments: Arguments) -> dict[str, Any]:
    """More VMs behind a rule."""
    rule = _rule(server, arguments)

    async def work() -> dict[str, Any]:
        fresh = _named_vms(rule.network, arguments)
        for vm in fresh:
            if vm in rule.vms:
                raise invalid_value(f"VM {vm.id} is already mapped to load balancer.")
        return await _serve_from(server, rule, [*rule.vms, *fresh])

    return accept(server, rule.network.served, _ASSIGN, rule.id, work)


@command(
    "removeFromLoadBalancerRule",
    "Removes a virtual machine or a list of virtual machines from a load balancer rule.",
    Param("id", "uuid", required=True, entity="loadbalancer"),
    Param("virtualmachineids", "list"),
    Param("vmidipmap", "map"),
    is_async=True,
)
async def remove_from_load_balancer_rule(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Fewer VMs behind a rule; without any the listener goes."""
    rule = _rule(server, arguments)

    async def work() -> dict[str, Any]:
        gone = _named_vms(rule.network, arguments)
        for vm in gone:
            if vm not in rule.vms:
                raise invalid_value(f"The instance with id: {vm.id} is not assigned to load balancer rule {rule.id}")
        return await _serve_from(server, rule, [vm for vm in rule.vms if vm not in gone])

    return accept(server, rule.network.served, _REMOVE, rule.id, work)


async def _serve_from(server: Management, rule: BalancerRule, vms: list[Vm]) -> dict[str, Any]:
    before, rule.vms = rule.vms, vms

    def undo() -> None:
        rule.vms = before

    await program_or_undo(server, rule.network.served, Stage.LOAD_BALANCER, undo=undo)
    return {"success": True}


def _rule(server: Management, arguments: Arguments) -> BalancerRule:
    return server.find(_rules(server), arguments["id"])


def _rules(server: Management) -> list[BalancerRule]:
    return [rule for network in server.networks for rule in network.balancers]


def _named_vms(network: Network, arguments: Arguments) -> list[Vm]:
    """The VMs in `virtualmachineids` and `vmidipmap[i].vmid`; raises ApiError 431."""
    mapped = arguments.get("vmidipmap", {})
    ids = [*arguments.get("virtualmachineids", []), *(mapped[name] for name in mapped if name.endswith(".vmid"))]
    if not ids:
        raise invalid_value("Both virtual machine ids and vm ips are null")
    known = {vm.id: vm for vm in network.vms}
    missing = [identity for identity in ids if identity not in known]
    if missing:
        raise invalid_value(f"Invalid instance ID: {missing[0]}")
    return [known[identity] for identity in dict.fromkeys(ids)]
