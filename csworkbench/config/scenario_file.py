# SPDX-License-Identifier: Apache-2.0
"""A scenario file to a Scenario."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import is_dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from csworkbench.model import operation
from csworkbench.model import scenario as model
from csworkbench.model.hop import parse_hop
from csworkbench.model.lane import Service
from csworkbench.model.scenario import Scenario

from . import ConfigError, yaml12
from .scenario_target import check_target, with_bare_words

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)\s*$")
_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?")
_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
_DURATION_SECTIONS = ("phases", "intervals", "budget")
_LIMITS: dict[tuple[str, ...], tuple[float, float]] = {
    ("lab", "scale"): (0.001, 10.0),
    ("lab", "vms"): (1, 100),
    ("intervals", "icmp"): (0.005, 60.0),
    ("intervals", "arp"): (0.01, 60.0),
    ("intervals", "syn"): (0.02, 60.0),
    ("intervals", "banner"): (1.0, 600.0),  # S12: sshd pays for each one
    ("intervals", "connect"): (0.02, 60.0),
    ("intervals", "udp"): (0.02, 60.0),
    ("intervals", "held"): (0.05, 60.0),
    ("intervals", "neighbour"): (0.01, 60.0),
    ("intervals", "dns"): (0.1, 600.0),
    ("intervals", "metadata"): (0.1, 600.0),
    ("intervals", "password"): (0.1, 600.0),
    ("intervals", "dhcp"): (10.0, 3600.0),  # a renewal is a write to the router's lease file
    ("intervals", "balancer"): (0.1, 600.0),
    ("intervals", "icmp6"): (0.005, 60.0),
    ("intervals", "control"): (0.02, 60.0),
    ("vantages", "outside", "port"): (0, 65535),
    ("phases", "warmup"): (0.0, 3600.0),
    ("phases", "baseline"): (1.0, 86400.0),
    ("phases", "confirm"): (0.5, 86400.0),
    ("phases", "settle_limit"): (1.0, 86400.0),
    ("phases", "calibrate"): (0.0, 5.0),
    ("phases", "quiet"): (0.0, 86400.0),
    ("phases", "job_limit"): (1.0, 7 * 86400.0),
    ("repeat",): (1, 1000),
}

for _cls in (getattr(of, name) for of in (model, operation) for name in dir(of)):
    if isinstance(_cls, type) and is_dataclass(_cls):
        _cls.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]

_ADAPTER: TypeAdapter[Scenario] = TypeAdapter(Scenario)


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file. Raises ConfigError naming file and line."""
    return check_scenario(yaml12.load(path))


def check_scenario(document: yaml12.Document) -> Scenario:
    """Turn a parsed file into a Scenario. Raises ConfigError."""
    if not isinstance(document.value, dict):
        raise ConfigError(f"{document.path}:1: a scenario is a list of `key: value` lines")
    value = dict(document.value)
    if value.get("operation") in ("none", None):
        value.pop("operation", None)
    else:
        value["operation"] = with_bare_words(value["operation"])
    for section in _DURATION_SECTIONS:
        if isinstance(value.get(section), dict):
            value[section] = {k: seconds(document, (section, k), v) for k, v in value[section].items()}
    try:
        scenario = _ADAPTER.validate_python(value)
    except ValidationError as error:
        raise ConfigError(_explain(document, error)) from None
    _check_values(document, scenario)
    return scenario


def seconds(document: yaml12.Document, key: yaml12.Key, value: Any) -> Any:
    """A duration such as 30s in seconds; anything but text as it is. Raises ConfigError."""
    if isinstance(value, str):
        match = _DURATION.match(value)
        if match is None:
            raise ConfigError(
                f"{document.where(key)}: {key[-1]}: {value!r} is no duration; write e.g. 500ms, 30s or 10m"
            )
        return float(match[1]) * _UNITS[match[2]]
    return value


def _explain(document: yaml12.Document, error: ValidationError) -> str:
    # A misspelt key is also a missing one: name what was written, not what was not.
    first = min(error.errors(), key=lambda e: e["type"] not in _UNKNOWN_KEY)
    path: yaml12.Key = ()
    for part in first["loc"]:
        # Choices of a union (`str`, `tuple[…]`) appear in pydantic's path but not in the file.
        path = (*path, part) if (*path, part) in document.lines else path
    where = document.where(path)
    if first["type"] in ("missing", "missing_argument"):
        return f"{where}: key {str(first['loc'][-1])!r} is missing"
    name = str(path[-1]) if path else "scenario"
    if first["type"] in _UNKNOWN_KEY:
        return f"{where}: unknown key {name!r}{_nearest(name, path)}"
    given = str(first.get("input"))[:60]
    return f"{where}: {name}: {first['msg'][0].lower()}{first['msg'][1:]}, not {given!r}"


def _nearest(name: str, path: yaml12.Key) -> str:
    known = _keys_at(path[:-1])
    close = difflib.get_close_matches(name, known, 1, 0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known here: {', '.join(known)}" if known else ""


def _keys_at(path: yaml12.Key) -> list[str]:
    cls: Any = Scenario
    for part in path:
        field = getattr(cls, "__dataclass_fields__", {}).get(part)
        options = getattr(field.type, "__args__", (field.type,)) if field else ()
        cls = next((o for o in options if is_dataclass(o)), None)
        if cls is None:
            return []
    return sorted(cls.__dataclass_fields__)


def _check_values(document: yaml12.Document, scenario: Scenario) -> None:
    for key, (low, high) in _LIMITS.items():
        value: Any = scenario
        for part in key:
            value = getattr(value, part, None)
        if value is not None and not low <= value <= high:
            raise ConfigError(f"{document.where(key)}: {key[-1]}: {value:g} is not between {low:g} and {high:g}")
    services = [str(s) for s in Service]
    for name, limit_s in scenario.budget.items():
        if limit_s < 0:
            raise ConfigError(f"{document.where(('budget', name))}: {name}: {limit_s:g} is less than 0")
        if name not in services:
            raise ConfigError(
                f"{document.where(('budget', name))}: unknown service {name!r}{_did_you_mean(name, services)}"
            )
    _check_ways(document, scenario)
    _check_lanes(document, scenario)
    _check_addresses(document, scenario)
    tenants = scenario.vantages.tenants
    if tenants is not None and tenants.quiet == tenants.sentinel != model.AUTO:
        where = document.where(("vantages", "tenants", "quiet"))
        raise ConfigError(f"{where}: quiet: {tenants.quiet} is the sentinel, and asking heals what it would show")
    check_target(document, scenario)


def _check_ways(document: yaml12.Document, scenario: Scenario) -> None:
    tenants = scenario.vantages.tenants
    if tenants is None:
        return
    at = ("vantages", "tenants")
    try:
        for text in (tenants.jump,) if isinstance(tenants.jump, str) else tenants.jump:
            parse_hop(text)
    except ValueError as error:
        raise ConfigError(f"{document.where((*at, 'jump'))}: jump: {error}") from None
    if tenants.jump and tenants.proxy_command:
        raise ConfigError(f"{document.where((*at, 'jump'))}: jump: `proxy_command` is there too; one of them is enough")
    management = tenants.management
    if management is None:
        return
    where = document.where((*at, "management"))
    if bool(management.addresses) == bool(management.network):
        raise ConfigError(f"{where}: management: either `addresses` or `network` is needed")
    for name, address in management.addresses.items():
        try:
            ip_address(address)
        except ValueError:
            raise ConfigError(f"{where}: addresses: {name}: {address!r} is no IP address") from None
    if not 0 < management.port < 65536:
        raise ConfigError(f"{where}: port: {management.port} is not between 1 and 65535")


def _check_lanes(document: yaml12.Document, scenario: Scenario) -> None:
    if scenario.lanes == "auto":
        return
    where = document.where(("lanes",))
    if isinstance(scenario.lanes, str) or not scenario.lanes:
        raise ConfigError(f"{where}: lanes: `auto` or a list of services, e.g. [egress, ingress]")
    services = [str(s) for s in Service if s is not Service.CONTROL]
    for name in scenario.lanes:
        if name not in services:
            raise ConfigError(f"{where}: lanes: unknown service {name!r}{_did_you_mean(name, services)}")
    for name in scenario.budget:
        if name not in scenario.lanes:
            raise ConfigError(
                f"{document.where(('budget', name))}: {name}: has a budget, but `lanes` leaves it out; add it there"
            )


def _check_addresses(document: yaml12.Document, scenario: Scenario) -> None:
    outside = scenario.vantages.outside
    given: list[tuple[yaml12.Key, str, int]] = [(("egress_target6",), scenario.egress_target6, 6)]
    if outside is not None:
        given += [
            (("vantages", "outside", "address"), outside.address, 4),
            (("vantages", "outside", "control"), outside.control, 4),
        ]
    for key, text, version in given:
        try:
            good = not text or ip_address(text).version == version
        except ValueError:
            good = False
        if not good:
            raise ConfigError(f"{document.where(key)}: {key[-1]}: {text[:60]!r} is no IPv{version} address")
    if scenario.dns_name and not _NAME.fullmatch(scenario.dns_name):
        raise ConfigError(f"{document.where(('dns_name',))}: dns_name: {scenario.dns_name[:60]!r} is no host name")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
