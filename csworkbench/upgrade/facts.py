# SPDX-License-Identifier: Apache-2.0
"""What a check looks at, and what it says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from csworkbench.model.fleet import Fleet, GuestNetwork, Kind, SystemVm

from .reference import Reference


class Level(StrEnum):
    """What a check came to. HIDDEN: this key may not list what the check looks at."""

    PASS = "pass"  # noqa: S105 - not a password
    WARN = "warn"
    STOP = "stop"
    HIDDEN = "not allowed to see"


@dataclass(frozen=True, slots=True)
class Target:
    """What is about to be operated. `cleanup` and `live_patch` are None while no operation is known."""

    network_id: str = ""
    vpc_id: str = ""
    name: str = ""
    cleanup: bool | None = None
    live_patch: bool | None = None
    vm_id: str = ""
    """The one router or system VM that is operated; empty: all routers of the network or VPC."""
    zone_id: str = ""

    @property
    def of_zone(self) -> bool:
        """Whether it is an SSVM or a CPVM, which serve a zone and no network."""
        return not self.network_id and not self.vpc_id


@dataclass(frozen=True, slots=True)
class Route:
    """How a vantage is reached: `address` is where SSH connects; `through` names the router on the way, or is empty."""

    vantage: str
    address: str
    through: str


@dataclass(frozen=True)
class Facts:
    """What the checks look at. Without a target they judge the whole cloud."""

    fleet: Fleet
    target: Target | None = None
    routes: tuple[Route, ...] = ()
    reference: Reference = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reference", Reference(self.fleet))

    @property
    def networks(self) -> tuple[GuestNetwork, ...]:
        """The target's networks: itself, all tiers of its VPC, or every network."""
        target = self.target
        if target is None:
            return self.fleet.networks
        return tuple(
            n for n in self.fleet.networks if n.id == target.network_id or (target.vpc_id and n.vpc_id == target.vpc_id)
        )

    @property
    def routers(self) -> tuple[SystemVm, ...]:
        """The target's virtual routers, or all."""
        target = self.target
        return tuple(
            vm
            for vm in self.fleet.vms
            if vm.kind in (Kind.ROUTER, Kind.VPC_ROUTER)
            and (
                target is None
                or (target.network_id and target.network_id in vm.network_ids)
                or (target.vpc_id and target.vpc_id == vm.vpc_id)
            )
        )

    @property
    def operated(self) -> tuple[SystemVm, ...]:
        """The one router or system VM that the target names, or all routers of it."""
        if self.target is None or not self.target.vm_id:
            return self.routers
        return tuple(vm for vm in self.fleet.vms if vm.id == self.target.vm_id)

    @property
    def of_zone(self) -> bool:
        """Whether the target is an SSVM or a CPVM: no network, router or rule is in question."""
        return self.target is not None and self.target.of_zone

    @property
    def zone_ids(self) -> frozenset[str]:
        """Zones in question: those of the target's networks and routers, or the enabled ones."""
        if self.target is None:
            return frozenset(z.id for z in self.fleet.zones if z.enabled)
        return frozenset(
            {n.zone_id for n in self.networks} | {vm.zone_id for vm in self.routers} | {self.target.zone_id}
        ) - {""}

    def zone(self, zone_id: str) -> str:
        """A zone's name, or its id."""
        return next((z.name for z in self.fleet.zones if z.id == zone_id), zone_id)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check says: a level and what it saw."""

    level: Level
    evidence: str


@dataclass(frozen=True, slots=True)
class Check:
    """`judge` returns None where the check does not apply. `needs` are the lists without which it cannot judge."""

    id: str
    title: str
    means: str
    remedy: str
    judge: Callable[[Facts], Verdict | None]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result."""

    id: str
    title: str
    level: Level
    evidence: str
    remedy: str


def ok(evidence: str) -> Verdict:
    """Nothing is in the way."""
    return Verdict(Level.PASS, evidence)


def warn(evidence: str) -> Verdict:
    """Possible, but know this."""
    return Verdict(Level.WARN, evidence)


def stop(evidence: str) -> Verdict:
    """Not now."""
    return Verdict(Level.STOP, evidence)


def some(names: Sequence[str], most: int = 5) -> str:
    """A few of many names."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
