# SPDX-License-Identifier: Apache-2.0
"""Functions that a host's agent runs in a forked child, inside the host's namespaces. Each returns text (JSON)."""

from __future__ import annotations

from collections.abc import Callable

from csworkbench.lab.calls_arp import announce
from csworkbench.lab.calls_conntrack import tracked
from csworkbench.lab.calls_diagnostics import collect
from csworkbench.lab.calls_handover import hand_over, spool, take_over
from csworkbench.lab.calls_http import metadata, passwords, website
from csworkbench.lab.calls_mounts import protect, unprotect
from csworkbench.lab.calls_netlink import cut, cut_ports, flush_conntrack
from csworkbench.lab.calls_swap import swap_mac
from csworkbench.lab.calls_systemvm import console_proxy, file_server, storage_agent
from csworkbench.lab.calls_vrrp import follow_vrrp
from csworkbench.lab.calls_witness import witness

CALLS: dict[str, Callable[..., str]] = {
    "announce": announce,
    "collect": collect,
    "console_proxy": console_proxy,
    "cut": cut,
    "cut_ports": cut_ports,
    "file_server": file_server,
    "flush_conntrack": flush_conntrack,
    "follow_vrrp": follow_vrrp,
    "hand_over": hand_over,
    "metadata": metadata,
    "passwords": passwords,
    "protect": protect,
    "unprotect": unprotect,
    "storage_agent": storage_agent,
    "spool": spool,
    "swap_mac": swap_mac,
    "take_over": take_over,
    "tracked": tracked,
    "website": website,
    "witness": witness,
}
