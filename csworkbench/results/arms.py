# SPDX-License-Identifier: Apache-2.0
"""What a run is an example of: runs are compared and averaged only within one arm."""

import json
from dataclasses import dataclass
from typing import Any

from csworkbench.model.lane import VantageKind

from .run_result import RunResult


@dataclass(frozen=True, slots=True, order=True)
class Arm:
    """Environment, operation and strategy in words, and everything else that changes a figure, as (name, value)."""

    environment: str
    operation: str
    conditions: tuple[tuple[str, str], ...] = ()
    strategy: str = ""

    @property
    def way(self) -> str:
        """How it was operated: the strategy that the scenario names, else the operation."""
        return self.strategy or self.operation

    @property
    def title(self) -> str:
        """Environment and way."""
        return f"{self.environment} · {self.way}"


def arm_of(result: RunResult) -> Arm:
    """The arm of a run, from its own history."""
    state = result.state
    opened, inventory = state.opened, state.before
    scenario = _scenario(opened.scenario if opened else "")
    version = inventory.server_version if inventory else ""
    cloud = opened.cloud if opened else ""
    hypervisors = " + ".join(inventory.hypervisors) if inventory else ""
    environment = _text(scenario.get("environment")) or _environment(cloud, hypervisors, version)
    tenants = sum(v.vantage.kind is VantageKind.TENANT and v.started is not None for v in state.vantages.values())
    conditions = {
        "CloudStack": version,
        "hypervisor": hypervisors,
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
        conditions |= {f"test cloud {name}": _option(value) for name, value in lab.items() if value}
    kept = tuple(sorted((name, _text(value)) for name, value in conditions.items() if value))
    return Arm(environment, _text(opened.operation) if opened else "unknown", kept, _text(scenario.get("strategy")))


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


def _environment(cloud: str, hypervisors: str, version: str) -> str:
    """Of a scenario that does not name it: the cloud with its release, and what carries its VMs."""
    return ", ".join(word for word in (_text(f"{cloud} {version}"), _text(hypervisors)) if word) or "unknown"


def _option(value: object) -> str:
    """A test cloud's option: lists and settings in words."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={_option(one)}" for name, one in sorted(value.items()))
    if isinstance(value, list):
        return ", ".join(_option(one) for one in value)
    return str(value).lower() if isinstance(value, bool) else _text(value)


def _text(value: object) -> str:
    return "" if value is None else " ".join(str(value).split())[:120]
