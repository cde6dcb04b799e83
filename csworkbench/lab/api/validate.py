# SPDX-License-Identifier: Apache-2.0
"""Generic parameter checks, as the API does them before a command sees its values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.errors import MALFORMED_PARAMETER, PARAMETER, ApiError
from csworkbench.lab.api.listing import PAGE_LIMIT
from csworkbench.lab.api.registry import Arguments, Command, Param
from csworkbench.lab.api.signature import parse_time

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_MAP_NAME = re.compile(r"[^\[\].]+\[\d+\](\.[^\[\]]+)?")
_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")
_LIMITS = {"integer": 2**31, "long": 2**63}
_ALL_PROJECTS = "-1"


def check(server: Management, command: Command, given: Mapping[str, str]) -> Arguments:
    """The command's arguments; raises ApiError 430 or 431. Unknown names are ignored, as the real server does."""
    for name, value in given.items():
        if ("[" in name or "]" in name) and not _MAP_NAME.fullmatch(name):
            raise ApiError(MALFORMED_PARAMETER, f"Unable to parse parameter {name}: incorrect map syntax")
        if _CONTROL.search(value):
            raise ApiError(PARAMETER, f"Received value with non-printable ASCII characters for parameter {name}")
    arguments: Arguments = {PAGE_LIMIT: server.settings.number(PAGE_LIMIT)}
    for param in command.params_of(server.profile):
        if param.type == "map":
            entries = {name: value for name, value in given.items() if name.startswith(f"{param.name}[")}
            if entries:
                arguments[param.name] = entries
            continue
        text = given.get(param.name)
        if text is None or text == "":
            if param.required:
                raise ApiError(
                    PARAMETER,
                    f"Unable to execute API command {command.name.lower()} due to missing parameter {param.name}",
                )
            continue
        arguments[param.name] = _value(server, command, param, text)
    return arguments


def _value(server: Management, command: Command, param: Param, text: str) -> Any:
    match param.type:
        case "boolean":
            return text.lower() == "true"  # as Java's Boolean.valueOf: everything else is false
        case "integer" | "long":
            return _number(command, param, text)
        case "date":
            return _date(server, command, param, text)
        case "list":
            return [part.strip() for part in text.split(",") if part.strip()]
        case "uuid" if param.entity is not None:
            _check_exists(server, command, param, text)
    return text


def _check_exists(server: Management, command: Command, param: Param, text: str) -> None:
    if param.entity == "project" and text == _ALL_PROJECTS:
        return
    if param.entity is not None and not server.knows(param.entity, text):
        raise _invalid(
            command,
            f"Invalid parameter {param.name} value={text} due to incorrect long value format, or entity does "
            "not exist or due to incorrect parameter annotation for the field in api cmd class.",
        )


def _invalid(command: Command, text: str) -> ApiError:
    return ApiError(PARAMETER, f"Unable to execute API command {command.name.lower()} due to invalid value. {text}")


def _number(command: Command, param: Param, text: str) -> int:
    limit = _LIMITS[param.type]
    if re.fullmatch(r"[+-]?[0-9]{1,19}", text) and -limit <= (value := int(text)) < limit:
        return value
    raise _invalid(command, f"Invalid parameter {param.name} value={text}: not a number")


def _date(server: Management, command: Command, param: Param, text: str) -> datetime:
    zoned = parse_time(text, iso=server.profile.has(4, 12))
    if zoned is not None:
        return zoned
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"):
        try:
            parsed = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        if form == "%Y-%m-%d" and param.name == "enddate":
            return datetime.combine(parsed.date(), time(23, 59, 59), UTC)
        return parsed
    raise _invalid(command, f"Unable to parse date {text} for parameter {param.name}")
