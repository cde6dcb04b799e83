# SPDX-License-Identifier: Apache-2.0
"""A run's history without the names and addresses of whoever it was measured at.

Every field that holds text has its treatment here; one without is treated as foreign text, and a test names it.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, cast

from . import cloud, lane, scenario
from . import event as ev
from .event import Body, Event
from .lane import Prober, Service
from .pseudonyms import Kind, Pseudonyms
from .sample import Sample

Treatment = str | Kind
# Words of our own or of CloudStack's API that say nothing of a place. What does not look like one is replaced.
SAFE = "safe"
VERSION = "version"
ADDRESS = "address"
OWN = "own text"  # our sentences: names within them are replaced
SCENARIO = "scenario"
PARAMS = "parameters"
TYPE = "event type"

TREATMENTS: dict[type, dict[str, Treatment]] = {
    ev.RunOpened: {
        "run": Kind.RUN, "name": Kind.RUN, "version": VERSION, "cloud": Kind.NAME, "operation": OWN,
        "scenario": SCENARIO, "token": Kind.ID, "boot": Kind.ID,
    },
    ev.RunResumed: {"version": VERSION, "boot": Kind.ID},
    ev.CloudOpened: {"endpoint": Kind.TEXT},
    ev.ChangeSent: {"command": SAFE, "params": PARAMS},
    ev.OperationEnded: {"failure": OWN},
    ev.SpoolRead: {"vantage": Kind.VM, "ended": OWN},
    ev.SpoolLeft: {"vantage": Kind.VM, "why": OWN},
    ev.PhaseEntered: {"why": OWN},
    ev.Notice: {"text": OWN},
    ev.OperationPlanned: {"title": OWN, "target": OWN, "consequence": OWN, "calls": OWN, "target_name": OWN},
    ev.OperatorActed: {"action": SAFE, "detail": OWN},
    ev.VantageLeftOut: {"name": Kind.VM, "why": Kind.TEXT},
    ev.LaneLeftOut: {"what": OWN, "why": OWN},
    ev.ProberStarted: {
        "vantage": Kind.VM, "tier": OWN, "bundle": SAFE, "sees": OWN, "cannot_see": OWN, "token": Kind.ID,
        "boot": Kind.ID, "why": OWN,
    },
    ev.ChannelChanged: {"vantage": Kind.VM, "detail": Kind.TEXT},
    ev.Calibrated: {"vantage": Kind.VM, "scheduler": SAFE, "why": OWN},
    ev.ClockEcho: {"vantage": Kind.VM},
    ev.RemoteClock: {"vantage": Kind.VM},
    ev.SpoolCollected: {"vantage": Kind.VM, "ended": OWN},
    ev.ApiCalled: {"command": SAFE, "params": PARAMS, "method": SAFE, "error": Kind.TEXT, "reply": Kind.TEXT},
    ev.JobChanged: {"job": Kind.ID, "command": SAFE, "text": Kind.TEXT},
    ev.CloudEventSeen: {
        "id": Kind.ID, "type": TYPE, "level": SAFE, "state": SAFE, "description": Kind.TEXT, "parent": Kind.ID,
        "resource_type": SAFE, "resource_id": Kind.ID,
    },
    ev.VerdictReached: {"reasons": OWN},
    ev.EvidenceKept: {"what": OWN, "path": OWN, "sha256": SAFE, "why": Kind.TEXT},
    ev.RunClosed: {"why": OWN},
    lane.Vantage: {"name": Kind.VM, "address": ADDRESS, "guest_ip": ADDRESS},
    lane.Lane: {"vantage": Kind.VM, "target": ADDRESS, "flow": SAFE, "subject": Kind.VM},
    lane.Keys: {
        "path": Kind.TEXT, "name": ADDRESS, "type": SAFE, "expect": ADDRESS, "host": ADDRESS, "headers": Kind.TEXT,
        "mode": SAFE, "interface": Kind.NAME,
    },
    cloud.Router: {
        "id": Kind.ID, "name": Kind.ROUTER, "state": SAFE, "role": SAFE, "redundant_state": SAFE, "version": VERSION,
        "scripts_version": SAFE, "software_version": VERSION, "guest_mac": ADDRESS, "public_mac": ADDRESS,
        "guest_ip": ADDRESS, "public_ip": ADDRESS, "failing_checks": OWN,
    },
    cloud.Network: {
        "id": Kind.ID, "name": Kind.NETWORK, "state": SAFE, "type": SAFE, "cidr": ADDRESS, "gateway": ADDRESS,
        "project_id": Kind.ID, "vpc_id": Kind.ID, "services": SAFE, "domain": ADDRESS, "ip6_gateway": ADDRESS,
        "ip6_cidr": ADDRESS, "offering_id": Kind.ID, "offering": Kind.TEXT,
    },
    cloud.Vpc: {"id": Kind.ID, "name": Kind.NETWORK, "state": SAFE, "cidr": ADDRESS, "project_id": Kind.ID},
    cloud.SystemVm: {
        "id": Kind.ID, "name": Kind.ROUTER, "kind": SAFE, "state": SAFE, "agent_state": SAFE, "version": VERSION,
        "public_ip": ADDRESS, "private_ip": ADDRESS, "zone_id": Kind.ID,
    },
    cloud.Vm: {"id": Kind.ID, "name": Kind.VM, "state": SAFE, "ip": ADDRESS, "mac": ADDRESS, "ip6": ADDRESS},
    cloud.Forwarding: {"public_ip": ADDRESS, "protocol": SAFE, "vm_id": Kind.ID, "state": SAFE},
    cloud.StaticNat: {"public_ip": ADDRESS, "vm_id": Kind.ID},
    cloud.Opening: {"public_ip": ADDRESS, "protocol": SAFE},
    cloud.AclRule: {"network_id": Kind.ID, "protocol": SAFE},
    cloud.Balancer: {
        "name": Kind.RULE, "public_ip": ADDRESS, "protocol": SAFE, "state": SAFE, "vm_ids": Kind.ID,
    },
    cloud.Inventory: {
        "server_version": VERSION, "public_ips": ADDRESS, "source_nat_ip": ADDRESS, "unlisted": OWN,
        "target_router": Kind.ID, "unsettled": OWN,
        "hypervisors": OWN,
    },
}  # fmt: skip
NUMBERS: dict[type, dict[str, str]] = {
    ev.SecondOwner: {"mac": "mac"}, ev.Announced: {"mac": "mac"}, lane.Keys: {"expect_crc": "number"},
}  # fmt: skip

_SAFE = re.compile(r"[A-Za-z0-9_:-]{1,64}")
_TYPE = re.compile(r"[A-Z0-9]+(?:[._-][A-Z0-9]+){0,6}")
_VERSION = re.compile(r"\d{1,4}(?:\.\d{1,6}){0,4}(?:\.dev\d{0,6})?(?:-SNAPSHOT|-RC\d{1,3})?", re.I)
_NAMED = re.compile(
    r'"[a-z]*(?:account|domain|username|user|name|displaytext|hostname|project|zone|owner|email)"'
    r'\s*:\s*"((?:[^"\\]|\\.){2,255})"',
    re.I,
)
_STAMP = re.compile(r"(\d{8}-\d{6})-.+")
_ORDINARY = frozenset(
    {"", "outside", "lab", "env", "auto", "all", "none", "known", "accept-new", "skip", "fail", "local",
     "true", "false", "/", "ipv4", "ipv6", "isolated", "redundant", "vpc", "shared",
     *map(str, Service), *map(str, Prober)}
)  # fmt: skip
_MACS = (Prober.ARP, Prober.NEIGHBOUR, Prober.GARP, Prober.RA)


_TELL_NO_NAMES = ("listApis", "listCapabilities")
_SCENARIO_KEYS = {
    one.name for cls in vars(scenario).values() if isinstance(cls, type) and is_dataclass(cls) for one in fields(cls)
} | set(map(str, Service))


def _unescaped(text: str) -> str:
    """What stood between the quotes of JSON text."""
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


class Redaction:
    """Call `learn` with every event of every run first, then `redact` with each of them."""

    def __init__(self) -> None:
        self.names = Pseudonyms()
        for word in _ORDINARY:
            self.names.keep(word)
        self._probers: dict[int, Prober] = {}
        self._later: list[Body] = []

    def learn(self, event: Event) -> None:
        """Take note of the names in an event, so that texts before and after it lose them too."""
        body = event.body
        if isinstance(body, ev.InventorySeen | ev.VantageAdded):
            self._walk(body, own=False)  # first, for these say what a name is of
        elif not isinstance(body, ev.SamplesArrived | ev.LateArrived | ev.ClockEcho | ev.RemoteClock | ev.SpoolRead):
            self._later.append(body)

    def _learn_later(self) -> None:
        later, self._later = self._later, []
        for body in later:
            self._walk(body, own=False)
        for body in later:
            if isinstance(body, ev.ApiCalled) and body.command not in _TELL_NO_NAMES:
                for name in _NAMED.findall(body.reply):
                    self.names.name(name)
                    self.names.name(_unescaped(name))

    def redact(self, event: Event) -> Event:
        """The event without them; its times stay."""
        self._learn_later()
        body = event.body
        if isinstance(body, ev.RunOpened):
            self._probers.clear()
        if isinstance(body, ev.LaneAdded):
            self._probers[body.lane.id] = body.lane.prober
        if isinstance(body, ev.SamplesArrived | ev.LateArrived):
            prober = self._probers.get(body.lane)
            told: Body = replace(body, samples=tuple(self._sample(prober, s) for s in body.samples))
        else:
            told = cast(Body, self._walk(body, own=True))
        return replace(event, body=told)

    def _sample(self, prober: Prober | None, sample: Sample) -> Sample:
        if not sample.value or prober is Prober.LISTEN:
            return sample
        made = self.names.mac_number if prober in _MACS else self.names.number
        return sample._replace(value=made(sample.value))

    def _walk(self, value: Any, *, own: bool) -> Any:
        """A dataclass with its texts replaced; `own`: our own sentences too, for which all names must be known."""
        treatments, numbers = TREATMENTS.get(type(value), {}), NUMBERS.get(type(value), {})
        changed = {}
        for one in fields(value):
            held = getattr(value, one.name)
            if one.name in numbers and isinstance(held, int):
                changed[one.name] = (
                    self.names.mac_number(held) if numbers[one.name] == "mac" else self.names.number(held)
                )
            else:
                changed[one.name] = self._value(held, treatments.get(one.name, Kind.TEXT), own)
        return replace(value, **changed)

    def _value(self, held: Any, treatment: Treatment, own: bool) -> Any:
        if isinstance(held, Enum) or held is None or isinstance(held, bool | int | float):
            return held
        if isinstance(held, str):
            return self._text(held, treatment, own)
        if isinstance(held, tuple):
            return tuple(self._value(part, treatment, own) for part in held)
        if isinstance(held, Mapping):
            return {self._safe(key): self._parameter(part) for key, part in held.items()}
        return self._walk(held, own=own)

    def _text(self, text: str, treatment: Treatment, own: bool) -> str:
        if isinstance(treatment, Kind):
            stamped = _STAMP.fullmatch(text) if treatment is Kind.RUN else None
            return f"{stamped[1]}-{self.names.name(text, Kind.RUN)}" if stamped else self.names.name(text, treatment)
        if treatment == OWN:
            return self.names.in_text(text) if own else text
        simple: dict[str, Callable[[str], str]] = {
            SAFE: self._safe, TYPE: self._type, VERSION: self._version, ADDRESS: self.names.address,
            SCENARIO: self._scenario,
        }  # fmt: skip
        return simple[treatment](text)

    def _safe(self, text: str) -> str:
        if _SAFE.fullmatch(text):
            self.names.keep(text)
            return text
        return self.names.name(text, Kind.TEXT)

    def _type(self, text: str) -> str:
        return text if _TYPE.fullmatch(text) else self.names.name(text, Kind.TEXT)

    def _version(self, text: str) -> str:
        if _VERSION.fullmatch(text):
            self.names.keep(text)
            return text
        return self.names.name(text, Kind.TEXT)

    def _parameter(self, text: str) -> str:
        return text if re.fullmatch(r"true|false|\d{1,6}", text) else self.names.name(text)

    def _scenario(self, text: str) -> str:
        try:
            data = json.loads(text) if text else None
        except (ValueError, RecursionError):
            return self.names.name(text, Kind.TEXT)
        return json.dumps(self._json(data)) if text else text

    def _json(self, data: Any) -> Any:
        if isinstance(data, dict):
            return {key if key in _SCENARIO_KEYS else self.names.name(key): self._json(v) for key, v in data.items()}
        if isinstance(data, list):
            return [self._json(part) for part in data]
        if isinstance(data, str) and not _VERSION.fullmatch(data):
            return self.names.address(data)
        return data
