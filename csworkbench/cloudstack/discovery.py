# SPDX-License-Identifier: Apache-2.0
"""What this server offers to this key: listApis and listCapabilities (cloudstack-api.md 3.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .envelope import Row, flag, number, rows, string


@dataclass(frozen=True, slots=True)
class Api:
    """A command as listApis describes it; parameter names in lower case."""

    is_async: bool
    params: frozenset[str]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The commands that this key may call, and what the server says of itself.

    `version` is empty when the server hides it (4.21+). `limit` is (calls, seconds) when calls are throttled.
    """

    apis: Mapping[str, Api] = field(default_factory=dict)
    version: str = ""
    limit: tuple[int, int] | None = None

    def has(self, command: str) -> bool:
        """True when the key may call the command; its case counts."""
        return command in self.apis

    def has_param(self, command: str, param: str) -> bool:
        """True when the command takes the parameter."""
        return command in self.apis and param.lower() in self.apis[command].params

    def is_async(self, command: str) -> bool:
        """True when the command answers with a job."""
        return command in self.apis and self.apis[command].is_async

    def at_least(self, *version: int) -> bool | None:
        """Whether the server has this version or a later one; None when it hides its version."""
        found = re.match(r"\d{1,4}(?:\.\d{1,9})*", self.version)
        return None if found is None else tuple(map(int, found.group().split("."))) >= version


def read_capabilities(apis: Row, capabilities: Row) -> Capabilities:
    """The Capabilities in the payloads of the two calls."""
    known = {string(row.get("name"), 100): _api(row) for row in rows(apis, "api")}
    about = capabilities.get("capability")
    about = about if isinstance(about, dict) else {}
    calls, seconds = number(about.get("apilimitmax")), number(about.get("apilimitinterval"))
    return Capabilities(
        apis=known,
        version=string(about.get("cloudstackversion"), 60),
        limit=(calls, seconds) if calls > 0 and seconds > 0 else None,
    )


def _api(row: Row) -> Api:
    names = (string(param.get("name"), 100).lower() for param in rows(row, "params"))
    return Api(is_async=flag(row.get("isasync")), params=frozenset(names))
