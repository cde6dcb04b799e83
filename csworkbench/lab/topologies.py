# SPDX-License-Identifier: Apache-2.0
"""Which networks a new cloud has: `lab up --topology`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from csworkbench.lab import ipv6, plan, plan_shared, plan_vpc, tenant_kinds
from csworkbench.lab.records import Network, Vm, Vpc

NAMES = ("isolated", "redundant", "vpc", "shared", "ipv6")
REDUNDANT = frozenset({"redundant"})
"""Those that have pairs of routers."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The rows to start from; tiers are among the networks."""

    networks: list[Network] = field(default_factory=list)
    vpcs: list[Vpc] = field(default_factory=list)

    @property
    def vms(self) -> list[Vm]:
        """All tenants."""
        return [vm for network in self.networks for vm in network.vms]

    @property
    def router_count(self) -> int:
        """Virtual routers and internal LB VMs that this will need."""
        return sum(served.routers_wanted for served in (*self.networks, *self.vpcs))


def build(name: str, vms: int, rng: random.Random, kinds: Sequence[tenant_kinds.Group] = ()) -> Layout:
    """The rows of that topology; the last VMs are of these kinds."""
    layout = _rows(name, vms, rng)
    tenant_kinds.assign(layout.vms, kinds)
    return layout


def _rows(name: str, vms: int, rng: random.Random) -> Layout:
    match name:
        case "redundant":
            return Layout([plan.isolated_network(vms, rng, redundant=True)])
        case "vpc":
            vpc = plan_vpc.vpc(vms, rng)
            return Layout(list(vpc.tiers), [vpc])
        case "shared":
            return Layout([plan_shared.shared_network(vms, rng)])
        case "ipv6":
            return Layout([ipv6.dual_stack_network(vms, rng)])
        case _:
            return Layout([plan.isolated_network(vms, rng)])
