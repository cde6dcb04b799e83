# SPDX-License-Identifier: Apache-2.0
"""`lab swap-mac`: a network's gateway gets another MAC, after a gap of exactly known length."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from csworkbench.lab import records
from csworkbench.lab.gate import TABLE, gate_rules
from csworkbench.lab.hosts import LabError
from csworkbench.lab.records import Network, Nic, Router

if TYPE_CHECKING:
    from csworkbench.lab.cloud import Cloud

LONGEST_GAP_MS, LONGEST_FOLLOW_S = 3_600_000, 3600.0
_PREFIX = "02:00:12"
"""New MACs begin with it; the last three bytes are the old one's, turned over."""


async def swap_mac(cloud: Cloud, name: str, gap_ms: int, *, garp: bool, follow_s: float) -> dict[str, Any]:
    """The router passes nothing for so long, and then its guest device has a new MAC; raises LabError.

    As a router that is replaced by another one with the same address, with everything else left as it is. `garp`: it
    announces itself then. Says who sent to the new MAC when (`found_ns`), as far as that was within `follow_s`: seen on
    the router's own device, by a listener that sends nothing and so heals nothing.
    """
    if not 1 <= gap_ms <= LONGEST_GAP_MS:
        raise LabError(f"--gap-ms must be 1 to {LONGEST_GAP_MS}")
    if not 0 <= follow_s <= LONGEST_FOLLOW_S:
        raise LabError(f"--follow must be 0 to {LONGEST_FOLLOW_S:.0f}")
    network, router, nic = _gateway(cloud, name)
    host = cloud.management.orchestrator.machine(router).host
    old, nic.mac = nic.mac, _another(nic.mac)
    gated = [one.device for one in router.nics if one.traffic != "Control"]
    await host.run("nft", "-f", "-", text=gate_rules(gated, is_open=True))
    try:
        stamps = await host.call(
            "swap_mac",
            device=nic.device,
            mac=nic.mac,
            gap_ms=gap_ms,
            announced=[nic.address] if garp else [],
            guests={vm.address: vm.name for vm in network.vms},
            follow_ms=round(follow_s * 1000),
        )
    except LabError:
        nic.mac = old
        raise
    finally:
        with suppress(LabError):
            await host.run("nft", "delete", "table", "netdev", TABLE)
    made = {"path": "gateway", "network": network.name, "old_mac": old, "new_mac": nic.mac, "garp": garp, **stamps}
    made["clock"] = "monotonic"
    cloud.truth.append(made)
    return made


def _gateway(cloud: Cloud, name: str) -> tuple[Network, Router, Nic]:
    networks = cloud.management.networks
    network = next((one for one in networks if name in (one.name, one.id)), None)
    if network is None:
        raise LabError(f"no network {name!r}; there are {', '.join(one.name for one in networks)}")
    for router in (network.vpc or network).routers:
        for nic in router.guests:
            if router.state == records.RUNNING and nic.network is network and nic.address == network.gateway:
                return network, router, nic
    raise LabError(f"{name}: no router runs that has {network.gateway} to itself")


def _another(mac: str) -> str:
    """A MAC that no other machine of the cloud has."""
    tail = [f"{int(part, 16) ^ 0xFF:02x}" for part in mac.split(":")[3:]]
    return ":".join([_PREFIX, *tail])
