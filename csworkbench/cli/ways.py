# SPDX-License-Identifier: Apache-2.0
"""Where each tenant's sshd is reached, and whether that way leads through the router under test."""

from collections.abc import Mapping
from dataclasses import dataclass

from csworkbench.model.cloud import Inventory, Vm
from csworkbench.model.hop import Hop, parse_hop
from csworkbench.model.lane import ChannelPath
from csworkbench.model.scenario import Tenants


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
    own = {inventory.source_nat_ip, *inventory.public_ips, *(rule.public_ip for rule in inventory.forwardings)}
    jumps = hops(tenants)
    if tenants.management is not None:
        host = tenants.management.addresses.get(vm.name) or elsewhere.get(vm.id, "")
        port = tenants.management.port
        if not host:
            return "`management` gives no address for it"
    elif rule := next((r for r in _to_ssh(inventory, tenants.port) if r[0] == vm.id), None):
        _, host, port = rule
    elif jumps:
        host, port = vm.ip, tenants.port
    else:
        return f"no port-forwarding rule leads to its port {tenants.port}"
    if own & {host, *(hop.host for hop in jumps)}:
        return Way(host, port, ChannelPath.ROUTER)
    return Way(host, port, ChannelPath.JUMP if jumps else ChannelPath.SECOND)


def through_the_router(paths: Mapping[str, ChannelPath]) -> str:
    """What the operator should know of vantages whose channel is cut with what it watches; empty when none is."""
    names = [name for name, path in paths.items() if path is ChannelPath.ROUTER]
    if not names:
        return ""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (
        f"the channel to {shown} runs through the router under test: the live view stops while that is down and no"
        " sample is lost; `management` or `jump` of the scenario's tenants names another way"
    )


def _to_ssh(inventory: Inventory, port: int) -> list[tuple[str, str, int]]:
    """(VM id, public address, public port) of the rules that lead to sshd; of several to one VM the last counts."""
    rules = [r for r in inventory.forwardings if r.private_port == port and r.protocol.lower() == "tcp"]
    return [(r.vm_id, r.public_ip, r.public_port) for r in reversed(rules)]
