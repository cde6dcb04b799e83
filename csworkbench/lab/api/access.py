# SPDX-License-Identifier: Apache-2.0
"""Who may call what: signature or session, role, second factor, rate limit, enforced POST, maintenance."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from csworkbench.lab.api import errors, signature
from csworkbench.lab.api.errors import ApiError, bad_credentials, denied, invalid_value
from csworkbench.lab.api.registry import Arguments, Command, available
from csworkbench.lab.sessions import Caller, Role, Session

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

COOKIE = "JSESSIONID"
_LATEST_EXPIRY = timedelta(minutes=15)
_READS = ("get", "list", "query", "find")
SECOND_FACTOR_FREE = frozenset(
    {
        "listApis",
        "listIdps",
        "setupUserTwoFactorAuthentication",
        "listUserTwoFactorAuthenticatorProviders",
        "validateUserTwoFactorAuthenticationCode",
    }
)
_ADMIN_ONLY = frozenset(
    {
        "listRouters",
        "listInternalLoadBalancerVMs",
        "listSystemVms",
        "listHosts",
        "listConfigurations",
        "listAlerts",
        "listManagementServers",
        "listCapacity",
        "rebootRouter",
        "stopRouter",
        "startRouter",
        "destroyRouter",
        "upgradeRouterTemplate",
        "updateConfiguration",
        "resetConfiguration",
        "getRouterHealthCheckResults",
        "runDiagnostics",
        "getDiagnosticsData",
        "patchSystemVm",
        *("listUsers", "listDomains", "getUser", "updateResourceLimit", "deleteCounter"),
        *("disableUser", "enableUser", "disableAccount", "enableAccount"),
        "startSystemVm",
        "stopSystemVm",
        "rebootSystemVm",
        "destroySystemVm",
    }
)
"""Admin commands that a role of type User does not have."""
_DOMAIN_ADMIN_TOO = frozenset(
    {
        *("listRouters", "rebootRouter", "stopRouter", "startRouter", "destroyRouter"),
        *("listUsers", "listDomains", "updateResourceLimit"),
        *("disableUser", "enableUser", "disableAccount", "enableAccount"),
    }
)
"""Those of them that the role DomainAdmin has: what they touch is checked, object by object."""
_OWNED = frozenset(
    {"network", "vpc", "ilbvm", "router", "vm", "ip", "firewall", "egress", "forwarding", "loadbalancer"}
)
"""Kinds of rows that belong to the account of the networks."""
_IN_A_NETWORK = frozenset({"deployVirtualMachine", "associateIpAddress"})


def allowed(server: Management, caller: Caller) -> dict[str, Command]:
    """The commands of the release that the caller's role has."""
    known = available(server.profile)
    if caller.root:
        return known
    withheld = _ADMIN_ONLY - _DOMAIN_ADMIN_TOO if caller.role is Role.DOMAIN_ADMIN else _ADMIN_ONLY
    return {name: entry for name, entry in known.items() if name not in withheld}


def signed_caller(server: Management, given: Mapping[str, str]) -> Caller:
    """Who signed the request; raises ApiError 401, with one text whatever is wrong."""
    lowered = {name.lower(): value for name, value in given.items()}
    key, signed = lowered.get("apikey"), lowered.get("signature")
    if given.get("command") is None or key is None or signed is None:
        raise bad_credentials()
    caller = server.accounts.by_key(key)
    if caller is None or not signature.unexpired(given, datetime.now(UTC), iso=server.profile.has(4, 12)):
        raise bad_credentials()
    if not signature.verifies(given, signed, caller.secret):
        raise bad_credentials()
    if not server.accounts.enabled(caller):
        raise bad_credentials()
    if not server.settings.flag("api.key.access", domain=caller.domain.id):
        raise bad_credentials()
    return caller


def session_caller(server: Management, cookies: Mapping[str, str], given: Mapping[str, str]) -> tuple[Session, Caller]:
    """Whose session that is; raises ApiError 401 for a dead one, 400 without a command, 511 for the second factor."""
    cookie = cookies[COOKIE]
    session = server.sessions.find(cookie)
    if session is None:
        raise bad_credentials()
    if not _has_key(server, session, cookies, given) or not server.accounts.enabled(session.caller):
        server.sessions.close(cookie)  # the real server ends it too: the key may have been guessed
        raise bad_credentials()
    name = given.get("command")
    if name is None:
        status = errors.BAD_REQUEST if server.profile.has(4, 21) else errors.UNAUTHORIZED
        raise ApiError(status, "missing command, ignoring request...", None)
    if session.second_factor and not session.verified and name not in SECOND_FACTOR_FREE:
        server.sessions.close(cookie)
        text = "Two factor authentication 2FA is enabled but not verified. Existing session is invalidated."
        raise ApiError(errors.SECOND_FACTOR, f"Unable to process the API request due to :{text}", None)
    return session, session.caller


def _has_key(server: Management, session: Session, cookies: Mapping[str, str], given: Mapping[str, str]) -> bool:
    """Whether the session's key came where it has to: up to 4.19 as a parameter, then as the setting says."""
    as_parameter, as_cookie = given.get("sessionkey") == session.key, cookies.get("sessionkey") == session.key
    if not server.profile.has(4, 20):
        return as_parameter
    match server.settings.value("api.sessionkey.check.locations"):
        case "ParameterOnly":
            return as_parameter
        case "CookieOrParameter":
            return as_parameter or as_cookie
        case _:
            return as_parameter and as_cookie


def check_source(server: Management, caller: Caller, address: str | None) -> None:
    """Raises ApiError 401 for a call from outside the account's `api.allowed.source.cidr.list`."""
    settings = server.settings
    if not settings.flag("api.source.cidr.checks.enabled") or address is None:
        return
    source = ipaddress.ip_address(address)
    for text in settings.value("api.allowed.source.cidr.list", account=caller.account_id).split(","):
        with suppress(ValueError):  # an entry that is no network allows nobody
            if source in ipaddress.ip_network(text.strip(), strict=False):
                return
    raise bad_credentials()


def find_command(server: Management, caller: Caller, name: str, *, session: bool) -> Command:
    """The command; raises ApiError 401 or 432, as the release does for unknown and for forbidden ones."""
    entry = allowed(server, caller).get(name)
    if entry is not None:
        return entry
    old = not server.profile.has(4, 11)
    if old or (session and caller.root):
        raise ApiError(errors.UNSUPPORTED, "The given command does not exist or it is not available for user")
    raise ApiError(
        errors.UNAUTHORIZED,
        f"The given command '{name}' either does not exist, is not available for user, or not available",
    )


def check_objects(server: Management, caller: Caller, entry: Command, arguments: Arguments) -> None:
    """Raises ApiError 531 for an object, account or domain that is not the caller's; 431 for an unknown account."""
    _check_account(server, caller, arguments)
    owner = server.accounts.named(server.owner)
    if entry.name in _IN_A_NETWORK and not {"networkid", "networkids"} & set(arguments) and not caller.may_use(owner):
        raise invalid_value(f"No default Isolated network is found for account {caller.account}")
    for param in entry.params_of(server.profile):
        identity = arguments.get(param.name)
        if identity is None:
            continue
        whose = server.accounts.by_id(str(identity)) if param.entity in ("account", "user") else None
        if param.entity in _OWNED or param.name == "networkids":
            whose = owner
        if whose is not None and not caller.may_use(whose):
            kind = param.entity or "network"
            raise denied(f"{_named(caller)} does not have permission to operate with resource {kind} {identity}")


def _check_account(server: Management, caller: Caller, arguments: Arguments) -> None:
    domain = server.accounts.domain(arguments["domainid"]) if "domainid" in arguments else None
    if domain is not None and not caller.root and not caller.domain.contains(domain):
        raise denied(f"{_named(caller)} does not have permission to operate within domain id={domain.id}")
    if "account" not in arguments:
        return
    try:
        wanted = server.accounts.named(arguments["account"])
    except KeyError:
        wanted = None
    if wanted is None or (domain is not None and wanted.domain != domain):
        place = (domain or caller.domain).id
        raise invalid_value(f"Unable to find account by name {arguments['account']} in domain {place}")
    if not caller.may_use(wanted):
        raise denied(f"Can't create/list resources for account {wanted.account} in domain {wanted.domain.id}")


def _named(caller: Caller) -> str:
    return f"Acct[{caller.account_id}-{caller.account}]"


def check_rate(server: Management, caller: Caller) -> None:
    """Raises ApiError 429 when the account has called too often; root admins are exempt."""
    settings = server.settings
    if caller.root or not settings.flag("api.throttling.enabled"):
        return
    interval_s, most = settings.number("api.throttling.interval"), settings.number("api.throttling.max")
    wait_ms = server.rate.wait_ms(caller.account, interval_s, most)
    if wait_ms:
        text = f"The given user has reached his/her account api limit, please retry after {wait_ms} ms."
        raise ApiError(errors.TOO_MANY, text, errors.REQUEST_LIMIT)


def check_enforced(server: Management, entry: Command, method: str, given: Mapping[str, str], *, session: bool) -> None:
    """`enforce.post.requests.and.timestamps`: raises ApiError 400 (not by POST) or 401 (expiry)."""
    setting = "enforce.post.requests.and.timestamps"
    if not server.settings.flag(setting):
        return
    own = entry.name == "updateConfiguration" and given.get("name") == setting
    if method != "POST" and not entry.name.lower().startswith(_READS) and not own:
        text = f"State changing command {entry.name} needs to be sent using POST request"
        raise ApiError(errors.BAD_REQUEST, text, None)
    if session:
        return
    lowered = {name.lower(): value for name, value in given.items()}
    until = signature.parse_time(lowered.get("expires", ""), iso=True)
    if lowered.get("signatureversion") != "3" or until is None or until > datetime.now(UTC) + _LATEST_EXPIRY:
        raise bad_credentials()


def check_maintenance(server: Management, entry: Command) -> None:
    """Raises ApiError 503 for a command that would make a job while the server is in maintenance."""
    if server.maintenance and entry.is_async:
        text = "Maintenance or Shutdown has been initiated on this management server. Can not accept new jobs"
        raise ApiError(errors.UNAVAILABLE, text)
