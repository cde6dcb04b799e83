# SPDX-License-Identifier: Apache-2.0
"""dnsmasq's configuration for the guest networks of a router; pure text."""

from __future__ import annotations

from csworkbench.lab import plan
from csworkbench.lab.records import Network, Nic, Router


def server(nic: Nic, network: Network) -> str:
    """The address of the guests' servers: the gateway's, unless the network has another router for that."""
    return network.gateway if network.kind == "Isolated" else nic.address


def configuration(router: Router, directory: str) -> str:
    """Static leases and local names only; its files lie in DIRECTORY."""
    guests = [(nic, nic.network) for nic in router.guests if nic.network is not None]
    return _COMMON.format(directory=directory, domain=plan.DOMAIN) + "".join(_network(*guest) for guest in guests)


_COMMON = """\
user=
group=
keep-in-foreground
pid-file=
except-interface=lo
bind-interfaces
no-resolv
no-hosts
no-ping
localise-queries
addn-hosts={directory}/hosts
domain={domain}
local=/{domain}/
dhcp-hostsfile={directory}/dhcphosts.txt
dhcp-ignore=tag:!known
dhcp-leasefile={directory}/dnsmasq.leases
dhcp-option=option:mtu,1500
"""


def _network(nic: Nic, network: Network) -> str:
    tag = f"interface-{nic.device}"
    return f"""\
interface={nic.device}
dhcp-range=set:{tag},{network.cidr.network_address},static,{network.cidr.netmask},infinite
dhcp-option=tag:{tag},option:router,{network.gateway}
dhcp-option=tag:{tag},option:dns-server,{server(nic, network)}
"""
