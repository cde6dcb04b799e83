# SPDX-License-Identifier: Apache-2.0
"""An experiment file: scenarios (arms) that are run in turn and compared."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from csworkbench.model.scenario import Scenario

from . import ConfigError, yaml12
from .scenario_file import check_scenario, seconds

KEYS = ("name", "repeat", "order", "cool_down", "common", "arms")
ORDERS = ("interleaved", "shuffled", "blocks")
LIMIT = 100  # arms, and runs of each


@dataclass(frozen=True, slots=True)
class Experiment:
    """Arms by name; the first is the base of the comparison. `cool_down_s` passes between two runs.

    `order`: interleaved (A B A B), shuffled (each round in a random order), blocks (A A B B).
    """

    name: str
    arms: tuple[tuple[str, Scenario], ...]
    repeat: int = 5
    order: str = "interleaved"
    cool_down_s: float = 0.0


def is_experiment(document: yaml12.Document) -> bool:
    """True for a file that has arms."""
    return isinstance(document.value, dict) and "arms" in document.value


def check_experiment(document: yaml12.Document) -> Experiment:
    """Turn a parsed file into an Experiment. Raises ConfigError naming file and line."""
    value: dict[str, Any] = document.value
    for key in value:
        if key not in KEYS:
            raise ConfigError(f"{document.where((key,))}: unknown key {key!r}; known here: {', '.join(KEYS)}")
    arms, common = value["arms"], value.get("common", {})
    if not isinstance(arms, dict) or not 1 <= len(arms) <= LIMIT:
        raise ConfigError(f"{document.where(('arms',))}: arms: 1 to {LIMIT} names with what each changes are needed")
    if not isinstance(common, dict):
        raise ConfigError(f"{document.where(('common',))}: common: keys of a scenario are needed")
    name, repeat, order = value.get("name"), value.get("repeat", 5), value.get("order", ORDERS[0])
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"{document.where(('name',))}: name: a name is needed")
    if not isinstance(repeat, int) or isinstance(repeat, bool) or not 1 <= repeat <= LIMIT:
        raise ConfigError(f"{document.where(('repeat',))}: repeat: {repeat!r} is not between 1 and {LIMIT}")
    if order not in ORDERS:
        raise ConfigError(f"{document.where(('order',))}: order: {order!r} is none of {', '.join(ORDERS)}")
    pause = seconds(document, ("cool_down",), value.get("cool_down", 0.0))
    if not isinstance(pause, int | float) or isinstance(pause, bool) or not 0 <= pause <= 3600:
        raise ConfigError(f"{document.where(('cool_down',))}: cool_down: {pause!r} is not between 0s and 1h")
    found = tuple((arm, _scenario(document, name, arm, common, own)) for arm, own in arms.items())
    return Experiment(name, found, repeat, order, float(pause))


def _scenario(document: yaml12.Document, experiment: str, arm: str, common: dict[str, Any], own: Any) -> Scenario:
    if own is None:
        own = {}
    if not isinstance(own, dict):
        raise ConfigError(f"{document.where(('arms', arm))}: {arm}: keys of a scenario are needed")
    for key in ("name", "repeat"):
        for place in (("common",), ("arms", arm)):
            if (*place, key) in document.lines:
                raise ConfigError(f"{document.where((*place, key))}: {key}: an experiment has one for all its arms")
    lines = {key[1:]: line for key, line in document.lines.items() if key[:1] == ("common",)}
    lines |= {key[2:]: line for key, line in document.lines.items() if key[:2] == ("arms", arm)}
    merged = {"name": f"{experiment}: {arm}", **_merged(common, own)}
    return check_scenario(yaml12.Document(document.path, merged, lines))


def _merged(common: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """`own` over `common`; sections that are maps in both are merged key by key, an operation is replaced whole."""
    found = dict(common)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict) and key != "operation"
        found[key] = _merged(found[key], value) if both else value
    return found


def load_plan(path: Path) -> Scenario | Experiment:
    """Read a scenario or an experiment. Raises ConfigError."""
    document = yaml12.load(path)
    return check_experiment(document) if is_experiment(document) else check_scenario(document)


def with_repeat(plan: Experiment, repeat: int | None) -> Experiment:
    """The same with another number of runs for each arm."""
    return plan if repeat is None else replace(plan, repeat=repeat)
