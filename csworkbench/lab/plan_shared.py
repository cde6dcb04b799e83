# SPDX-License-Identifier: Apache-2.0
"""A shared network: its gateway is the provider's own router, its virtual router only serves names and metadata."""

from __future__ import annotations

import ipaddress
import random

from csworkbench.lab import plan, records
from csworkbench.lab.records import Network

CIDR = ipaddress.IPv4Network("192.0.2.0/24")
BRIDGE = "brshared"
VLAN = 1301


def shared_network(vms: int, rng: random.Random) -> Network:
    """VMs with addresses that the outside reaches directly; no public addresses, no rules."""
    network = Network(
        id=records.new_id(rng),
        name=plan.NETWORK_NAME,
        kind="Shared",
        cidr=CIDR,
        gateway=str(CIDR[1]),
        vlan=VLAN,
        bridge=BRIDGE,
    )
    numbers = iter(range(plan.FIRST_INSTANCE, plan.FIRST_INSTANCE + vms))
    plan.add_vms(network, [f"vm{index + 1:02}" for index in range(vms)], numbers, rng)
    return network
