# SPDX-License-Identifier: Apache-2.0
"""Autoscale counters and the conditions on them: rows only, no group of VMs grows by them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from csworkbench.lab import records
from csworkbench.lab.sessions import Caller

_KNOWN = (
    ("VM CPU - average percentage", "CPU", "vm.cpu.average.percentage"),
    ("VM Memory - average percentage", "MEMORY", "vm.memory.average.percentage"),
    ("Load Balancer - average connections per VM", "VIRTUALROUTER", "virtual.network.lb.average.connections"),
)


@dataclass(frozen=True, slots=True)
class Counter:
    """What can be measured; the provider is the virtual router."""

    id: str
    name: str
    source: str
    value: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A threshold on a counter."""

    id: str
    counter: Counter
    operator: str
    threshold: int
    owner: Caller


class Conditions:
    """The counters that a new CloudStack has, and the conditions made since. `seed` gives the counters' ids."""

    def __init__(self, seed: str) -> None:
        rng = random.Random(seed)  # noqa: S311 - ids, nothing secret
        made = [Counter(records.new_id(rng), *words) for words in _KNOWN]
        self.counters = {counter.id: counter for counter in made}
        self.conditions: dict[str, Condition] = {}

    def uses(self, counter: Counter) -> bool:
        """Whether a condition is on that counter."""
        return any(condition.counter is counter for condition in self.conditions.values())
