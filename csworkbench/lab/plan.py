# SPDX-License-Identifier: Apache-2.0
"""Addresses of the cloud, and what a new network has in it (ShapeBlue's test bed: address and rules per VM)."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Collection, Iterator

from csworkbench.lab import records
from csworkbench.lab.records import (
    BalancerRule,
    FirewallRule,
    ForwardingRule,
    Network,
    Nic,
    PublicIp,
    Router,
    Served,
    Vm,
)

NETWORK_NAME = "probe-net"
GUEST = ipaddress.IPv4Network("10.1.1.0/24")
GUEST_BRIDGE = "brguest"
GUEST_VLAN = 1201
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
LAST_PUBLIC = 230
"""Last octet of the addresses that tenants get; system VMs have some of those above."""
SSH_PORT = 22
FIRST_INSTANCE = 3
"""Instance numbers 1 and 2 belong to the system VMs (`s-1-VM`, `v-2-VM`)."""


def isolated_network(vms: int, rng: random.Random, *, redundant: bool = False) -> Network:
    """The network as a user would have made it: a public address, firewall rule and forwarded SSH port per VM.

    Two more addresses: a load balancer in front of the first VMs, and static NAT to the last one.
    """
    network = empty_network(NETWORK_NAME, rng)
    network.redundant = redundant
    add_vms(
        network, [f"vm{index + 1:02}" for index in range(vms)], iter(range(FIRST_INSTANCE, FIRST_INSTANCE + vms)), rng
    )
    network.ips.append(PublicIp(records.new_id(rng), SOURCE_NAT, network, source_nat=True))
    for vm, address in zip(network.vms, free_addresses({BALANCED, STATIC_NAT}), strict=False):
        forward_ssh(vm, address, rng)
    add_balancer(network, BALANCED, rng)
    open_address(network, STATIC_NAT, SSH_PORT, rng).static_nat = network.vms[-1]
    return network


def empty_network(name: str, rng: random.Random, *, vlan: int = GUEST_VLAN, bridge: str = GUEST_BRIDGE) -> Network:
    """An isolated network without VMs and public addresses; one egress rule lets everything out."""
    network = Network(id=records.new_id(rng), name=name, cidr=GUEST, gateway=GUEST_GATEWAY, vlan=vlan, bridge=bridge)
    network.egress.append(FirewallRule(network, records.new_id(rng), None, "all", None, None, str(network.cidr)))
    return network


def add_vms(network: Network, names: Collection[str], numbers: Iterator[int], rng: random.Random) -> None:
    """More VMs, with the next guest addresses and a first password each."""
    first = FIRST_VM + len(network.vms)
    for place, name in enumerate(names, first):
        vm = Vm(
            network=network,
            id=records.new_id(rng),
            nic_id=records.new_id(rng),
            number=next(numbers),
            name=name,
            address=str(network.cidr[place]),
            mac=records.mac("02:00:4f", rng),
            user_data=f"#cloud-config\nhostname: {name}\n",
        )
        network.vms.append(vm)
        network.passwords[vm.address] = f"first-{vm.name}"


def free_addresses(taken: Collection[str]) -> Iterator[str]:
    """Public addresses for tenants, the lowest first."""
    return (str(host) for host in list(PUBLIC.hosts())[FIRST_PUBLIC - 1 : LAST_PUBLIC] if str(host) not in taken)


def forward_ssh(vm: Vm, address: str, rng: random.Random) -> None:
    """A public address whose SSH port goes to that VM, and which answers ping."""
    ip = open_address(vm.network, address, SSH_PORT, rng)
    rule = ForwardingRule(vm.network, records.new_id(rng), ip, "tcp", SSH_PORT, SSH_PORT, vm)
    vm.network.forwarding.append(rule)


def add_balancer(network: Network, address: str, rng: random.Random) -> None:
    """A load balancer rule on one more public address, in front of the network's first VMs."""
    network.balancers.append(
        BalancerRule(
            network=network,
            id=records.new_id(rng),
            name="web",
            ip=open_address(network, address, BALANCER_PORT, rng),
            algorithm="roundrobin",
            public_port=BALANCER_PORT,
            private_port=TENANT_PORT,
            vms=network.vms[:BALANCED_VMS],
        )
    )


def open_address(network: Network, address: str, port: int, rng: random.Random) -> PublicIp:
    """One more address whose firewall lets that port and ping in. In a VPC there is no such firewall."""
    ip = PublicIp(records.new_id(rng), address, network)
    network.ips.append(ip)
    if network.vpc is None:
        network.firewall += [
            FirewallRule(network, records.new_id(rng), ip, "tcp", port, port, "0.0.0.0/0"),
            FirewallRule(network, records.new_id(rng), ip, "icmp", None, None, "0.0.0.0/0"),
        ]
    return ip


def new_router(served: Served, number: int, rng: random.Random) -> Router:
    """The row of a router to be deployed: its guest MACs are new, the public one is copied from the router before.

    For a tier of a VPC it is an internal LB VM, for the first address that has none.
    """
    if isinstance(served, Network) and served.vpc is not None:
        return new_internal_lb(served, number, rng)
    if served.public_mac is None:
        served.public_mac = records.mac("1e:00:3c", rng)
    control = _control_nic(rng)
    guests = [
        Nic(records.new_id(rng), "Guest", "", records.mac("02:00:11", rng), _guest_address(served, network), network)
        for network in served.networks
    ]
    nics = [*guests, control]
    if served.source_nat is not None:
        public = Nic(records.new_id(rng), "Public", "", served.public_mac, served.source_nat.address)
        nics = [*guests, control, public] if isinstance(served, Network) else [control, public, *guests]
    for place, nic in enumerate(nics):
        nic.device = f"eth{place}"
    return Router(served, records.new_id(rng), number, nics, redundant=served.redundant)


def new_internal_lb(tier: Network, number: int, rng: random.Random) -> Router:
    """The row of an internal LB VM, for the first address of the tier's internal balancers that nobody serves."""
    held = {nic.address for router in tier.routers for nic in router.guests}
    address = next(balancer.address for balancer in tier.internal_balancers if balancer.address not in held)
    guest = Nic(records.new_id(rng), "Guest", "eth0", records.mac("02:00:11", rng), address, tier)
    control = _control_nic(rng)
    control.device = "eth1"
    return Router(tier, records.new_id(rng), number, [guest, control], role="INTERNAL_LB_VM")


def _control_nic(rng: random.Random) -> Nic:
    third, fourth = rng.randrange(1, 255), rng.randrange(2, 255)
    return Nic(
        records.new_id(rng),
        "Control",
        "",
        f"0e:00:a9:fe:{third:02x}:{fourth:02x}",
        f"{CONTROL_PREFIX}.{third}.{fourth}",
    )


def _guest_address(served: Served, network: Network) -> str:
    """The one of the guests' servers, or in a pair an address of its own: the lowest free one above the gateway."""
    if not served.redundant:
        return network.server
    taken = {nic.address for router in served.routers for nic in router.nics} | {vm.address for vm in network.vms}
    taken |= {balancer.address for balancer in network.internal_balancers}
    return next(str(host) for host in network.cidr.hosts() if str(host) not in taken | {network.gateway})
