# SPDX-License-Identifier: Apache-2.0
"""The gateway's MAC: one tenant asks, all others only look (S11)."""

from csworkbench.model.lane import Prober, Service

from .draft import HEARTBEAT_S, Draft


def gateway(draft: Draft) -> None:
    """The sentinel asks (the headline) and hears announcements; elsewhere the kernel's entry is read."""
    if not any(network.gateway for network in draft.inventory.tiers or (draft.inventory.network,)):
        draft.leave_out(Service.GATEWAY, "gateway ARP", "the network has no gateway")
        return
    for vantage in draft.tenants:
        at = draft.network_of(vantage).gateway
        if not at:
            draft.leave_out(Service.GATEWAY, f"gateway ARP of {vantage.name}", "its network has no gateway")
        elif vantage.sentinel:
            draft.add(Service.GATEWAY, Prober.ARP, vantage, at, draft.intervals.arp, headline=True)
            draft.add(Service.GATEWAY, Prober.GARP, vantage, at, HEARTBEAT_S)
        elif vantage.name in draft.able.python:
            draft.add(Service.GATEWAY, Prober.NEIGHBOUR, vantage, at, draft.intervals.neighbour)
