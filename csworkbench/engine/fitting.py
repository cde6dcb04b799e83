# SPDX-License-Identifier: Apache-2.0
"""Which lanes each vantage can serve, and which of them it therefore leaves unseen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from csworkbench.model.cloud import Inventory
from csworkbench.model.event import LaneLeftOut
from csworkbench.model.lane import Lane, Service, Vantage, VantageKind
from csworkbench.model.scenario import Intervals
from csworkbench.model.tier import Tier, can_probe, finer, fitted, kind_of_lane
from csworkbench.probing.choose import Chosen
from csworkbench.probing.derive import Able, Targets, derive_lanes

from .roles import RAW_TIERS, leave_alone


@dataclass(frozen=True, slots=True)
class View:
    """What a vantage sees, and what one that may do everything would see beyond it; kinds of lane in plain words."""

    tier: Tier
    sees: tuple[str, ...]
    cannot_see: tuple[str, ...]

    @property
    def line(self) -> str:
        """In one line."""
        return f"tier {self.tier}: cannot see {', '.join(self.cannot_see)}" if self.cannot_see else f"tier {self.tier}"


@dataclass(frozen=True, slots=True)
class Fitted:
    """The lanes of a run, and what each vantage sees by them."""

    lanes: list[Lane]
    views: dict[str, View]
    left_out: tuple[LaneLeftOut, ...] = ()


def fit(
    inventory: Inventory,
    vantages: Sequence[Vantage],
    chosen: dict[str, Chosen],
    intervals: Intervals,
    egress_target: str,
    targets: Targets | None = None,
) -> Fitted:
    """The lanes that a network gives, as far as the vantages can serve them."""
    derived = derive_lanes(inventory, vantages, intervals, egress_target, targets, able(chosen))
    wanted = leave_alone(vantages, derived.lanes)
    kept = [
        fitted(of.tier, lane, coarse=of.coarse) for lane in wanted if can_probe((of := chosen[lane.vantage]).tier, lane)
    ]
    views = {}
    for vantage in vantages:
        tier = chosen[vantage.name].tier
        # As if it were the sentinel: another one is only because this one cannot be, or was not needed.
        alone = [replace(vantage, sentinel=vantage.kind is VantageKind.TENANT), *_answering(vantage, vantages)]
        possible = derive_lanes(inventory, alone, intervals, egress_target, targets).lanes
        own = [lane for lane in kept if lane.vantage == vantage.name]
        missed = [
            kind_of_lane(lane)
            for lane in possible
            if lane.vantage == vantage.name and _shows(lane) and not can_probe(tier, lane)
        ]
        missed += [text for lane in own if (text := finer(lane))]
        views[vantage.name] = View(tier, _once(kind_of_lane(lane) for lane in own if _shows(lane)), _once(missed))
    return Fitted(kept, views, derived.left_out)


def able(chosen: dict[str, Chosen]) -> Able:
    """What works where, as a derivation wants to know it."""
    return Able(
        frozenset(name for name, of in chosen.items() if of.tier is not Tier.SHELL),
        frozenset(name for name, of in chosen.items() if of.tier in RAW_TIERS),
        {name: of.facts.interface for name, of in chosen.items() if of.facts.interface},
    )


def _answering(vantage: Vantage, vantages: Sequence[Vantage]) -> list[Vantage]:
    """The outside vantage, which some of a tenant's lanes need at their other end."""
    return [v for v in vantages if v.kind is VantageKind.OUTSIDE and v.kind is not vantage.kind]


def _shows(lane: Lane) -> bool:
    """Control lanes and heartbeats are no view of a service."""
    return lane.service is not Service.CONTROL and not lane.heartbeat


def told(views: dict[str, View]) -> list[str]:
    """One line for all vantages that miss the same."""
    groups: dict[str, list[str]] = {}
    for name, view in views.items():
        if view.cannot_see:
            groups.setdefault(view.line, []).append(name)
    return [f"{', '.join(names)}: {line}" for line, names in groups.items()]


def _once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
