# SPDX-License-Identifier: Apache-2.0
"""login, logout and the second factor. The cookie is the HTTP side's business (`server.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.errors import ACCOUNT, PARAMETER, ApiError
from csworkbench.lab.api.listing import row
from csworkbench.lab.api.registry import Arguments, Param, command
from csworkbench.lab.sessions import ROOT_ADMIN, SESSION_S, USER, Session, current

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_ROOT_PATHS = frozenset({"", "/", "ROOT", "/ROOT"})
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
    known = str(arguments.get("domain", "")) in _ROOT_PATHS
    known = known and arguments.get("domainid", server.fixtures.domain) in (server.fixtures.domain, "1")
    caller = server.accounts.by_password(arguments["username"], arguments["password"]) if known else None
    if caller is None:
        text = f"Failed to authenticate user {arguments['username']} in domain 1; please provide valid credentials"
        raise ApiError(ACCOUNT, text, None)
    second_factor = server.settings.flag("mandate.user.2fa")
    cookie, session = server.sessions.open(caller, second_factor=second_factor)
    profile, twofa = server.profile, server.profile.has(4, 18)
    return cookie, row(
        username=caller.user,
        userid=caller.user_id,
        domainid=server.fixtures.domain,
        timeout=int(SESSION_S),
        account=caller.account,
        firstname=caller.user,
        lastname="lab",
        type=ROOT_ADMIN if caller.root else USER,
        timezone="UTC",
        timezoneoffset="0.0",
        registered="false",
        sessionkey=session.key,
        is2faenabled=str(second_factor).lower() if twofa else None,
        is2faverified="false" if twofa else None,
        providerfor2fa=_PROVIDER if twofa and second_factor else None,
        issuerfor2fa="CloudStack" if twofa and second_factor else None,
        managementserverid=server.fixtures.server if profile.has(4, 21) else None,
    )


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


def verify_second_factor(session: Session, arguments: Arguments) -> None:
    """Take the code for this session; raises ApiError 431 for a wrong one."""
    if arguments["codefor2fa"] != session.caller.pin:
        raise ApiError(PARAMETER, "two-factor authentication has failed for the user: wrong code")
    session.verified = True


@command(
    "setupUserTwoFactorAuthentication",
    "Setup the 2FA for the user.",
    Param("provider"),
    Param("enable", "boolean"),
    since=(4, 18),
)
async def setup_second_factor(_server: Management, arguments: Arguments) -> dict[str, Any]:
    """The only provider is the static PIN."""
    if arguments.get("provider", _PROVIDER) != _PROVIDER:
        raise ApiError(PARAMETER, f"The given two factor authentication provider is not available: use {_PROVIDER}")
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
