# SPDX-License-Identifier: Apache-2.0
"""The lines of a campaign's journal: what was decided, what came of it, who said so. JSON, checked when read."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args

from pydantic import AwareDatetime, ConfigDict, TypeAdapter, ValidationError

from csworkbench.model.operation import AnyOperation, Operation

TEXT_LIMIT = 2000
LINE_LIMIT = 64 << 20


class EntryError(ValueError):
    """The line is no entry of this version."""


@dataclass(frozen=True, slots=True)
class Target:
    """A network, VPC or system VM with the routers that its operation replaces or patches. `wave` 0 is the canary.

    `vantages`: tenants to measure from, at the time of planning; `unmeasured` says why there is none.
    """

    id: str
    kind: str
    name: str
    wave: int
    operation: Operation
    routers: tuple[str, ...] = ()
    need: str = ""
    reason: str = ""
    call: str = ""
    consequence: str = ""
    zone: str = ""
    pod: str = ""
    hosts: tuple[str, ...] = ()
    account: str = ""
    domain: str = ""
    vantages: tuple[str, ...] = ()
    unmeasured: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Selected, and still no target."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Figures:
    """One service's downtime, seconds, with its bounds."""

    service: str
    down_s: float
    low_s: float
    high_s: float
    worst: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """First entry: what the campaign consists of."""

    who: str
    name: str
    cloud: str
    targets: tuple[Target, ...]
    left_out: tuple[LeftOut, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class Resumed:
    """Another process took it up."""

    who: str
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Starting:
    """A run is about to be started in the folder `run`. On disk before it is."""

    target: str
    run: str
    operation: Operation


@dataclass(frozen=True, slots=True)
class Started:
    """Its process is there."""

    target: str
    run: str
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Breached:
    """A service of a run that goes on has been down for longer than its budget, seconds."""

    target: str
    run: str
    service: str
    down_s: float
    limit_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A run came to its verdict. `began` and `ended` are those of the run; `exit_code` is the run's."""

    target: str
    run: str
    verdict: str
    over_budget: bool
    exit_code: int
    reasons: tuple[str, ...] = ()
    services: tuple[Figures, ...] = ()
    vantages: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    missing_records: int | None = None
    began: AwareDatetime | None = None
    ended: AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class Requeued:
    """A run ended before it operated anything, so that its target waits again."""

    target: str
    run: str
    why: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """A run's engine is gone, and whether its operation ended nobody knows: a person decides."""

    target: str
    run: str
    why: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """The target is not operated, or not any more."""

    who: str
    target: str
    why: str


@dataclass(frozen=True, slots=True)
class Retried:
    """The target is operated once more, with `operation` if one is given."""

    who: str
    target: str
    why: str = ""
    operation: Operation | None = None


@dataclass(frozen=True, slots=True)
class Paused:
    """No new start until somebody goes on."""

    who: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Stopped:
    """No new start: by the stop rule, or by a person. What runs is finished."""

    who: str
    why: str


@dataclass(frozen=True, slots=True)
class WentOn:
    """Somebody looked at it: pause and stop are over, and so is the wait after the canary."""

    who: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing is left to do."""

    exit_code: int


Body = (
    Opened
    | Resumed
    | Starting
    | Started
    | Breached
    | Ended
    | Requeued
    | Unclear
    | Skipped
    | Retried
    | Paused
    | Stopped
    | WentOn
    | Closed
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: its number from 1, its time, and what it says."""

    seq: int
    at: datetime
    body: Body = field(hash=False)


_KINDS: dict[str, type] = {re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower(): cls for cls in get_args(Body)}
_NAMES = {cls: kind for kind, cls in _KINDS.items()}
for _cls in (Target, LeftOut, Figures, Operation, *get_args(AnyOperation), *get_args(Body)):
    _cls.__pydantic_config__ = ConfigDict(extra="forbid")
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}
_AT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


def _adapter(cls: type) -> TypeAdapter[Any]:
    if cls not in _ADAPTERS:
        _ADAPTERS[cls] = TypeAdapter(cls)
    return _ADAPTERS[cls]


def kind_of(body: Body) -> str:
    """The entry's kind as stored, e.g. `went_on`."""
    return _NAMES[type(body)]


def encode(entry: Entry) -> bytes:
    """As one line of JSON, newline included; texts are cut to TEXT_LIMIT characters."""
    body = _adapter(type(entry.body)).dump_python(entry.body, mode="json", exclude_defaults=True)
    row = {"seq": entry.seq, "at": stamp(entry.at), "did": kind_of(entry.body), **_cut(body)}
    return TypeAdapter(dict[str, Any]).dump_json(row) + b"\n"


def decode(line: bytes) -> Entry:
    """Raises EntryError."""
    if len(line) > LINE_LIMIT:
        raise EntryError("not an entry: too long")
    try:
        row = TypeAdapter(dict[str, Any]).validate_json(line)
        seq, at, cls = row.pop("seq"), row.pop("at"), _KINDS[row.pop("did")]
        if not isinstance(seq, int) or isinstance(seq, bool) or seq < 1:
            raise EntryError("not an entry: seq is a number from 1")
        return Entry(seq, _AT.validate_python(at), _adapter(cls).validate_python(row))
    except (KeyError, TypeError, ValidationError, RecursionError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else repr(error)
        raise EntryError(f"not an entry: {why}") from None


def stamp(at: datetime) -> str:
    """RFC 3339 UTC to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= TEXT_LIMIT else value[: TEXT_LIMIT - 1] + "…"
    if isinstance(value, list):
        return [_cut(item) for item in value]
    return {key: _cut(item) for key, item in value.items()} if isinstance(value, dict) else value
