# SPDX-License-Identifier: Apache-2.0
"""The target of an operation in words, for the person who has to confirm it. Pure."""

from collections.abc import Sized

from csworkbench.model.cloud import Inventory, Router, SystemVm

from .text import one_line


def number_of(n: int, noun: str, plural: str = "s") -> str:
    """`1 VM`, `2 VMs`."""
    return f"{n} {noun}{plural if n != 1 else ''}"


def count(things: Sized, noun: str, plural: str = "s") -> str:
    """How many there are, with their name."""
    return number_of(len(things), noun, plural)


def target(inventory: Inventory) -> str:
    """Name and id, routers or system VMs with their states, and what hangs on it."""
    name = one_line(inventory.name, 80)
    if inventory.systemvms:
        vm = inventory.systemvms[0]
        return f"{name} ({vm.id}): {system_vm(vm)}"
    identity = inventory.vpc.id if inventory.vpc is not None else inventory.network.id
    names = [f"{one_line(r.name, 40)} {one_line(r.redundant_state or r.state, 20)}" for r in inventory.routers]
    counts = [count(inventory.tiers, "tier")] if inventory.tiers else []
    counts += [
        count(inventory.vms, "VM"),
        count(inventory.public_ips, "public address", "es"),
        number_of(inventory.rules, "rule"),
    ]
    return f"{name} ({identity}): {', '.join(names) or 'no router'}; {', '.join(counts)}"


def router(inventory: Inventory, one: Router) -> str:
    """One router among those of its network or VPC."""
    name, of = one_line(one.name, 40), "VPC" if inventory.vpc is not None else "network"
    others = [other for other in inventory.routers if other.id != one.id]
    beside = f"beside {', '.join(one_line(other.name, 40) for other in others)}" if others else "the only router"
    state = " ".join(one_line(word, 20) for word in (one.redundant_state, one.state, one.version) if word)
    return (
        f"{name} ({one.id}): {state}, {beside} of {of} {one_line(inventory.name, 60)}; "
        f"{count(inventory.vms, 'VM')}, {count(inventory.public_ips, 'public address', 'es')}"
    )


def system_vm(vm: SystemVm) -> str:
    """Kind, state, agent and version of a system VM."""
    words = {"secondarystoragevm": "secondary storage VM", "consoleproxy": "console proxy"}
    agent = f", agent {one_line(vm.agent_state, 20)}" if vm.agent_state else ""
    version = f", version {one_line(vm.version, 30)}" if vm.version else ""
    return f"{words.get(vm.kind, one_line(vm.kind, 30))} {one_line(vm.state, 20)}{agent}{version}"


def use(inventory: Inventory) -> str:
    """Whom the routers serve, e.g. `10 VMs`."""
    return count(inventory.vms, "VM")
