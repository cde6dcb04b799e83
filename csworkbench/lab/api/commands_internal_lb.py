# SPDX-License-Identifier: Apache-2.0
"""Internal load balancers of VPC tiers, and the power of the VMs that serve them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.commands_network import NETWORK, TAGS, owner_fields, shown
from csworkbench.lab.api.commands_routers import internal_lb_row
from csworkbench.lab.api.listing import Row, owned_by, reply, row
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.events import EventFamily
from csworkbench.lab.records import InternalBalancer, Router

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_ID = Param("id", "uuid", required=True, entity="ilbvm")
_JAVA = "org.apache.cloudstack.api.command.admin.internallb"
_INSTANCE = "InternalLbVm"


@command(
    "listLoadBalancers",
    "Lists load balancers",
    uuid_filter("internalbalancer"),
    Param("name"),
    Param("sourceipaddress"),
    Param("sourceipaddressnetworkid", "uuid", entity="network"),
    Param("scheme"),
    NETWORK,
    TAGS,
    *ACCOUNT,
)
async def list_load_balancers(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Internal load balancers; public ones have a list of their own."""
    rules = [rule for network in server.networks for rule in network.internal_balancers]
    if not owned_by(server, arguments, server.owner):
        rules = []
    items = [_balancer_row(server, rule) for rule in rules]
    names = ("id", "name", "sourceipaddress", "sourceipaddressnetworkid", "networkid")
    return reply("loadbalancer", shown(items, arguments, names), arguments)


def _balancer_row(server: Management, rule: InternalBalancer) -> Row:
    return row(
        id=rule.id,
        name=rule.name,
        algorithm=rule.algorithm,
        sourceipaddress=rule.address,
        sourceipaddressnetworkid=rule.network.id,
        networkid=rule.network.id,
        **owner_fields(server),
        loadbalancerrule=[{"sourceport": rule.port, "instanceport": rule.private_port, "state": rule.state}],
        loadbalancerinstance=[
            {"id": vm.id, "name": vm.name, "state": vm.state, "ipaddress": vm.address} for vm in rule.vms
        ],
        tags=[],
    )


@command("startInternalLoadBalancerVM", "Starts an existing internal lb vm.", _ID, is_async=True)
async def start_internal_lb_vm(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Boot and program."""
    vm = server.router(arguments["id"])
    family = _scheduled(server, vm, "START", "starting")
    return _submit(server, vm, family, "StartInternalLBVMCmd", server.orchestrator.start_router)


@command("stopInternalLoadBalancerVM", "Stops an Internal LB vm.", _ID, Param("forced", "boolean"), is_async=True)
async def stop_internal_lb_vm(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Power off (`forced`) or an orderly end."""
    vm, forced = server.router(arguments["id"]), bool(arguments.get("forced", False))
    family = _scheduled(server, vm, "STOP", "stopping")

    async def stop(router: Router, events: EventFamily) -> None:
        await server.orchestrator.stop_router(router, events, forced=forced)

    return _submit(server, vm, family, "StopInternalLBVMCmd", stop)


def _scheduled(server: Management, vm: Router, kind: str, doing: str) -> EventFamily:
    return server.begin(f"INTERNALLBVM.{kind}", f"{doing} internal LB vm: {vm.id}", (vm.id, _INSTANCE, vm.name))


def _submit(
    server: Management,
    vm: Router,
    family: EventFamily,
    java: str,
    action: Callable[[Router, EventFamily], Awaitable[None]],
) -> dict[str, Any]:
    async def work() -> dict[str, Any]:
        await action(vm, family)
        return {"internalloadbalancervm": internal_lb_row(server, vm)}

    return {"jobid": server.jobs.submit(f"{_JAVA}.{java}", (_INSTANCE, vm.id), work).id}
