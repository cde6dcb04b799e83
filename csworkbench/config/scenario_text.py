# SPDX-License-Identifier: Apache-2.0
"""A Scenario as the text of a scenario file: what differs from the defaults, in the order of docs/scenario.md."""

import re
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any

import yaml

from csworkbench.model.operation import TARGETS, Operation
from csworkbench.model.scenario import Scenario

from .scenario_file import check_scenario
from .yaml12 import parse

_FIRST = ("name", "cloud", "lab", *TARGETS, "operation", "vantages")


_BARE = re.compile(r"[A-Za-z_~/][A-Za-z0-9_~/. -]*[A-Za-z0-9_~/]")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off"}


class _Dumper(yaml.SafeDumper):
    """Quotes every text that is not a plain word: YAML 1.1 and 1.2 do not agree about the others."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    bare = _BARE.fullmatch(text) and text.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if bare else '"')


_Dumper.add_representer(str, _text)


def scenario_text(scenario: Scenario) -> str:
    """The file's text. Raises ConfigError when a file may not say this, e.g. for a length out of bounds."""
    kind, name = scenario.target
    document: dict[str, Any] = {"name": scenario.name, "cloud": scenario.cloud}
    if scenario.lab is not None:
        document["lab"] = _differing(scenario.lab)
    document[kind] = name
    document["operation"] = _operation(scenario.operation)
    document["vantages"] = {
        side: None if value is None else _differing(value)
        for side in ("tenants", "outside")
        for value in (getattr(scenario.vantages, side),)
    }
    defaults = Scenario(scenario.name)
    for field in fields(Scenario):
        value = getattr(scenario, field.name)
        if field.name not in _FIRST and value != getattr(defaults, field.name):
            document[field.name] = _differing(value) if is_dataclass(value) else _plain(value)
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    check_scenario(parse(text, "the scenario"))
    return text


def _operation(operation: Operation) -> Any:
    if operation.is_none:
        return "none"
    options = operation.chosen
    named = {f.name: getattr(options, f.name) for f in fields(options)}  # type: ignore[arg-type]
    return {operation.names[0]: named} if named else operation.names[0]


def _differing(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not as they are by default."""
    found = {}
    for field in fields(value):
        now = getattr(value, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if now != default:
            found[field.name] = _differing(now) if is_dataclass(now) else _plain(now)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e9:
        return int(value)
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value
