# SPDX-License-Identifier: Apache-2.0
"""An experiment file: scenarios (arms) that are run in turn and compared.

With `environments` each of them is crossed with each arm: the rows and the columns of a table.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from csworkbench.model.scenario import Scenario

from . import ConfigError, yaml12
from .scenario_file import check_scenario, seconds

KEYS = ("name", "repeat", "order", "cool_down", "common", "environments", "arms")
ORDERS = ("interleaved", "shuffled", "blocks")
LIMIT = 100  # arms, and runs of each


@dataclass(frozen=True, slots=True)
class Experiment:
    """Arms by name; the first is the base of the comparison. `cool_down_s` passes between two runs.

    Each scenario says its `strategy` (the arm's name, unless the arm stands for an environment), and its `environment`
    where the file has environments.

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
    arms, common, environments = value["arms"], value.get("common", {}), value.get("environments")
    for key, names in (("arms", arms), ("environments", environments)):
        if (key in value and not isinstance(names, dict)) or (isinstance(names, dict) and not 1 <= len(names) <= LIMIT):
            raise ConfigError(f"{document.where((key,))}: {key}: 1 to {LIMIT} names with what each changes are needed")
    if not isinstance(common, dict):
        raise ConfigError(f"{document.where(('common',))}: common: keys of a scenario are needed")
    if len(arms) * len(environments or (None,)) > LIMIT:
        raise ConfigError(f"{document.where(('environments',))}: more than {LIMIT} arms in all environments together")
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
    crossed = [(environment, arm) for environment in environments or ("",) for arm in arms]
    found = tuple((_label(*pair), _scenario(document, name, *pair)) for pair in crossed)
    return Experiment(name, found, repeat, order, float(pause))


def _label(environment: str, arm: str) -> str:
    return f"{environment} · {arm}" if environment else arm


def _scenario(document: yaml12.Document, experiment: str, environment: str, arm: str) -> Scenario:
    """What is common, what the environment changes of it, and what the arm changes of both."""
    places: list[yaml12.Key] = [("common",), *([("environments", environment)] if environment else []), ("arms", arm)]
    merged: dict[str, Any] = {}
    lines: dict[yaml12.Key, int] = {}
    for place in places:
        own = document.value
        for key in place:
            own = own.get(key, {})
        own = {} if own is None else own
        where = document.where(place)
        if not isinstance(own, dict):
            raise ConfigError(f"{where}: {place[-1]}: keys of a scenario are needed")
        for key in ("name", "repeat"):
            if key in own:
                where = document.where((*place, key))
                raise ConfigError(f"{where}: {key}: an experiment has one for all its arms")
        merged = _merged(merged, own)
        lines |= {key[len(place) :]: line for key, line in document.lines.items() if key[: len(place)] == place}
    names = {"environment": environment, "strategy": arm} if environment else {"strategy": arm}
    if ("arms", arm, "environment") in document.lines:
        names = {}  # this arm is a row of the table, not a column
    merged = {"name": f"{experiment}: {_label(environment, arm)}", **names, **merged}
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
