# SPDX-License-Identifier: Apache-2.0
"""Who asks for the gateway's MAC, and whom nobody talks to (S11)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from csworkbench.model.cloud import Inventory
from csworkbench.model.lane import Lane, Prober, Vantage, VantageKind
from csworkbench.model.scenario import AUTO, EVERYBODY, NOBODY, Tenants
from csworkbench.model.tier import Tier
from csworkbench.probing.choose import Chosen

RAW_TIERS = (Tier.ROOT, Tier.SUDO)
FEWEST = 3  # a sentinel, a quiet one, and one that is neither


def with_roles(
    vantages: Sequence[Vantage],
    chosen: Mapping[str, Chosen],
    asked: Tenants | None,
    measure_only: bool,
    inventory: Inventory | None = None,
) -> tuple[list[Vantage], list[str]]:
    """The vantages with their roles, and what to tell the operator where the scenario's wish cannot be met.

    The sentinel is the first tenant that can ask; asking refreshes its own entry, so no other does. The quiet one is
    the last of at least three that could ask, on the sentinel's own network: each tier of a VPC has another gateway.
    If possible it is none that a load balancer checks, or that has an address of its own: that way would go unmeasured.
    Where nothing is operated nobody knows when the change is: then a VM is quiet only if the scenario says so, and to
    the end.
    """
    asked = asked or Tenants()
    tenants = [v.name for v in vantages if v.kind is VantageKind.TENANT]
    able = [name for name in tenants if chosen[name].tier in RAW_TIERS]
    doubts: list[str] = []
    sentinel = next((name for name in able if name != asked.quiet), "")
    if asked.sentinel != AUTO:
        if asked.sentinel in able:
            sentinel = asked.sentinel
        else:
            instead = f"{sentinel} is" if sentinel else "there is none"
            doubts.append(f"{asked.sentinel} cannot be the sentinel ({_why(asked.sentinel, chosen)}): {instead}")
    at = {v.name: inventory.network_of(v.guest_ip).id if inventory is not None else "" for v in vantages}
    beside = [name for name in able if sentinel and at[name] == at[sentinel]]
    quiet = ""
    if asked.quiet == EVERYBODY or (asked.quiet == AUTO and not measure_only):
        others = [name for name in reversed(beside) if name != sentinel] if len(able) >= FEWEST else []
        serving = _serving(inventory)
        quiet = next((name for name in others if name not in serving), next(iter(others), ""))
    elif asked.quiet not in (AUTO, NOBODY):
        if asked.quiet in tenants and asked.quiet != sentinel and len(tenants) > 1:
            quiet = asked.quiet
        else:
            doubts.append(f"{asked.quiet} cannot be quiet ({_why(asked.quiet, chosen, tenants)}): nobody is")
    return [replace(v, sentinel=v.name == sentinel, quiet=v.name == quiet) for v in vantages], doubts


def _serving(inventory: Inventory | None) -> set[str]:
    """VMs behind a load balancer rule or a static NAT address, by name."""
    if inventory is None:
        return set()
    ids = {vm_id for rule in inventory.balancers for vm_id in rule.vm_ids}
    ids |= {nat.vm_id for nat in inventory.static_nats}
    return {vm.name for vm in inventory.vms if vm.id in ids}


def leave_alone(vantages: Iterable[Vantage], lanes: Iterable[Lane]) -> list[Lane]:
    """The lanes without those that would heal a quiet VM: its question for the gateway, and others' probes of it."""
    quiet = {v.name: v.guest_ip for v in vantages if v.quiet}
    return [lane for lane in lanes if not _heals(lane, quiet)]


def _heals(lane: Lane, quiet: Mapping[str, str]) -> bool:
    if lane.vantage in quiet:
        return lane.prober is Prober.ARP
    return lane.subject in quiet or lane.target in [address for address in quiet.values() if address]


def _why(name: str, chosen: Mapping[str, Chosen], tenants: Sequence[str] | None = None) -> str:
    if name not in chosen:
        return "no usable tenant of that name"
    if tenants is None:
        return f"its tier is {chosen[name].tier}"
    return "it is the only tenant" if len(tenants) == 1 else "it is the sentinel, or no tenant"
