# SPDX-License-Identifier: Apache-2.0
"""The file of `lab up --fleet`: groups of networks, checked key by key."""

from __future__ import annotations

from pathlib import Path

from csworkbench.config import ConfigError
from csworkbench.config.yaml12 import Document, load
from csworkbench.lab import fleet
from csworkbench.lab.fleet import Group


def load_fleet(path: Path) -> tuple[Group, ...]:
    """The groups under `networks`. Raises ConfigError that names file, line and key."""
    document = load(path)
    value = document.value
    if not isinstance(value, dict) or list(value) != ["networks"]:
        raise ConfigError(f"{document.where(())}: a fleet has the one key networks, a list of groups")
    if not isinstance(value["networks"], list) or not value["networks"]:
        raise ConfigError(f"{document.where(('networks',))}: networks must be a list of groups")
    groups: dict[str, Group] = {}
    for place, item in enumerate(value["networks"]):
        group = _group(document, place, item)
        if group.name in groups:
            raise ConfigError(f"{document.where(('networks', place, 'name'))}: name {group.name!r} is used twice")
        groups[group.name] = group
    return tuple(groups.values())


def _group(document: Document, place: int, item: object) -> Group:
    here = ("networks", place)
    if not isinstance(item, dict):
        raise ConfigError(f"{document.where(here)}: a group must have keys, such as name and count")
    for key in fleet.missing_or_unknown(item):
        text = f"unknown key {key!r}" if key in item else f"key {key!r} is missing"
        raise ConfigError(f"{document.where((*here, key))}: {text}")
    for key, value in item.items():
        if problem := fleet.problem(key, value):
            raise ConfigError(f"{document.where((*here, key))}: {problem}")
    group = Group(**item)
    if found := fleet.contradiction(group):
        raise ConfigError(f"{document.where((*here, found[0]))}: {found[1]}")
    return group
