# SPDX-License-Identifier: Apache-2.0
"""Faults of the guests' switch that concern redundant routers. Each is an nftables table of its own; all idempotent."""

from __future__ import annotations

from collections.abc import Sequence

from csworkbench.lab.fabric import Fabric

VRRP_GROUP = "224.0.0.18"
_SPLIT_TABLE, _MUTE_TABLE = "lab_split", "lab_mute"


async def split(fabric: Fabric, on: bool) -> None:
    """Drop VRRP between routers: every router of a pair becomes primary. Raises LabError."""
    await _drop(fabric, _SPLIT_TABLE, [f"ip daddr {VRRP_GROUP}"] if on else [])


async def mute(fabric: Fabric, addresses: Sequence[str]) -> None:
    """Drop gratuitous ARP for these addresses, whoever sends it; an empty list ends the fault. Raises LabError."""
    await _drop(fabric, _MUTE_TABLE, [f"arp saddr ip {address} arp daddr ip {address}" for address in addresses])


async def _drop(fabric: Fabric, table: str, matches: Sequence[str]) -> None:
    lines = [f"add table bridge {table}", f"delete table bridge {table}"]  # in one transaction: never fails
    if matches:
        lines.append(f"add table bridge {table}")
        lines.append(f"add chain bridge {table} forward {{ type filter hook forward priority filter; }}")
        lines += [f"add rule bridge {table} forward {match} counter drop" for match in matches]
    await fabric.namespaces.fab.run("nft", "-f", "-", text="\n".join(lines) + "\n")
