# SPDX-License-Identifier: Apache-2.0
"""What the probe program answered, read with distrust: a tenant may answer anything."""

import json
from dataclasses import dataclass

from .shell import ShellError, one_line

ANSWER_LIMIT = 4096
INTERFACE_LENGTH = 15  # IFNAMSIZ less the end


@dataclass(frozen=True, slots=True)
class Facts:
    """What `check` said about a vantage; only these, typed and bounded."""

    python: str
    packet_socket: bool
    raw_socket: bool
    user: str
    ping_socket: bool = False
    interface: str = ""


def facts(name: str, out: str) -> Facts:
    """From the answer of `check`. Raises ShellError."""
    answer = last_object(out)
    if "python" not in answer:
        raise ShellError(f"{name}: the probe program's check gave no answer")
    return Facts(
        one_line(str(answer["python"]), 40),
        answer.get("packet_socket") is True,
        answer.get("raw_socket") is True,
        one_line(str(answer.get("user", "")), 64),
        answer.get("ping_socket") is True,
        _interface(answer.get("interface")),
    )


def _interface(value: object) -> str:
    """The name of the default route's interface, empty for anything that is none."""
    fits = isinstance(value, str) and 0 < len(value) <= INTERFACE_LENGTH and value.isascii() and value.isprintable()
    return str(value) if fits and not set(str(value)) & set(" /") else ""


def last_object(text: str) -> dict[str, object]:
    """The JSON object in the last line; empty when there is none."""
    lines = text.strip().splitlines()
    try:
        value = json.loads(lines[-1][:ANSWER_LIMIT]) if lines else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def number(answer: dict[str, object], key: str) -> int:
    """A non-negative number that fits the run file, else 0."""
    value = answer.get(key)
    return value if isinstance(value, int) and 0 <= value < 1 << 63 else 0


def last_line(text: str) -> str:
    """The last thing it said."""
    lines = text.strip().splitlines()
    return one_line(lines[-1]) if lines else "no message"
