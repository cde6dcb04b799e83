# SPDX-License-Identifier: Apache-2.0
"""The IPv6 side of a virtual router: addresses, nftables rules and radvd."""

from __future__ import annotations

from csworkbench.lab import ipv6, rules_ipv6
from csworkbench.lab.fabric import Fabric
from csworkbench.lab.hosts import Host
from csworkbench.lab.records import Router

_FILE = "/run/vr/radvd.conf"
_STARTED = "started"


class Ipv6:
    """What a router has for the networks with a /64; nothing where there is none. All raise LabError."""

    def __init__(self, fabric: Fabric, row: Router) -> None:
        self._fabric, self._row = fabric, row
        self._network = next((network for network in row.served.networks if network.cidr6 is not None), None)

    @property
    def sysctls(self) -> dict[str, str]:
        """For the host that it will be."""
        return {} if self._network is None else ipv6.ROUTER_SYSCTLS

    async def boot(self, host: Host) -> None:
        """Addresses and radvd, as the boot scripts do: it announces itself before it lets anything through."""
        network = self._network
        if network is None or network.cidr6 is None:
            return
        await host.run("nft", "-f", "-", text=rules_ipv6.base())
        await self._fabric.ip(host, ipv6.router_lines(self._row, network, network.cidr6))
        await host.write({_FILE: ipv6.radvd(network.cidr6, self._row.guests[0].device)})
        words = ["radvd", "-n", "-m", "stderr", "-d", "1", "-C", _FILE, "-p", "/run/vr/radvd.pid"]
        await self._fabric.daemon(host, words, _STARTED)

    async def firewall(self, host: Host) -> None:
        """All rules, in one transaction."""
        if self._network is not None and self._network.cidr6 is not None:
            text = rules_ipv6.table(self._network, self._network.cidr6)
            await host.run("nft", "-f", "-", text=text)
