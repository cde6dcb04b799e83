# SPDX-License-Identifier: Apache-2.0
"""What a run is an example of: runs are compared and averaged only within one arm."""

import json
from dataclasses import dataclass
from typing import Any

from csworkbench.model.lane import VantageKind

from .run_result import RunResult


@dataclass(frozen=True, slots=True, order=True)
class Arm:
    """Environment and operation in words, and everything else that changes a figure, as (name, value)."""

    environment: str
    operation: str
    conditions: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """Environment and operation."""
        return f"{self.environment} · {self.operation}"


def arm_of(result: RunResult) -> Arm:
    """The arm of a run, from its own history."""
    state = result.state
    opened, inventory = state.opened, state.before
    scenario = _scenario(opened.scenario if opened else "")
    version = inventory.server_version if inventory else ""
    cloud = opened.cloud if opened else ""
    environment = _text(scenario.get("environment")) or f"{_text(cloud)} {_text(version)}".strip() or "unknown"
    tenants = sum(v.vantage.kind is VantageKind.TENANT and v.started is not None for v in state.vantages.values())
    conditions = {
        "CloudStack": version,
        "csworkbench": opened.version if opened else "",
        "tenants": str(tenants),
        "lanes": _lanes(result),
    }
    if inventory is not None:
        conditions["network"] = " ".join(
            word
            for word in (inventory.network.type, "redundant" * inventory.redundant,
                         "VPC" if inventory.vpc is not None else "VPC tier" if inventory.network.vpc_id else "",
                         *(vm.kind for vm in inventory.systemvms))
            if word
        )  # fmt: skip
        conditions["routers"] = str(len(inventory.routers))
        conditions["template"] = " ".join(sorted({router.version for router in inventory.routers}))
    lab = scenario.get("lab")
    if isinstance(lab, dict):
        conditions |= {f"test cloud {name}": _text(value) for name, value in lab.items()}
    kept = tuple(sorted((name, _text(value)) for name, value in conditions.items() if value))
    return Arm(environment, _text(opened.operation) if opened else "unknown", kept)


def differing(arms: list[Arm]) -> dict[Arm, str]:
    """For each arm, what tells it from those with the same title, in words; empty where the title does."""
    told = {}
    for arm in arms:
        rivals = [dict(other.conditions) for other in arms if other.title == arm.title and other != arm]
        own = dict(arm.conditions)
        names = sorted(
            {name for rival in rivals for name in {*own, *rival} if own.get(name) != rival.get(name)}
        )  # fmt: skip
        told[arm] = ", ".join(f"{name} {own.get(name, 'none')}" for name in names)
    return told


def _lanes(result: RunResult) -> str:
    """How often each service's headline lanes were probed: it bounds what can be seen."""
    found = {
        f"{lane_state.lane.service} {lane_state.lane.prober} {lane_state.lane.interval_ns / 1e9:g} s"
        for lane_state in result.state.lanes.values()
        if lane_state.lane.headline
    }
    return ", ".join(sorted(found))


def _scenario(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return "" if value is None else " ".join(str(value).split())[:120]
