# SPDX-License-Identifier: Apache-2.0
"""Topology `isolated`: which hosts, addresses and rules a new cloud has (ShapeBlue's test bed)."""

from __future__ import annotations

import ipaddress
import itertools
import random

from csworkbench.lab import records
from csworkbench.lab.records import BalancerRule, FirewallRule, ForwardingRule, Network, PublicIp, Router, Vm

NETWORK_NAME = "probe-net"
GUEST = ipaddress.IPv4Network("10.1.1.0/24")
GUEST_GATEWAY = "10.1.1.1"
FIRST_VM = 101
PUBLIC = ipaddress.IPv4Network("198.51.100.0/24")
PUBLIC_GATEWAY = "198.51.100.1"
SOURCE_NAT = "198.51.100.10"
FIRST_PUBLIC = 11
BALANCED = "198.51.100.30"
STATIC_NAT = "198.51.100.31"
"""One address for the load balancer, one that belongs to the last VM as a whole; no VM forwards ports on them."""
BALANCER_PORT, TENANT_PORT = 80, 8000
BALANCED_VMS = 3
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
    """The network as a user would have made it: a public address, firewall rule and forwarded SSH port per VM.

    Two more addresses: a load balancer in front of the first VMs, and static NAT to the last one.
    """
    tenants = [
        Vm(
            id=records.new_id(rng),
            nic_id=records.new_id(rng),
            number=FIRST_INSTANCE + index,
            name=f"vm{index + 1:02}",
            address=str(GUEST[FIRST_VM + index]),
            mac=records.mac("02:00:4f", rng),
            user_data=f"#cloud-config\nhostname: vm{index + 1:02}\n",
        )
        for index in range(vms)
    ]
    source_nat = PublicIp(records.new_id(rng), SOURCE_NAT, source_nat=True)
    publics = [PublicIp(records.new_id(rng), address) for address in _free_addresses(vms)]
    firewall = [
        rule
        for ip in publics
        for rule in (
            FirewallRule(records.new_id(rng), ip, "tcp", SSH_PORT, SSH_PORT, "0.0.0.0/0"),
            FirewallRule(records.new_id(rng), ip, "icmp", None, None, "0.0.0.0/0"),
        )
    ]
    network = Network(
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
        passwords={vm.address: f"first-{vm.name}" for vm in tenants},
    )
    _add_balancer(network, rng)
    _add_static_nat(network, rng)
    return network


def _free_addresses(count: int) -> list[str]:
    hosts = (str(address) for address in PUBLIC.hosts())
    free = (host for host in hosts if host not in (BALANCED, STATIC_NAT))
    return list(itertools.islice(free, FIRST_PUBLIC - 1, FIRST_PUBLIC - 1 + count))


def _add_balancer(network: Network, rng: random.Random) -> None:
    ip = _opened(network, BALANCED, BALANCER_PORT, rng)
    network.balancers.append(
        BalancerRule(
            id=records.new_id(rng),
            name="web",
            ip=ip,
            algorithm="roundrobin",
            public_port=BALANCER_PORT,
            private_port=TENANT_PORT,
            vms=network.vms[:BALANCED_VMS],
        )
    )


def _add_static_nat(network: Network, rng: random.Random) -> None:
    _opened(network, STATIC_NAT, SSH_PORT, rng).static_nat = network.vms[-1]


def _opened(network: Network, address: str, port: int, rng: random.Random) -> PublicIp:
    """One more address whose firewall lets that port and ping in."""
    ip = PublicIp(records.new_id(rng), address)
    network.ips.append(ip)
    network.firewall += [
        FirewallRule(records.new_id(rng), ip, "tcp", port, port, "0.0.0.0/0"),
        FirewallRule(records.new_id(rng), ip, "icmp", None, None, "0.0.0.0/0"),
    ]
    return ip


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
