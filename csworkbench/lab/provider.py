# SPDX-License-Identifier: Apache-2.0
"""What the provider's own router does for particular networks, beside routing to their public addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from csworkbench.lab import ipv6
from csworkbench.lab.fabric import Fabric, Port
from csworkbench.lab.hosts import LabError
from csworkbench.lab.records import Network, Vm

_SHARED_MAC = "02:00:c6:33:64:02"
_SWITCHES_WITHOUT_IPV6 = {f"/proc/sys/net/ipv6/conf/{place}/disable_ipv6": "1" for place in ("all", "default")}
"""Else the bridges believe the advertisements too."""
_DEVICES = {"gateway": tuple(ipv6.GATEWAY_LINKS), "outside": ("eth0",)}
_ADVERTISEMENT_LIMIT_S = 20.0
"""Longer than the longest interval between two of radvd's (15 s)."""


async def connect(fabric: Fabric, networks: Iterable[Network]) -> None:
    """What these networks need of it. Raises LabError."""
    for network in networks:
        if network.kind == "Shared":
            await join_shared(fabric, network)
        if network.cidr6 is not None:
            await route_ipv6(fabric, network)


async def join_shared(fabric: Fabric, network: Network) -> None:
    """Be the gateway of a shared network. Raises LabError."""
    gateway, device = fabric.hosts["gateway"], "eth2"
    await fabric.plug(gateway, [Port(fabric.port_name("s"), network.bridge, device, _SHARED_MAC)])
    await fabric.ip(gateway, f"addr add {network.gateway}/{network.cidr.prefixlen} dev {device}\nlink set {device} up")


async def route_ipv6(fabric: Fabric, network: Network) -> None:
    """Addresses towards the public side and the outside, and the way to the network's /64. Raises LabError.

    The devices are there already, so what is default for new ones does not reach them.
    """
    gateway, outside = fabric.hosts["gateway"], fabric.hosts["outside"]
    for host, sysctls in ((gateway, ipv6.ROUTER_SYSCTLS), (outside, ipv6.HOST_SYSCTLS)):
        devices = {
            f"net/ipv6/conf/{device}/accept_dad": "0" for device in _DEVICES[host.name]
        }  # they are there already
        await host.write({f"/proc/sys/{name}": value for name, value in (devices | sysctls).items()})
    await fabric.namespaces.fab.write(_SWITCHES_WITHOUT_IPV6)
    links = [f"addr add {address}/64 dev {device} nodad" for device, address in ipv6.GATEWAY_LINKS.items()]
    route = f"route add {network.cidr6} via {ipv6.public(network)}"
    await fabric.ip(gateway, "\n".join([*links, route]))
    await fabric.ip(
        outside,
        f"addr add {ipv6.OUTSIDE_HOST}/64 dev eth0 nodad\nroute add ::/0 via {ipv6.GATEWAY_LINKS['eth1']} dev eth0",
    )


async def wait_for_ipv6(fabric: Fabric, vms: list[Vm]) -> None:
    """Until these tenants have heard a router and made themselves an address. Raises LabError."""

    until = "until ip -6 route show default | grep -q via; do sleep 0.05; done"
    try:
        async with asyncio.timeout(_ADVERTISEMENT_LIMIT_S):
            await asyncio.gather(*(fabric.hosts[vm.name].run("sh", "-c", until) for vm in vms))
    except TimeoutError as error:
        raise LabError(f"no router advertisement within {_ADVERTISEMENT_LIMIT_S:.0f} s") from error
