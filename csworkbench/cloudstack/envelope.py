# SPDX-License-Identifier: Apache-2.0
"""From the bytes of a reply to its payload or a typed error (cloudstack-api.md 1.6, 1.7). Pure."""

import json
from typing import Any

from .errors import BadReply, CloudStackError, error_for
from .text import one_line

Row = dict[str, Any]


def number(value: object) -> int:
    """A number that may come as a string; 0 when it is none."""
    try:
        return int(str(value))
    except ValueError:
        return 0


def string(value: object, limit: int = 2_000) -> str:
    """A field's text, bounded; empty when the field is absent."""
    return "" if value is None else str(value)[:limit]


def flag(value: object) -> bool:
    """A boolean that may come as the string `true`."""
    return value is True or str(value).lower() == "true"


def parse(command: str, http_status: int, body: bytes) -> Row:
    """The object under the top key of a good reply.

    Raises the CloudStackError of the error code, or BadReply when this is not CloudStack's JSON.
    """
    text = body.decode("utf-8", errors="replace")
    document = _document(command, http_status, text)
    payload = _payload(command, http_status, document, text)
    if http_status == 200 and "errorcode" not in payload:
        return payload
    if "errorcode" not in payload and "errortext" not in payload:
        raise _bad(command, http_status, f"HTTP {http_status} without a CloudStack error", text)
    raise error_for(
        command,
        http_status,
        number(payload.get("errorcode")) or http_status,
        number(payload.get("cserrorcode")),
        string(payload.get("errortext")),
    )


def _document(command: str, http_status: int, text: str) -> Row:
    if not text.strip():
        raise _bad(command, http_status, f"HTTP {http_status} with an empty body", "")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise _bad(command, http_status, f"HTTP {http_status}, and the body is not JSON", text) from None
    if not isinstance(document, dict):
        raise _bad(command, http_status, f"HTTP {http_status}, and the JSON is not an object", text)
    return document


def _payload(command: str, http_status: int, document: Row, text: str) -> Row:
    expected = f"{command.lower()}response"
    keys = [key for key in document if key == expected]
    keys += [key for key in document if key.lower().endswith("response") or key == "null"]
    if not keys:
        raise _bad(command, http_status, f"HTTP {http_status}, and the JSON has no key {expected}", text)
    payload = document[keys[0]]
    if payload is None:
        return {}
    if not isinstance(payload, dict):
        raise _bad(command, http_status, f"HTTP {http_status}, and {keys[0]} is not an object", text)
    return payload


def _bad(command: str, http_status: int, what: str, text: str) -> CloudStackError:
    begins = f": {one_line(text, 80)}" if text.strip() else ""
    return BadReply(command, what + begins, http_status=http_status)


def rows(payload: Row, object_key: str) -> list[Row]:
    """The rows of a list reply; an empty list comes without the key."""
    found = payload.get(object_key)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
