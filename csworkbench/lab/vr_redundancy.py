# SPDX-License-Identifier: Apache-2.0
"""How a router's row becomes its half of a redundant pair."""

from __future__ import annotations

from ipaddress import IPv4Interface

from csworkbench.lab import plan
from csworkbench.lab.keepalived import VirtualAddress, Vrrp
from csworkbench.lab.records import Router
from csworkbench.lab.redundancy import Half


def half(row: Router, advert_interval_s: float) -> Half:
    """The guests' gateways move between the routers; the public device is up on the PRIMARY only."""
    guests = [(nic, nic.network) for nic in row.guests if nic.network is not None]
    public = row.nic("Public")
    gateways = [
        VirtualAddress(IPv4Interface(f"{network.gateway}/{network.cidr.prefixlen}"), nic.device)
        for nic, network in guests
    ]
    return Half(
        Vrrp(row.name, gateways, row.served.id.replace("-", ""), advert_interval_s),
        address=guests[0][0].address,
        public_devices=[public.device] if public is not None else [],
        upstream=plan.PUBLIC_GATEWAY if public is not None else "",
        routes=[f"default via {plan.PUBLIC_GATEWAY} dev {public.device}"] if public is not None else [],
        ignored=[row.control.address, *(nic.address for nic, _ in guests), *(network.gateway for _, network in guests)],
    )
