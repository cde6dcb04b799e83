# SPDX-License-Identifier: Apache-2.0
"""Addresses of a network with IPv6: who has which, and what the hosts and the API are told; pure.

CloudStack gives the /64 of a network to its VMs by SLAAC, so an address follows from the MAC. The upstream router has a
static route to that /64, by way of the public IPv6 address of the virtual router.
"""

from __future__ import annotations

import ipaddress
import random

from csworkbench.lab import plan, records
from csworkbench.lab.records import FirewallRule, Network, Nic, Router

GUEST = ipaddress.IPv6Network("2001:db8:1::/64")
PUBLIC = ipaddress.IPv6Network("2001:db8:f0::/64")
OUTSIDE = ipaddress.IPv6Network("2001:db8:f1::/64")
GATEWAY_LINKS = {"eth0": PUBLIC[1], "eth1": OUTSIDE[1]}
"""The provider's router: its device towards public addresses, and the one towards the outside host."""
OUTSIDE_HOST = OUTSIDE[0x10]
EVERYWHERE = "::/0"
FIRST_RELEASE = (4, 17)
"""Isolated networks have IPv6 since then."""

_ON = {"net/ipv6/conf/all/disable_ipv6": "0", "net/ipv6/conf/default/disable_ipv6": "0"}
_NO_DETECTION = {"net/ipv6/conf/all/accept_dad": "0", "net/ipv6/conf/default/accept_dad": "0"}
HOST_SYSCTLS = _ON | _NO_DETECTION
"""Without duplicate address detection, which takes 1.8 s: no two hosts of the lab have the same MAC."""
ROUTER_SYSCTLS = HOST_SYSCTLS | {"net/ipv6/conf/all/forwarding": "1", "net/ipv6/conf/default/forwarding": "1"}
"""CloudStack's routers do without detection too: in a rolling restart two have the same addresses."""


def dual_stack_network(vms: int, rng: random.Random) -> Network:
    """The usual isolated network, with a /64 in which SSH is let in and everything out."""
    network = plan.isolated_network(vms, rng)
    network.cidr6 = GUEST
    network.public_mac = records.mac("1e:00:3c", rng)
    ssh = FirewallRule(network, records.new_id(rng), None, "tcp", plan.SSH_PORT, plan.SSH_PORT, EVERYWHERE)
    network.firewall6.append(ssh)
    return network


def slaac(prefix: ipaddress.IPv6Network, mac: str) -> ipaddress.IPv6Address:
    """The address that a host with that MAC makes for itself (EUI-64)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    return prefix[int.from_bytes(bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]]))]


def public(network: Network) -> ipaddress.IPv6Address:
    """The router's address on its public NIC, whose MAC goes from router to router."""
    if network.public_mac is None:
        raise ValueError("a network with IPv6 has the MAC of its public NIC from the beginning")
    return slaac(PUBLIC, network.public_mac)


def router_lines(router: Router, network: Network, prefix: ipaddress.IPv6Network) -> str:
    """For `ip -batch` in a router: the guests' gateway, the public address and the default route."""
    guest, outer = _device(router, "Guest"), _device(router, "Public")
    return (
        f"addr add {prefix[1]}/{prefix.prefixlen} dev {guest}\n"
        f"addr add {public(network)}/{PUBLIC.prefixlen} dev {outer}\n"
        f"route add ::/0 via {PUBLIC[1]} dev {outer}"
    )


def _device(router: Router, traffic: records.Traffic) -> str:
    return next(nic.device for nic in router.nics if nic.traffic == traffic)


def radvd(prefix: ipaddress.IPv6Network, device: str) -> str:
    """radvd's configuration from CloudStack's template; the router's own DNS is announced."""
    return f"""\
interface {device}
{{
    AdvSendAdvert on;
    MinRtrAdvInterval 5;
    MaxRtrAdvInterval 15;
    prefix {prefix}
    {{
        AdvOnLink on;
        AdvAutonomous on;
    }};
    RDNSS {prefix[1]}
    {{
        AdvRDNSSLifetime 30;
    }};
}};
"""


def routes(network: Network) -> list[dict[str, str]]:
    """`ip6routes` of a network: what the provider has to route where."""
    return [{"subnet": str(network.cidr6), "gateway": str(public(network))}]


def nic_fields(network: Network | None, mac: str, address: str | None = None) -> dict[str, str]:
    """IPv6 fields of a guest NIC; nothing where the network has none. `address`: not the MAC's own."""
    if network is None or network.cidr6 is None:
        return {}
    prefix = network.cidr6
    own = address or str(slaac(prefix, mac))
    return {"ip6address": own, "ip6gateway": str(prefix[1]), "ip6cidr": str(prefix)}


def router_nic_fields(router: Router, nic: Nic) -> dict[str, str]:
    """The same for the NICs of a router."""
    networks = [network for network in router.served.networks if network.cidr6 is not None]
    match nic.traffic:
        case "Guest" if nic.network in networks and nic.network.cidr6 is not None:
            return nic_fields(nic.network, nic.mac, str(nic.network.cidr6[1]))
        case "Public" if networks:
            return {"ip6address": str(public(networks[0])), "ip6gateway": str(PUBLIC[1]), "ip6cidr": str(PUBLIC)}
    return {}
