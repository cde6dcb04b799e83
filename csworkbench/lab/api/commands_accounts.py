# SPDX-License-Identifier: Apache-2.0
"""Accounts, users and domains: the lists, and switching them off and on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.errors import PARAMETER, ApiError, invalid_value
from csworkbench.lab.api.limits import most, used
from csworkbench.lab.api.listing import Row, has_keyword, matches, reply, row, stamp
from csworkbench.lab.api.registry import Arguments, Param, command, uuid_filter
from csworkbench.lab.limits import UNLIMITED, Resource
from csworkbench.lab.sessions import Caller, Domain, Role, current

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_DOMAIN = Param("domainid", "uuid", entity="domain")
_SEEN = (_DOMAIN, Param("isrecursive", "boolean"), Param("listall", "boolean"))
_ROLES = {
    Role.USER: ("User", "User"),
    Role.ROOT_ADMIN: ("Admin", "Root Admin"),
    Role.DOMAIN_ADMIN: ("DomainAdmin", "Domain Admin"),
}
"""`roletype` and `rolename`."""
_JAVA = "org.apache.cloudstack.api.command.admin"
_COUNTED = {"vm": Resource.user_vm, "ip": Resource.public_ip, "network": Resource.network, "volume": Resource.volume}


@command(
    "listAccounts",
    "Lists accounts and provides detailed account information for listed accounts",
    uuid_filter("account"),
    Param("name"),
    Param("accounttype", "integer"),
    Param("state"),
    *_SEEN,
)
async def list_accounts(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Accounts that the caller sees; the system account is none of them."""
    items = [_account_row(server, account) for account in _seen(server, arguments, ("id", "name"))]
    kept = [item for item in items if matches(item, arguments, ("id", "name", "accounttype", "state"))]
    return reply("account", [item for item in kept if has_keyword(item, arguments)], arguments)


@command(
    "listUsers",
    "Lists user accounts",
    uuid_filter("user"),
    Param("username"),
    Param("account"),
    Param("accounttype", "integer"),
    Param("state"),
    *_SEEN,
)
async def list_users(server: Management, arguments: Arguments) -> dict[str, Any]:
    """One user per account."""
    items = [_user_row(server, account) for account in _seen(server, arguments, ("id", "username", "account"))]
    kept = [item for item in items if matches(item, arguments, ("id", "username", "account", "accounttype", "state"))]
    return reply("user", [item for item in kept if has_keyword(item, arguments, ("username",))], arguments)


@command("getUser", "Find user account by API key", Param("userapikey", required=True))
async def get_user(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Whose API key that is; 431 for an unknown one."""
    found = server.accounts.by_key(arguments["userapikey"])
    if found is None:
        raise invalid_value("User with specified API key does not exist")
    return {"user": _user_row(server, found)}


@command(
    "listDomains",
    "Lists domains and provides detailed information for listed domains",
    uuid_filter("domain"),
    Param("name"),
    Param("level", "integer"),
    Param("listall", "boolean"),
)
async def list_domains(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The own domain and what is below it."""
    items = [_domain_row(server, domain) for domain in server.accounts.domains if current().domain.contains(domain)]
    kept = [item for item in items if matches(item, arguments, ("id", "name", "level"))]
    return reply("domain", [item for item in kept if has_keyword(item, arguments)], arguments)


def _seen(server: Management, arguments: Arguments, names: tuple[str, ...]) -> list[Caller]:
    """Without a name, a domain or `listall` only the own account."""
    visible = [account for account in server.accounts.callers if current().may_use(account)]
    wanted = server.accounts.domain(arguments["domainid"]) if "domainid" in arguments else None
    if wanted is not None:
        deep = arguments.get("isrecursive", False)
        return [one for one in visible if (wanted.contains(one.domain) if deep else wanted == one.domain)]
    if arguments.get("listall", False) or any(name in arguments for name in names):
        return visible
    return [account for account in visible if account.account_id == current().account_id]


def _account_row(server: Management, account: Caller) -> Row:
    roletype, rolename = _ROLES[account.role]
    return row(
        id=account.account_id,
        name=account.account,
        accounttype=int(account.role),
        roletype=roletype,
        rolename=rolename,
        domainid=account.domain.id,
        domain=account.domain.name,
        domainpath=account.domain.path if server.profile.has(4, 11) else None,
        **_counts(server, account),
        state=server.accounts.state(account.account_id),
        user=[_user_row(server, account)],
        isdefault=account.root,
        groups=[],
        created=stamp(server.created),
    )


def _counts(server: Management, account: Caller) -> Row:
    """Limit, use and rest per resource; limit and rest are strings."""
    found: Row = {}
    for name, resource in _COUNTED.items():
        limit, count = most(server, account, resource), used(server, account, resource)
        found[f"{name}limit"] = "Unlimited" if limit == UNLIMITED else str(limit)
        found[f"{name}total"] = count
        found[f"{name}available"] = "Unlimited" if limit == UNLIMITED else str(max(0, limit - count))
    return found


def _user_row(server: Management, account: Caller) -> Row:
    roletype, rolename = _ROLES[account.role]
    return row(
        id=account.user_id,
        username=account.user,
        firstname=account.user,
        lastname="lab",
        email=f"{account.user}@lab.invalid",
        created=stamp(server.created),
        state=server.accounts.state(account.user_id),
        account=account.account,
        accountid=account.account_id,
        accounttype=int(account.role),
        roletype=roletype,
        rolename=rolename,
        domainid=account.domain.id,
        domain=account.domain.name,
        apikey=account.key,
        timezone="UTC",
        isdefault=account.root,
        iscallerchilddomain=current().domain != account.domain,
    )


def _domain_row(server: Management, domain: Domain) -> Row:
    return row(
        id=domain.id,
        name=domain.name,
        level=domain.level,
        parentdomainid=domain.parent.id if domain.parent else None,
        parentdomainname=domain.parent.name if domain.parent else None,
        haschild=any(other.parent == domain for other in server.accounts.domains),
        path=domain.path,
        state="Active",
        created=stamp(server.created) if server.profile.has(4, 16) else None,
    )


_USER = Param("id", "uuid", required=True, entity="user")
_ACCOUNT = (Param("id", "uuid", entity="account"), Param("account"), _DOMAIN)


@command("disableUser", "Disables a user account", _USER, is_async=True)
async def disable_user(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The user's next call and login are refused."""
    user = _with_id(server, arguments["id"])
    return _switch_off(
        server, ("user.DisableUserCmd", "User", user.user_id), "disabled", lambda: {"user": _user_row(server, user)}
    )


@command("enableUser", "Enables a user account", _USER)
async def enable_user(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Undo it."""
    user = _with_id(server, arguments["id"])
    server.accounts.set_state(user.user_id, "enabled")
    return {"user": _user_row(server, user)}


@command("disableAccount", "Disables an account", *_ACCOUNT, Param("lock", "boolean", required=True), is_async=True)
async def disable_account(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Lock or disable: its calls and logins are refused. Its VMs run on, where CloudStack would stop them."""
    account = _account(server, arguments)
    state = "locked" if arguments["lock"] else "disabled"
    java = ("account.DisableAccountCmd", "Account", account.account_id)
    return _switch_off(server, java, state, lambda: {"account": _account_row(server, account)})


@command("enableAccount", "Enables an account", *_ACCOUNT)
async def enable_account(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Undo it."""
    account = _account(server, arguments)
    server.accounts.set_state(account.account_id, "enabled")
    return {"account": _account_row(server, account)}


def _switch_off(server: Management, what: tuple[str, str, str], state: str, shown: Callable[[], Row]) -> dict[str, Any]:
    java_class, kind, identity = what

    async def work() -> Row:
        server.accounts.set_state(identity, state)
        return shown()

    return {"jobid": server.jobs.submit(f"{_JAVA}.{java_class}", (kind, identity), work).id}


def _with_id(server: Management, identity: str) -> Caller:
    """That there is one has been checked."""
    return next(one for one in server.accounts.callers if identity in (one.user_id, one.account_id))


def _account(server: Management, arguments: Arguments) -> Caller:
    """By id, or by name and domain; raises ApiError 431."""
    if "id" in arguments:
        return _with_id(server, arguments["id"])
    if "account" not in arguments or "domainid" not in arguments:
        raise ApiError(PARAMETER, "Specify either the account's id, or its name and the domain's id")
    return server.accounts.named(arguments["account"])
