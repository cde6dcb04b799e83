# SPDX-License-Identifier: Apache-2.0
"""What can be filled in on the plan screen: each field reads from a scenario and writes into one. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from csworkbench.model.lane import Service
from csworkbench.model.scenario import Outside, Refused, Scenario, Tenants

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)\s*")


class FieldError(ValueError):
    """What was typed cannot be used; the message says what can."""


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the form. `take` raises FieldError; `empty` is what stands there while nothing is filled in."""

    id: str
    section: str
    label: str
    hint: str
    show: Callable[[Scenario], str]
    take: Callable[[Scenario, str], Scenario]
    empty: str = "none"


def duration(seconds: float) -> str:
    """Seconds as a scenario writes them: 500ms, 30s, 10m."""
    if seconds and seconds < 1:
        return f"{seconds * 1000:g}ms"
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g}m"
    return f"{seconds:g}s"


def seconds_of(text: str) -> float:
    """Raises FieldError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise FieldError(f"{text[:40]!r} is no duration: write e.g. 500ms, 30s or 10m")
    return float(match[1]) * _UNITS[match[2]]


def _tenants(scenario: Scenario) -> Tenants:
    return scenario.vantages.tenants or Tenants()


def _with_tenants(scenario: Scenario, **changes: object) -> Scenario:
    tenants = replace(_tenants(scenario), **changes)  # type: ignore[arg-type]
    return replace(scenario, vantages=replace(scenario.vantages, tenants=tenants))


def _show_vms(scenario: Scenario) -> str:
    tenants = scenario.vantages.tenants
    if tenants is None:
        return "none"
    return tenants.vms if isinstance(tenants.vms, str) else ", ".join(tenants.vms)


def _take_vms(scenario: Scenario, text: str) -> Scenario:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if names == ("none",):
        return replace(scenario, vantages=replace(scenario.vantages, tenants=None))
    if not names:
        raise FieldError("write all, none, or names with commas between")
    return _with_tenants(scenario, vms="all" if names == ("all",) else names)


def _take_jump(scenario: Scenario, text: str) -> Scenario:
    hops = tuple(part.strip() for part in text.split(",") if part.strip())
    return _with_tenants(scenario, jump=hops[0] if len(hops) == 1 else hops)


def _show_jump(scenario: Scenario) -> str:
    jump = _tenants(scenario).jump
    return jump if isinstance(jump, str) else ", ".join(jump)


def _take_refused(scenario: Scenario, text: str) -> Scenario:
    try:
        return _with_tenants(scenario, refused=Refused(text.strip()))
    except ValueError:
        raise FieldError("write skip or fail") from None


def _take_host_key(scenario: Scenario, text: str) -> Scenario:
    if text.strip() not in ("known", "accept-new"):
        raise FieldError("write known or accept-new")
    return _with_tenants(scenario, host_key=text.strip())


def _show_outside(scenario: Scenario) -> str:
    outside = scenario.vantages.outside
    return "none" if outside is None else outside.address


def _take_outside(scenario: Scenario, text: str) -> Scenario:
    word = text.strip()
    if word == "none":
        return replace(scenario, vantages=replace(scenario.vantages, outside=None))
    address = "" if word in ("", "this host", "local") else word
    outside = replace(scenario.vantages.outside or Outside(), address=address)
    return replace(scenario, vantages=replace(scenario.vantages, outside=outside))


def _show_lanes(scenario: Scenario) -> str:
    return scenario.lanes if isinstance(scenario.lanes, str) else ", ".join(scenario.lanes)


def _take_lanes(scenario: Scenario, text: str) -> Scenario:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    return replace(scenario, lanes="auto" if names in ((), ("auto",)) else names)


def _show_budget(scenario: Scenario) -> str:
    return ", ".join(f"{name} {duration(limit)}" for name, limit in scenario.budget.items())


def _take_budget(scenario: Scenario, text: str) -> Scenario:
    budget: dict[str, float] = {}
    services = [str(s) for s in Service if s is not Service.CONTROL]
    for part in (p.strip() for p in text.split(",") if p.strip()):
        name, _, limit = part.rpartition(" ")
        if name.strip() not in services:
            raise FieldError(f"{part[:40]!r}: write e.g. egress 10s; services are {', '.join(services)}")
        budget[name.strip()] = seconds_of(limit)
    return replace(scenario, budget=budget)


def _phase(name: str, hint: str) -> Field:
    def show(scenario: Scenario) -> str:
        return duration(getattr(scenario.phases, name))

    def take(scenario: Scenario, text: str) -> Scenario:
        return replace(scenario, phases=replace(scenario.phases, **{name: seconds_of(text)}))

    return Field(f"phase-{name}", "phases", name.replace("_", " "), hint, show, take)


def _of_tenants(name: str, label: str, hint: str, empty: str) -> Field:
    def show(scenario: Scenario) -> str:
        return str(getattr(_tenants(scenario), name))

    def take(scenario: Scenario, text: str) -> Scenario:
        return _with_tenants(scenario, **{name: text.strip()})

    return Field(name, "vantages", label, hint, show, take, empty)


def _take_name(scenario: Scenario, text: str) -> Scenario:
    if not text.strip():
        raise FieldError("a run needs a name")
    return replace(scenario, name=text.strip())


FIELDS: tuple[Field, ...] = (
    Field("vms", "vantages", "VMs", "all, none, or names with commas between", _show_vms, _take_vms),
    _of_tenants("user", "user", "who logs in to the tenants by SSH", "your own name"),
    _of_tenants("key", "SSH key", "a private key's file, e.g. ~/.ssh/id_ed25519", "your agent's and your usual keys"),
    Field("jump", "vantages", "jump host", "user@host:port; several with commas: each through the one before",
          _show_jump, _take_jump),
    Field("host_key", "vantages", "host keys", "known: refuse unknown ones; accept-new: keep the first one seen",
          lambda s: _tenants(s).host_key, _take_host_key),
    Field("refused", "vantages", "refused", "a tenant that cannot be reached: skip it and say so, or fail the run",
          lambda s: str(_tenants(s).refused), _take_refused),
    Field("outside", "vantages", "outside", "this host, none, or this host's address as the tenants see it",
          _show_outside, _take_outside, "this host"),
    Field("egress_target", "vantages", "egress target", "an address outside the cloud that tenants may ping",
          lambda s: s.egress_target, lambda s, text: replace(s, egress_target=text.strip()), "missing"),
    Field("lanes", "lanes", "services", "auto, or some of egress, ingress, dns, dhcp, metadata, password, balancer",
          _show_lanes, _take_lanes),
    _phase("baseline", "how long everything is measured before the change"),
    _phase("confirm", "how long all lanes have to be up before the run ends"),
    _phase("settle_limit", "when an outage is given up as open"),
    Field("budget", "budget", "downtime", "e.g. egress 10s, ingress 10s; more ends as over budget",
          _show_budget, _take_budget),
    Field("name", "run", "name", "what the run is called in lists and reports", lambda s: s.name, _take_name),
)  # fmt: skip
