# SPDX-License-Identifier: Apache-2.0
"""login, logout and the second factor. The cookie is the HTTP side's business (`server.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.errors import ACCOUNT, PARAMETER, SECOND_FACTOR, ApiError
from csworkbench.lab.api.listing import row
from csworkbench.lab.api.registry import Arguments, Param, command
from csworkbench.lab.sessions import SESSION_S, Domain, Session, current

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_ROOT_NUMBER = "1"
"""Old clients name the root domain by its internal number."""
_PROVIDER = "staticpin"


@command(
    "login",
    "Logs a user into the CloudStack. A successful login attempt will generate a JSESSIONID cookie value that can "
    "be passed in subsequent Query command calls until the logout command has been issued or the session has expired.",
    Param("username", required=True),
    Param("password", required=True),
    Param("domain"),
    Param("domainid"),
)
async def login(_server: Management, _arguments: Arguments) -> dict[str, Any]:
    """Reached only by a signed call: a login needs no signature and is served before one is looked for."""
    raise ApiError(ACCOUNT, "login needs a POST without signature", None)


def open_session(server: Management, arguments: Arguments) -> tuple[str, dict[str, Any]]:
    """The cookie and the reply of a login; raises ApiError 531 for wrong credentials."""
    domain = _domain(server, arguments)
    user, password = arguments["username"], arguments["password"]
    caller = server.accounts.by_password(user, password, domain) if domain is not None else None
    if caller is None or not server.accounts.enabled(caller):
        text = f"Failed to authenticate user {user} in domain 1; please provide valid credentials"
        raise ApiError(ACCOUNT, text, None)
    set_up = caller.user_id in server.accounts.second_factor
    second_factor = set_up or server.settings.flag("mandate.user.2fa", domain=caller.domain.id)
    cookie, session = server.sessions.open(caller, second_factor=second_factor)
    profile, twofa = server.profile, server.profile.has(4, 18)
    return cookie, row(
        username=caller.user,
        userid=caller.user_id,
        domainid=caller.domain.id,
        timeout=int(SESSION_S),
        account=caller.account,
        firstname=caller.user,
        lastname="lab",
        type=str(int(caller.role)),
        timezone="UTC",
        timezoneoffset="0.0",
        registered="false",
        sessionkey=session.key,
        is2faenabled=str(second_factor).lower() if twofa else None,
        is2faverified=str(not second_factor).lower() if twofa else None,
        providerfor2fa=_PROVIDER if twofa and second_factor else None,
        issuerfor2fa="CloudStack" if twofa and second_factor else None,
        managementserverid=server.fixtures.server if profile.has(4, 21) else None,
    )


def _domain(server: Management, arguments: Arguments) -> Domain | None:
    """By id, or by a path with or without `/` and `ROOT` in front; the root where none is named."""
    accounts = server.accounts
    if "domainid" in arguments:
        return accounts.root if arguments["domainid"] == _ROOT_NUMBER else accounts.domain(arguments["domainid"])
    parts = [part for part in str(arguments.get("domain", "")).split("/") if part]
    path = "/".join(parts if parts[:1] == ["ROOT"] else ["ROOT", *parts])
    return next((domain for domain in accounts.domains if domain.path == path), None)


@command("logout", "Logs out the user")
async def logout(_server: Management, _arguments: Arguments) -> dict[str, Any]:
    """The session itself is ended by the HTTP side."""
    return {"description": "success"}


@command(
    "validateUserTwoFactorAuthenticationCode",
    "Checks the 2FA code for the user.",
    Param("codefor2fa", required=True),
    since=(4, 18),
)
async def validate_code(_server: Management, _arguments: Arguments) -> dict[str, Any]:
    """Without a session there is nothing to verify."""
    return {"success": True}


def verify_second_factor(server: Management, cookie: str, session: Session, arguments: Arguments) -> None:
    """Take the code for this session. Raises ApiError 531 without one, and 511 for a wrong one, which ends the session.

    A session that has just set the factor up outlives a wrong code.
    """
    code = str(arguments.get("codefor2fa", ""))
    if not code:
        raise ApiError(ACCOUNT, "Code for two factor authentication is required", None)
    if code != session.caller.pin:
        if not session.setting_up:
            server.sessions.close(cookie)
        raise ApiError(SECOND_FACTOR, "two-factor authentication has failed for the user", None)
    session.verified, session.setting_up = True, False


@command(
    "setupUserTwoFactorAuthentication",
    "Setup the 2FA for the user.",
    Param("provider"),
    Param("enable", "boolean"),
    since=(4, 18),
)
async def setup_second_factor(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The only provider is the static PIN. From the next login on it is asked for."""
    if not arguments.get("enable", True):
        server.accounts.second_factor.discard(current().user_id)
        return {"setup2fa": {"id": current().user_id, "accountid": current().account_id}}
    if arguments.get("provider", _PROVIDER) != _PROVIDER:
        raise ApiError(PARAMETER, f"The given two factor authentication provider is not available: use {_PROVIDER}")
    server.accounts.second_factor.add(current().user_id)
    return {"setup2fa": {"id": current().user_id, "accountid": current().account_id, "secretcode": current().pin}}


@command(
    "listUserTwoFactorAuthenticatorProviders",
    "Lists user two factor authenticator providers",
    Param("name"),
    since=(4, 18),
)
async def list_second_factor_providers(_server: Management, _arguments: Arguments) -> dict[str, Any]:
    """The static PIN."""
    return {"count": 1, "providers": [{"name": _PROVIDER, "description": "Static Pin user two factor provider"}]}
