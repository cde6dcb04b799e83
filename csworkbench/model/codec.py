# SPDX-License-Identifier: Apache-2.0
"""Events as JSON: one shape for the run file, the viewer socket and replay."""

import json
import re
from typing import TYPE_CHECKING, Any, get_args

from .event import Body, Event, LateArrived, SamplesArrived
from .sample import MOST, Sample, sample_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_KINDS: dict[str, type] = {re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower(): cls for cls in get_args(Body)}
_NAMES: dict[type, str] = {cls: kind for kind, cls in _KINDS.items()}
_MALFORMED = (ValueError, KeyError, TypeError, OverflowError, RecursionError)


class CodecError(ValueError):
    """The text is not an event of this version."""


def kind_of(body: Body) -> str:
    """The event's kind as stored, e.g. `phase_entered`."""
    return _NAMES[type(body)]


_ADAPTERS: dict[type, "TypeAdapter[Any]"] = {}


def _adapter(cls: type) -> "TypeAdapter[Any]":
    if cls not in _ADAPTERS:
        from pydantic import TypeAdapter  # noqa: PLC0415 - a workbench is on the screen before its first event

        _ADAPTERS[cls] = TypeAdapter(cls)
    return _ADAPTERS[cls]


def sample_from_row(row: Any) -> Sample:
    """As sample_of, from what may not be integers at all, or larger than a run file takes. Raises CodecError."""
    try:
        seq, intended, sent, received, outcome, reason, detail, value = row
        numbers = int(seq), int(intended), int(sent), int(received), int(detail), int(value)
        if max(numbers) > MOST or min(numbers) < -MOST:
            raise ValueError("a number of more than 64 bits")
        return sample_of((*numbers[:4], outcome, reason, *numbers[4:]))
    except _MALFORMED as error:
        raise CodecError(f"not a sample: {error}") from None


def body_to_json(body: Body) -> dict[str, Any]:
    """The body as JSON-ready values."""
    if isinstance(body, SamplesArrived | LateArrived):
        return {"lane": body.lane, "samples": [list(map(int, s)) for s in body.samples]}
    dumped: dict[str, Any] = _adapter(type(body)).dump_python(body, mode="json")
    return dumped


def body_from_json(kind: str, data: Any) -> Body | None:
    """The body of that kind; None for a kind this version does not know. Raises CodecError."""
    cls = _KINDS.get(kind)
    if cls is None:
        return None
    if not isinstance(data, dict):
        raise CodecError(f"{kind}: not an object")
    if cls in (SamplesArrived, LateArrived):
        try:
            samples = tuple(sample_from_row(row) for row in data["samples"])
            body: Body = cls(int(data["lane"]), samples)
        except _MALFORMED as error:
            raise CodecError(f"{kind}: {error}") from None
        return body
    try:
        validated: Body = _adapter(cls).validate_python(data)
    except ValueError as error:  # pydantic's ValidationError, which has several lines
        raise CodecError(f"{kind}: {error.errors()[0]['msg'] if hasattr(error, 'errors') else error}") from None
    return validated


def encode(event: Event) -> bytes:
    """One event as one line of JSON, newline included."""
    line = {"seq": event.seq, "at_ns": event.at_ns, "wall_ns": event.wall_ns, "kind": kind_of(event.body)}
    line["body"] = body_to_json(event.body)
    return json.dumps(line, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def decode(line: bytes | str) -> Event | None:
    """One line back to an event; None for an unknown kind. Raises CodecError."""
    try:
        data = json.loads(line)
        seq, at_ns, wall_ns = int(data["seq"]), int(data["at_ns"]), int(data["wall_ns"])
        kind, body_data = str(data["kind"]), data["body"]
    except _MALFORMED as error:
        raise CodecError(f"not an event: {error}") from None
    body = body_from_json(kind, body_data)
    return None if body is None else Event(seq, at_ns, wall_ns, body)
