# SPDX-License-Identifier: Apache-2.0
"""Where each tenant's sshd is reached, and whether that way leads through the router under test."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from csworkbench.cloudstack.inventory_services import FIREWALL
from csworkbench.model.cloud import Inventory, StaticNat, Vm
from csworkbench.model.hop import Hop, parse_hop
from csworkbench.model.lane import ChannelPath, Vantage, VantageKind
from csworkbench.model.scenario import Tenants

SHARED = "Shared"  # its VMs have addresses that the outside reaches


@dataclass(frozen=True, slots=True)
class Way:
    """Address and port of a tenant's sshd, and the path to it."""

    host: str
    port: int
    path: ChannelPath


def hops(tenants: Tenants) -> tuple[Hop, ...]:
    """The scenario's jump hosts. Raises ValueError."""
    named = (tenants.jump,) if isinstance(tenants.jump, str) else tenants.jump
    return tuple(parse_hop(text) for text in named if text)


def way_to(vm: Vm, tenants: Tenants, inventory: Inventory, elsewhere: Mapping[str, str]) -> Way | str:
    """The way to a VM, or why there is none. `elsewhere`: its address in the management network, by VM id."""
    own = {inventory.source_nat_ip, *inventory.public_ips, *(nat.public_ip for nat in inventory.static_nats)}
    own |= {rule.public_ip for rule in inventory.forwardings}
    jumps = hops(tenants)
    if tenants.management is not None:
        host = tenants.management.addresses.get(vm.name) or elsewhere.get(vm.id, "")
        port = tenants.management.port
        if not host:
            return "`management` gives no address for it"
    elif rule := next((r for r in _to_ssh(inventory, tenants.port) if r[0] == vm.id), None):
        _, host, port = rule
    elif isinstance(public := static_nat_to(vm, tenants.port, inventory), StaticNat):
        host, port = public.public_ip, tenants.port
    elif jumps or inventory.network_of(vm.ip).type == SHARED:
        host, port = vm.ip, tenants.port
    else:
        return public
    if own & {host, *(hop.host for hop in jumps)}:
        return Way(host, port, ChannelPath.ROUTER)
    return Way(host, port, ChannelPath.JUMP if jumps else ChannelPath.SECOND)


def static_nat_to(vm: Vm, port: int, inventory: Inventory) -> StaticNat | str:
    """The static NAT address of a VM by which its port is reached, or why none is."""
    nat = next((nat for nat in inventory.static_nats if nat.vm_id == vm.id), None)
    if nat is None:
        return f"no port-forwarding rule leads to its port {port}, and it has no static NAT address"
    tier = inventory.network_of(vm.ip)
    if tier.vpc_id or inventory.vpc is not None:
        rule = next((r for r in inventory.acl if r.network_id == tier.id and r.fits("tcp", port)), None)
        if inventory.acl and (rule is None or not rule.allows):
            return f"the ACL of {tier.name} does not let port {port} of its static NAT address {nat.public_ip} in"
    elif FIREWALL not in inventory.unlisted and not any(
        opening.public_ip == nat.public_ip and opening.lets_in("tcp", port) for opening in inventory.openings
    ):
        return f"no firewall rule lets port {port} of its static NAT address {nat.public_ip} in"
    return nat


def other_ways(vantages: Iterable[Vantage], inventory: Inventory) -> str:
    """Which VMs are reached by static NAT, and which by their own address, in one line; empty when none is."""
    forwarded = {(rule.public_ip, rule.public_port) for rule in inventory.forwardings}
    nats = {nat.public_ip for nat in inventory.static_nats}
    tenants = [v for v in vantages if v.kind is VantageKind.TENANT and (v.address, v.port) not in forwarded]
    by_nat = [f"{v.name} ({v.address})" for v in tenants if v.address in nats]
    by_own = [f"{v.name} ({v.address})" for v in tenants if v.address and v.address == v.guest_ip]
    parts = (("static NAT", by_nat), ("its own address", by_own))
    return "; ".join(f"reached by {how}: {_few(names)}" for how, names in parts if names)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def through_the_router(paths: Mapping[str, ChannelPath]) -> str:
    """What the operator should know of vantages whose channel is cut with what it watches; empty when none is."""
    names = [name for name, path in paths.items() if path is ChannelPath.ROUTER]
    if not names:
        return ""
    return (
        f"the channel to {_few(names)} runs through the router under test: the live view stops while that is down and"
        " no sample is lost; `management` or `jump` of the scenario's tenants names another way"
    )


def _to_ssh(inventory: Inventory, port: int) -> list[tuple[str, str, int]]:
    """(VM id, public address, public port) of the rules that lead to sshd; of several to one VM the last counts."""
    rules = [r for r in inventory.forwardings if r.private_port == port and r.protocol.lower() == "tcp"]
    return [(r.vm_id, r.public_ip, r.public_port) for r in reversed(rules)]
