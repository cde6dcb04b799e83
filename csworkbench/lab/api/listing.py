# SPDX-License-Identifier: Apache-2.0
"""What all list commands share: whose rows are seen, filters, pages, and the form of the reply."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.errors import invalid_value
from csworkbench.lab.api.registry import Arguments
from csworkbench.lab.sessions import current

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

Row = dict[str, Any]
MAX_PAGE = 500
"""The default of `default.page.size`: the largest page, and what comes without paging."""
PAGE_LIMIT = "default.page.size"
"""Under this name the arguments carry the setting, which is no parameter of any command."""
_UNLIMITED = -1


def stamp(moment: datetime) -> str:
    """A date as the API writes it: whole seconds, offset without colon."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def row(**fields: Any) -> Row:
    """A row without its null fields."""
    return {name: value for name, value in fields.items() if value is not None}


def owned_by(server: Management, arguments: Arguments, account: str) -> bool:
    """Whether the caller sees rows of that account with these arguments: only those that he may use.

    Without `listall` an admin sees the own account only too, unless a row is asked for by its id.
    Nothing here has tags: a filter by tags lets nothing through.
    """
    if "tags" in arguments:
        return False
    owner = server.accounts.named(account)
    if not current().may_use(owner):
        return False
    if "projectid" in arguments and arguments["projectid"] != "-1":
        return False
    domain = server.accounts.domain(arguments["domainid"]) if "domainid" in arguments else None
    if domain is not None and owner.domain != domain:
        return bool(arguments.get("isrecursive", False)) and domain.contains(owner.domain)
    if "account" in arguments:
        return bool(arguments["account"] == account)
    return bool(arguments.get("listall", False)) or "id" in arguments or domain is not None or owner == current()


def matches(item: Row, arguments: Arguments, names: Iterable[str]) -> bool:
    """Whether the row has the value of each of these arguments that was given; `id` and the like are exact."""
    return all(item.get(name) == arguments[name] for name in names if name in arguments)


def has_keyword(item: Row, arguments: Arguments, fields: Sequence[str] = ("name", "displaytext")) -> bool:
    """Whether one of these fields contains the keyword."""
    if "keyword" not in arguments:
        return True
    wanted = str(arguments["keyword"]).lower()
    return any(wanted in str(item.get(field, "")).lower() for field in fields)


def has_services(item: Row, arguments: Arguments) -> bool:
    """Whether its `service[]` names all of `supportedservices`."""
    return set(arguments.get("supportedservices", [])) <= {service["name"] for service in item["service"]}


def reply(key: str, rows: Sequence[Row], arguments: Arguments) -> dict[str, Any]:
    """The page that was asked for, with the count of all matches; no rows at all make an empty object."""
    page, size = arguments.get("page"), arguments.get("pagesize")
    most = int(arguments.get(PAGE_LIMIT, MAX_PAGE))
    if size is None and page is not None:
        raise invalid_value("'pagesize' parameter has to be specified together with 'page'")
    if size == _UNLIMITED:
        if page is not None:
            raise invalid_value("Can't specify page parameter when pagesize is -1 (Unlimited)")
        shown = list(rows)
    elif size is not None:
        if page is None:
            raise invalid_value("'page' parameter has to be specified together with 'pagesize'")
        if size > most:
            raise invalid_value(f"Page size can't exceed max allowed page size value: {most}")
        if size < 0 or page < 1:
            raise invalid_value("'page' and 'pagesize' have to be positive")
        shown = list(rows[(page - 1) * size : page * size])
    else:
        shown = list(rows[:most])
    if not rows:
        return {}
    return {"count": len(rows), key: shown}
