# SPDX-License-Identifier: Apache-2.0
"""Resource limits: list and set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.errors import PARAMETER, ApiError, denied, invalid_value
from csworkbench.lab.api.limits import most
from csworkbench.lab.api.listing import Row, reply, row
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command
from csworkbench.lab.limits import UNLIMITED, Resource
from csworkbench.lab.sessions import Caller, Domain, current

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_OWNER = tuple(param for param in ACCOUNT if param.name in ("account", "domainid", "projectid"))


@command(
    "listResourceLimits",
    "Lists resource limits.",
    Param("resourcetype", "integer"),
    Param("resourcetypename", since=(4, 11)),
    *ACCOUNT,
)
async def list_resource_limits(server: Management, arguments: Arguments) -> dict[str, Any]:
    """All limits of the named account or domain, else of the caller's own account."""
    chosen = list(Resource)
    if "resourcetype" in arguments:
        chosen = [_resource(arguments["resourcetype"])]
    if "resourcetypename" in arguments:
        chosen = [resource for resource in chosen if resource.name == arguments["resourcetypename"]]
    owner = _owner(server, arguments)
    return reply("resourcelimit", [_limit_row(server, owner, resource) for resource in chosen], arguments)


@command(
    "updateResourceLimit",
    "Updates resource limits for an account or domain.",
    Param("resourcetype", "integer", required=True),
    Param("max", "long"),
    *_OWNER,
)
async def update_resource_limit(server: Management, arguments: Arguments) -> dict[str, Any]:
    """In force at once; what is there already stays."""
    resource, owner = _resource(arguments["resourcetype"]), _owner(server, arguments)
    limit = arguments.get("max", UNLIMITED)
    if limit < UNLIMITED:
        raise invalid_value("Please specify either '-1' for an infinite limit, or a limit that is at least '0'.")
    if isinstance(owner, Domain):
        if owner.parent is None:
            raise denied("Cannot update resource limit for ROOT domain")
        server.limits.change(owner.id, resource, limit)
    else:
        if owner.root and limit != UNLIMITED:
            raise invalid_value(f"Only {UNLIMITED} limit is supported for Root Admin accounts")
        if owner.account_id == current().account_id and not owner.root:
            raise denied("Unable to update resource limit for the own account")
        server.limits.change(owner.account_id, resource, limit)
    return {"resourcelimit": _limit_row(server, owner, resource)}


def _resource(number: int) -> Resource:
    try:
        return Resource(number)
    except ValueError:
        raise invalid_value(f"Please specify a valid resource type: {number} is not one") from None


def _owner(server: Management, arguments: Arguments) -> Caller | Domain:
    """Raises ApiError 431; that the caller may use it has been checked."""
    if "account" in arguments:
        if "domainid" not in arguments:
            raise ApiError(PARAMETER, "Both account and domainid are needed if either parameter is specified")
        return server.accounts.named(arguments["account"])
    domain = server.accounts.domain(arguments["domainid"]) if "domainid" in arguments else None
    return domain or current()


def _limit_row(server: Management, owner: Caller | Domain, resource: Resource) -> Row:
    if isinstance(owner, Caller):
        account, domain, limit = owner.account, owner.domain, most(server, owner, resource)
    else:
        given = server.limits.of(owner.id, resource)
        account, domain, limit = None, owner, UNLIMITED if given is None else given
    return row(
        account=account,
        domainid=domain.id,
        domain=domain.name,
        resourcetype=str(int(resource)),
        resourcetypename=resource.name if server.profile.has(4, 11) else None,
        max=limit,
    )
