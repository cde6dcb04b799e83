# SPDX-License-Identifier: Apache-2.0
"""Two ways to a new router that CloudStack announced and never built: `network.restart.handover`.

Both deploy, boot and configure the new router completely beside the old one, which serves meanwhile; nothing that the
new one sends or receives on the guest and public networks passes until the change. Both leave the old router to be
stopped and destroyed afterwards, and leave it serving when anything fails before the change.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from csworkbench.lab.calls_handover import PORT
from csworkbench.lab.fabric import Fabric, Port
from csworkbench.lab.gate import TABLE, gate_rules
from csworkbench.lab.hosts import LabError
from csworkbench.lab.settings import HANDOVER
from csworkbench.lab.vr import Surroundings, VirtualRouter
from csworkbench.lab.vr_services import DIRECTORY, PASSWORD_DIRECTORY

_LEASES = f"{DIRECTORY}/dnsmasq.leases"
_TRUST_S = 1.5
"""A new haproxy begins to hold its tenants for dead when its first checks have waited 2 s behind the gate."""
_USABLE = frozenset({"REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT"})
"""States of a neighbour whose MAC is known."""

Facts = dict[str, Any]
"""What a handover did: `handover` (its kind), `old`, `new`; `changed_ms`, while cables were moved or no gate was open;
`carried` and `lost`: established TCP sessions whose tracking came along or did not. One that ended in the old router
(load balancer) is always lost. Negotiated: `flows` that came along, and how many of them the new router's kernel
`refused`."""


class Handover(Protocol):
    """From one old router to a new one. Both raise LabError, and the old one serves on then."""

    async def hold(self, fresh: VirtualRouter) -> None:
        """The new router is deployed and not booted: from here on nothing of it passes."""

    async def switch(self, fresh: VirtualRouter) -> Facts:
        """The new router is configured: it takes everything."""


def chosen(around: Surroundings, old: Sequence[VirtualRouter]) -> Handover | None:
    """What the setting says, where one router runs that is not half of a pair; None: as CloudStack does."""
    kind = around.settings.value(HANDOVER)
    if kind == "none" or len(old) != 1 or old[0].row.state != "Running" or old[0].row.served.redundant:
        return None
    strategy = External if kind == "external" else Negotiated
    return strategy(around.fabric, old[0])


class External:
    """The host moves the cables in one step. The new router has its own guest MAC and knows no connection."""

    def __init__(self, fabric: Fabric, old: VirtualRouter) -> None:
        self._fabric, self._old = fabric, old

    async def hold(self, fresh: VirtualRouter) -> None:
        """Its cables are in no switch."""
        await self._cable(_out(fresh))

    async def switch(self, fresh: VirtualRouter) -> Facts:
        """The old router's cables out, the new one's in: one batch.

        Measured on an idle machine with the announcement: 4 to 8 ms, as with port states through `bridge -batch` (3 to
        8 ms), which could not hold the new router's ports before they come up; links down and up took 4 to 26 ms.
        """
        await _warm(self._fabric, self._old, fresh)
        begun = time.monotonic()
        try:
            await self._cable([*_out(self._old), *_in(fresh)])
            changed_ms = round((time.monotonic() - begun) * 1000, 3)
            await fresh.host.call("announce", devices=fresh.announcements())
            left = await self._old.host.call("tracked", own=_own(self._old), control=self._old.row.control.address)
        except LabError:
            await self._cable([*_out(fresh), *_in(self._old)])
            raise
        lost = left["sessions"] + left["ended"]
        return {**_names("external", self._old, fresh), "changed_ms": changed_ms, "carried": 0, "lost": lost}

    async def _cable(self, lines: Iterable[str]) -> None:
        await self._fabric.ip(self._fabric.namespaces.fab, "\n".join(lines))


class Negotiated:
    """The two routers agree on the moment (`calls_handover`); the new one has the old one's MACs and connections."""

    def __init__(self, fabric: Fabric, old: VirtualRouter) -> None:
        self._fabric, self._old = fabric, old

    async def hold(self, fresh: VirtualRouter) -> None:
        """Closes the new router's gate; its leases are there before its dnsmasq reads them."""
        lines = []
        for nic, model in zip(fresh.row.guests, self._old.row.guests, strict=True):
            nic.mac = model.mac
            lines.append(f"link set dev {nic.device} address {nic.mac}")
        await self._fabric.ip(fresh.host, "\n".join(lines))
        await fresh.host.run("nft", "-f", "-", text=gate_rules(_devices(fresh), is_open=False))
        leases = await self._old.host.run("cat", _LEASES, check=False)
        if leases.status == 0:
            await fresh.host.write({_LEASES: leases.output})

    async def switch(self, fresh: VirtualRouter) -> Facts:
        """The old one's part decides: it has kept everything, or it has given everything."""
        passwords = await self._old.host.call("spool", directory=PASSWORD_DIRECTORY)
        await fresh.host.write({f"{PASSWORD_DIRECTORY}/{name}": text for name, text in passwords.items()})
        await _warm(self._fabric, self._old, fresh)
        await self._old.host.run("nft", "-f", "-", text=gate_rules(_devices(self._old), is_open=True))
        door = ["INPUT", "-i", fresh.row.control.device, "-s", self._old.row.control.address]
        door += ["-p", "tcp", "--dport", str(PORT), "-j", "ACCEPT"]
        await fresh.host.run("iptables", "-I", *door)
        taking = fresh.host.call(
            "take_over",
            address=fresh.row.control.address,
            devices=fresh.announcements(),
            own=_own(self._old),
            passwords=PASSWORD_DIRECTORY,
        )
        giving = self._old.host.call("hand_over", address=fresh.row.control.address, passwords=PASSWORD_DIRECTORY)
        begun = time.monotonic()
        # both to their ends, whatever happens: each leaves its gate as it ought to be
        ends: tuple[Facts | BaseException, Facts | BaseException]
        ends = await asyncio.gather(taking, giving, return_exceptions=True)
        taken, given = ends
        if isinstance(taken, BaseException) or isinstance(given, BaseException):
            await self._remove_gate(self._old)
            raise LabError("; ".join(str(said) for said in (given, taken) if isinstance(said, BaseException)))
        if time.monotonic() - begun > _TRUST_S:
            with suppress(LabError):  # it forwards already
                await fresh.services.balance(serving=True, anew=True)
        await self._remove_gate(fresh)
        await fresh.host.run("iptables", "-D", *door, check=False)  # the next configuration run would do it too
        counts = {"flows": taken["flows"], "refused": taken["refused"]}
        sessions = {"carried": taken["sessions"], "lost": taken["ended"]}
        return {**_names("negotiated", self._old, fresh), "changed_ms": given["held_ms"], **counts, **sessions}

    async def _remove_gate(self, router: VirtualRouter) -> None:
        with suppress(LabError):
            await router.host.run("nft", "delete", "table", "netdev", TABLE)


async def _warm(fabric: Fabric, old: VirtualRouter, fresh: VirtualRouter) -> None:
    """What a router that has heard nobody does not know, and what it believes by mistake.

    Without its neighbours' MACs each first packet would wait for an ARP reply, and for up to a second where haproxy's
    checks have asked in vain already. haproxy holds its tenants for dead by then; a new one trusts them at first.
    """
    known = json.loads((await old.host.run("ip", "-j", "-4", "neigh")).output)
    devices = set(_devices(old))
    lines = [
        f"neigh replace {entry['dst']} dev {entry['dev']} lladdr {entry['lladdr']} nud stale"
        for entry in known
        if entry["dev"] in devices and "lladdr" in entry and _USABLE & set(entry["state"])
    ]
    if lines:
        await fabric.ip(fresh.host, "\n".join(lines))
    await fresh.services.balance(serving=True, anew=True)


def _cables(router: VirtualRouter) -> list[Port]:
    return router.ports("Guest", "Public")


def _out(router: VirtualRouter) -> list[str]:
    return [f"link set {port.name} nomaster" for port in _cables(router)]


def _in(router: VirtualRouter) -> list[str]:
    return [f"link set {port.name} master {port.bridge}" for port in _cables(router)]


def _devices(router: VirtualRouter) -> list[str]:
    return [port.device for port in _cables(router)]


def _own(router: VirtualRouter) -> list[str]:
    """Addresses at which the router itself answers."""
    return [*(nic.address for nic in router.row.nics), *(ip.address for ip in router.row.served.ips)]


def _names(kind: str, old: VirtualRouter, fresh: VirtualRouter) -> Facts:
    return {"handover": kind, "old": old.row.name, "new": fresh.row.name}
