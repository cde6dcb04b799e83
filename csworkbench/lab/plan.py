# SPDX-License-Identifier: Apache-2.0
"""Topology `isolated`: which hosts, addresses and rules a new cloud has (ShapeBlue's test bed)."""

from __future__ import annotations

import ipaddress
import random

from csworkbench.lab import records
from csworkbench.lab.records import FirewallRule, ForwardingRule, Network, PublicIp, Router, Vm

NETWORK_NAME = "probe-net"
GUEST = ipaddress.IPv4Network("10.1.1.0/24")
GUEST_GATEWAY = "10.1.1.1"
FIRST_VM = 101
PUBLIC = ipaddress.IPv4Network("198.51.100.0/24")
PUBLIC_GATEWAY = "198.51.100.1"
SOURCE_NAT = "198.51.100.10"
FIRST_PUBLIC = 11
OUTSIDE = ipaddress.IPv4Network("203.0.113.0/24")
OUTSIDE_GATEWAY = "203.0.113.1"
OUTSIDE_HOST = "203.0.113.10"
CONTROL_PREFIX = "169.254"
DOMAIN = "cs2cloud.internal"
MAX_VMS = 150
SSH_PORT = 22
FIRST_INSTANCE = 3
"""Instance numbers 1 and 2 belong to the system VMs (`s-1-VM`, `v-2-VM`)."""


def isolated_network(vms: int, rng: random.Random) -> Network:
    """The network as a user would have made it: a public address, firewall rule and forwarded SSH port per VM."""
    tenants = [
        Vm(
            id=records.new_id(rng),
            nic_id=records.new_id(rng),
            number=FIRST_INSTANCE + index,
            name=f"vm{index + 1:02}",
            address=str(GUEST[FIRST_VM + index]),
            mac=records.mac("02:00:4f", rng),
        )
        for index in range(vms)
    ]
    source_nat = PublicIp(records.new_id(rng), SOURCE_NAT, source_nat=True)
    publics = [PublicIp(records.new_id(rng), str(PUBLIC[FIRST_PUBLIC + index])) for index in range(vms)]
    firewall = [
        rule
        for ip in publics
        for rule in (
            FirewallRule(records.new_id(rng), ip, "tcp", SSH_PORT, SSH_PORT, "0.0.0.0/0"),
            FirewallRule(records.new_id(rng), ip, "icmp", None, None, "0.0.0.0/0"),
        )
    ]
    return Network(
        id=records.new_id(rng),
        name=NETWORK_NAME,
        cidr=GUEST,
        gateway=GUEST_GATEWAY,
        vms=tenants,
        ips=[source_nat, *publics],
        firewall=firewall,
        egress=[FirewallRule(records.new_id(rng), None, "all", None, None, str(GUEST))],
        forwarding=[
            ForwardingRule(records.new_id(rng), ip, "tcp", SSH_PORT, SSH_PORT, vm)
            for ip, vm in zip(publics, tenants, strict=True)
        ],
    )


def new_router(network: Network, number: int, rng: random.Random) -> Router:
    """The row of a router to be deployed: its guest MAC is new, the public one is copied from the router before."""
    if network.public_mac is None:
        network.public_mac = records.mac("1e:00:3c", rng)
    third, fourth = rng.randrange(1, 255), rng.randrange(2, 255)
    return Router(
        id=records.new_id(rng),
        number=number,
        guest_mac=records.mac("02:00:11", rng),
        control_mac=f"0e:00:a9:fe:{third:02x}:{fourth:02x}",
        public_mac=network.public_mac,
        control_address=f"{CONTROL_PREFIX}.{third}.{fourth}",
        nic_ids=(records.new_id(rng), records.new_id(rng), records.new_id(rng)),
    )
