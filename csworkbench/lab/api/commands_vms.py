# SPDX-License-Identifier: Apache-2.0
"""VMs that come and go: deployVirtualMachine and destroyVirtualMachine, with machines behind them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from csworkbench.lab import plan, records
from csworkbench.lab.api.commands_keys import named
from csworkbench.lab.api.commands_network import vm_row
from csworkbench.lab.api.errors import INSUFFICIENT_CAPACITY, INTERNAL, ApiError, invalid_value
from csworkbench.lab.api.implementation import implement
from csworkbench.lab.api.limits import require_instance
from csworkbench.lab.api.listing import Row
from csworkbench.lab.api.programming import Operation, accept, program, program_or_undo
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command
from csworkbench.lab.hosts import LabError
from csworkbench.lab.records import REVOKE, BalancerRule, InternalBalancer, Network, Vm
from csworkbench.lab.rules import Stage

if TYPE_CHECKING:
    from csworkbench.lab.management import Management
    from csworkbench.lab.tenants import Tenants

_DEPLOY = Operation("VM.CREATE", "starting Vm", "vm.DeployVMCmd", "VirtualMachine")
_DESTROY = Operation("VM.DESTROY", "destroying Vm", "vm.DestroyVMCmd", "VirtualMachine")
_HOST_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LAST_GUEST = 254


@command(
    "deployVirtualMachine",
    "Creates and automatically starts a virtual machine based on a service offering, disk offering, and template.",
    Param("serviceofferingid", "uuid", required=True, entity="serviceoffering"),
    Param("zoneid", "uuid", required=True, entity="zone"),
    Param("templateid", "uuid", entity="template"),
    Param("networkids", "list"),
    Param("name"),
    Param("displayname"),
    Param("userdata"),
    Param("ipaddress"),
    Param("keypair"),
    Param("keypairs", "list", since=(4, 17)),
    *(param for param in ACCOUNT if param.name in ("account", "domainid", "projectid")),
    is_async=True,
)
async def deploy_virtual_machine(server: Management, arguments: Arguments) -> dict[str, Any]:
    """One more tenant: the router knows it before it runs. A network's first one brings its router."""
    require_instance(server)
    network, tenants = _network(server, arguments.get("networkids", [])), _tenants(server)
    if arguments["zoneid"] != network.zone_id:
        raise ApiError(INSUFFICIENT_CAPACITY, "Unable to create a deployment: the zone has no hosts", 4335)
    number = tenants.next_number()
    name = str(arguments.get("name", f"i-2-{number}-VM"))
    if not _HOST_NAME.fullmatch(name):
        raise invalid_value("Invalid name. Vm name can contain ASCII letters, digits and hyphens only")
    if tenants.is_taken(name):
        raise invalid_value(f"The vm with hostName {name} already exists in the network domain: {plan.DOMAIN}")
    vm = Vm(
        network=network,
        id=server.new_id(),
        nic_id=server.new_id(),
        number=number,
        name=name,
        display_name=str(arguments.get("displayname", "")),
        address=_guest_address(network, arguments.get("ipaddress")),
        mac=records.mac("02:00:4f", server.rng),
        user_data=_user_data(arguments.get("userdata", "")),
        key_pairs=tuple(named(server, arguments)),
        state="Starting",
    )
    network.vms.append(vm)

    async def work() -> Row:
        password = network.passwords[vm.address] = f"first-{vm.name}"
        try:
            await implement(server, tenants, network)
            await program(server, network.served, Stage.DHCP, Stage.METADATA)
            await tenants.start(vm)
        except (ApiError, LabError) as error:
            await tenants.destroy(vm)
            vm.state = "Error"
            raise ApiError(INTERNAL, f"Unable to start a VM {vm.name}: {error}") from error
        return {"virtualmachine": {**vm_row(server, vm), "password": password}}

    return accept(server, network.served, _DEPLOY, vm.id, work, created=True)


@command(
    "destroyVirtualMachine",
    "Destroys a virtual machine.",
    Param("id", "uuid", required=True, entity="vm"),
    Param("expunge", "boolean"),
    is_async=True,
)
async def destroy_virtual_machine(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Power off; with `expunge` the row, all rules that lead to it and its place in the router's files go too."""
    vm, tenants = server.find(server.vms, arguments["id"]), _tenants(server)
    network = vm.network

    async def work() -> Row:
        await tenants.destroy(vm)
        vm.state = "Destroyed"
        shown = {"virtualmachine": vm_row(server, vm)}
        if not arguments.get("expunge", False):
            return shown
        undo = _take_out(vm)
        stages = (Stage.FORWARDING, Stage.STATIC_NAT, Stage.DHCP, Stage.METADATA, Stage.LOAD_BALANCER)
        await program_or_undo(server, network.served, *stages, undo=undo)
        if network.vpc is not None:
            await program(server, network, Stage.LOAD_BALANCER)  # its internal LB VMs
        network.forwarding[:] = [rule for rule in network.forwarding if rule.vm is not vm]
        return shown

    return accept(server, network.served, _DESTROY, vm.id, work)


def _take_out(vm: Vm) -> Callable[[], None]:
    """Leave a VM away from all that a router knows; what is returned puts it back, its forwardings still in Revoke."""
    network = vm.network
    balancers: list[BalancerRule | InternalBalancer] = [*network.balancers, *network.internal_balancers]
    balanced = [(rule, rule.vms) for rule in balancers]
    given = [ip for ip in network.ips if ip.static_nat is vm]
    network.vms.remove(vm)
    for forward in network.forwarding:
        if forward.vm is vm:
            forward.state = REVOKE
    for rule, before in balanced:
        rule.vms = [other for other in before if other is not vm]
    for ip in given:
        ip.static_nat = None

    def undo() -> None:
        network.vms.append(vm)
        for rule, before in balanced:
            rule.vms = before
        for ip in given:
            ip.static_nat = vm

    return undo


def _network(server: Management, identities: list[str]) -> Network:
    """The network to start in: the first one unless one is named. Raises ApiError 431."""
    if len(identities) > 1:
        raise invalid_value("This test cloud's VMs have one NIC: name one network")
    if not identities and server.networks:
        return server.network
    network = next((network for network in server.networks if network.id in identities), None)
    if network is None:
        raise invalid_value(f"Unable to find network by id {''.join(identities)}")
    return network


def _tenants(server: Management) -> Tenants:
    if server.tenants is None:
        raise ApiError(INTERNAL, "this management server has no hypervisor")
    return server.tenants


def _guest_address(network: Network, wanted: str | None) -> str:
    """Raises ApiError 431 or 533."""
    taken = {network.gateway, *(vm.address for vm in network.vms)}
    wide = network.cidr.num_addresses > _LAST_GUEST
    places = range(plan.FIRST_VM, _LAST_GUEST + 1) if wide else range(1, network.cidr.num_addresses - 1)
    free = [address for address in (str(network.cidr[place]) for place in places) if address not in taken]
    if wanted is not None and wanted not in free:
        raise invalid_value(f"Requested ip address {wanted} is not free in the network")
    if not free:
        raise ApiError(INSUFFICIENT_CAPACITY, "Insufficient address capacity in the network", 4325)
    return wanted or free[0]


def _user_data(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise invalid_value(f"User data is not base64 encoded: {error}") from error
