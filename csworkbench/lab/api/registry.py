# SPDX-License-Identifier: Apache-2.0
"""One registry of API commands: it dispatches, it checks parameters, and `listApis` is read from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from csworkbench.lab.profiles import Profile, Version

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

Arguments = dict[str, Any]
"""Checked values by lower-case name; absent parameters are not in it."""
Handler = Callable[["Management", Arguments], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter. `entity` names the kind of row that a uuid must be of; `since` () means always."""

    name: str
    type: str = "string"
    required: bool = False
    since: Version = ()
    entity: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command with what `listApis` tells of it."""

    name: str
    params: tuple[Param, ...]
    handler: Handler
    description: str
    is_async: bool = False
    since: Version = ()

    @property
    def response_name(self) -> str:
        """The key around every reply."""
        return f"{self.name.lower()}response"

    def params_of(self, profile: Profile) -> list[Param]:
        """The parameters that the release knows."""
        return [param for param in self.params if profile.release >= param.since]


PAGING = (Param("keyword"), Param("page", "integer"), Param("pagesize", "integer"))
ACCOUNT = (
    Param("account"),
    Param("domainid", "uuid", entity="domain"),
    Param("isrecursive", "boolean"),
    Param("listall", "boolean"),
    Param("projectid", "uuid", entity="project"),
)
COMMANDS: dict[str, Command] = {}


def command(
    name: str, description: str, *params: Param, is_async: bool = False, since: Version = ()
) -> Callable[[Handler], Handler]:
    """Register a handler; list commands get the paging parameters by themselves."""

    def register(handler: Handler) -> Handler:
        paging = PAGING if name.startswith("list") and name not in ("listApis", "listCapabilities") else ()
        COMMANDS[name] = Command(name, params + paging, handler, description, is_async, since)
        return handler

    return register


def available(profile: Profile) -> dict[str, Command]:
    """The commands of a release."""
    return {name: entry for name, entry in COMMANDS.items() if profile.release >= entry.since}


def uuid_filter(entity: str) -> Param:
    """The `id` filter of a list command."""
    return Param("id", "uuid", entity=entity)
