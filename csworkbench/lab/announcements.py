# SPDX-License-Identifier: Apache-2.0
"""Which addresses a router announces on which device, and in which form."""

from __future__ import annotations

from collections.abc import Sequence

from csworkbench.lab import plan
from csworkbench.lab.faults import Faults
from csworkbench.lab.records import Router

Announcements = dict[str, tuple[list[str], str | None]]
"""For `calls_arp.announce`: by device the addresses, and the gateway that CloudStack's form names."""


def announcements(row: Router, public: Sequence[str], faults: Faults) -> Announcements:
    """Its guest addresses and these public ones, without a side that a fault silences.

    CloudStack's form (`real-arping`) names the device's gateway. Towards guests that is the router's own address, or
    nearly always: it is a gratuitous ARP then, which every neighbour takes at once. On the public side it is not.
    """
    real = faults.is_set("real-arping")
    devices: Announcements = {}
    if not silent_inside(faults):
        for nic in row.guests:
            gateway = nic.network.gateway if real and nic.network is not None else None
            devices[nic.device] = ([nic.address], gateway)
    device = row.nic("Public")
    if device is not None and not silent_public(faults):
        devices[device.device] = (list(public), plan.PUBLIC_GATEWAY if real else None)
    return devices


def silent_inside(faults: Faults) -> bool:
    """Whether routers do not announce themselves to their guests."""
    return faults.is_set("no-garp") or faults.is_set("no-garp-inside")


def silent_public(faults: Faults) -> bool:
    """Whether routers do not announce their public addresses."""
    return faults.is_set("no-garp") or faults.is_set("no-garp-public")
