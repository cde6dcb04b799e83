# SPDX-License-Identifier: Apache-2.0
"""The HTTP side of the API: parameters from query and body, signature, dispatch, envelopes."""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from aiohttp import web

from csworkbench.lab import api
from csworkbench.lab.api import access, commands_sessions, http_faults
from csworkbench.lab.api.errors import INSUFFICIENT_CAPACITY as CAPACITY
from csworkbench.lab.api.errors import (
    INTERNAL,
    METHOD_NOT_ALLOWED,
    RESOURCE_UNAVAILABLE,
    UNSUPPORTED,
    ApiError,
)
from csworkbench.lab.api.registry import Command, available
from csworkbench.lab.api.validate import check
from csworkbench.lab.sessions import NOBODY, Caller, Session, current, serve_as

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

PATH = "/client/api"
MAX_BODY = 1 << 20
"""Bytes of a POST body."""
_MAX_PARAMETERS = 1000
_HIDDEN = frozenset({INTERNAL, CAPACITY, RESOURCE_UNAVAILABLE})
_GENERIC_TEXT = "Unable to process the request, please contact the administrator"
"""What others than root admins read instead of these errors' texts."""
_ERROR_KEY = "errorresponse"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
"""Characters that no XML document may contain, not even escaped."""
_log = logging.getLogger(__name__)

for _found in pkgutil.iter_modules(api.__path__):  # each registers its commands
    if _found.name.startswith("commands_"):
        importlib.import_module(f"{api.__name__}.{_found.name}")


def application(server: Management) -> web.Application:
    """The web application that serves one cloud."""

    async def handle(request: web.Request) -> web.Response:
        return await _handle(server, request)

    app = web.Application(client_max_size=MAX_BODY, middlewares=[http_faults.middleware(server.faults)])
    app.router.add_get(PATH, handle, allow_head=False)
    app.router.add_post(PATH, handle)
    return app


def integration_application(server: Management) -> web.Application:
    """What answers on `integration.api.port`: any path, no signature, everything as the system's own user."""

    async def handle(request: web.Request) -> web.Response:
        return await _handle(server, request, trusted=True)

    app = web.Application(client_max_size=MAX_BODY, middlewares=[http_faults.middleware(server.faults)])
    app.router.add_get("/{path:.*}", handle, allow_head=False)
    app.router.add_post("/{path:.*}", handle)
    return app


async def _handle(server: Management, request: web.Request, *, trusted: bool = False) -> web.Response:
    serve_as(NOBODY)  # one task serves all requests of a connection
    given = dict(_pairs(request.rel_url.raw_query_string)) if trusted else await _parameters(request)
    if server.away:  # its process is down: the kernel would refuse the connection, here it is closed at once
        if request.transport is not None:
            request.transport.abort()
        raise web.HTTPServiceUnavailable
    name = given.get("command")
    as_json = given.get("response") == "json"
    entry = available(server.profile).get(name) if name is not None else None
    answer = _Answer(server, as_json=as_json)
    try:
        http_faults.refuse(server.faults, name)
        if name in ("login", "logout") and trusted:
            raise ApiError(UNSUPPORTED, "The given command does not exist or it is not available for user")
        if entry is not None and name in ("login", "logout"):
            return (
                _log_in(server, request, entry, given, answer) if name == "login" else _log_out(server, request, answer)
            )
        session, caller = (None, server.accounts.system) if trusted else _caller(server, request, given)
        serve_as(caller)
        unsigned = trusted or session is not None
        entry = access.find_command(server, caller, str(name), session=unsigned)
        access.check_rate(server, caller)
        access.check_enforced(server, entry, request.method, given, session=unsigned)
        access.check_maintenance(server, entry)
        lowered = {key.lower(): value for key, value in given.items()}
        if session is not None and entry.name == "validateUserTwoFactorAuthenticationCode":
            commands_sessions.verify_second_factor(server, request.cookies[access.COOKIE], session, lowered)
        arguments = check(server, entry, lowered)
        access.check_objects(server, caller, entry, arguments)
        if session is not None and entry.name == "setupUserTwoFactorAuthentication":
            session.setting_up = session.second_factor = bool(arguments.get("enable", True))
        return answer.body(entry.response_name, await entry.handler(server, arguments))
    except ApiError as error:
        return answer.fail(entry, error)
    except Exception as error:
        _log.exception("command %s", name)
        return answer.fail(entry, ApiError(INTERNAL, f"Internal error executing command: {error}"))


def _caller(server: Management, request: web.Request, given: dict[str, str]) -> tuple[Session | None, Caller]:
    """A signature counts before a cookie that a client happens to send along. Raises ApiError."""
    if access.COOKIE not in request.cookies or any(name.lower() == "signature" for name in given):
        session, caller = None, access.signed_caller(server, given)
    else:
        session, caller = access.session_caller(server, request.cookies, given)
    access.check_source(server, caller, request.remote)
    return session, caller


def _log_in(
    server: Management, request: web.Request, entry: Command, given: dict[str, str], answer: _Answer
) -> web.Response:
    """Raises ApiError 405, 431 or 531."""
    if request.method != "POST":
        raise ApiError(METHOD_NOT_ALLOWED, "Please use HTTP POST to authenticate using this API", None)
    cookie, body = commands_sessions.open_session(
        server, check(server, entry, {key.lower(): value for key, value in given.items()})
    )
    response = answer.body(entry.response_name, body)
    response.set_cookie(access.COOKIE, cookie, path="/client", httponly=True, samesite="Lax")
    response.set_cookie("sessionkey", body["sessionkey"], path="/client", httponly=True, samesite="Lax")
    return response


def _log_out(server: Management, request: web.Request, answer: _Answer) -> web.Response:
    server.sessions.close(request.cookies.get(access.COOKIE, ""))
    response = answer.body("logoutresponse", {"description": "success"})
    response.del_cookie(access.COOKIE, path="/client")
    response.del_cookie("sessionkey", path="/client")
    return response


async def _parameters(request: web.Request) -> dict[str, str]:
    """Query string (the last of equal names) over body (the first of equal names)."""
    merged: dict[str, str] = {}
    if request.method == "POST" and request.content_type == "application/x-www-form-urlencoded":
        body = (await request.read()).decode("utf-8", "replace")
        for name, value in _pairs(body):
            merged.setdefault(name, value)
    merged.update(_pairs(request.rel_url.raw_query_string))
    return merged


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError as error:
        raise web.HTTPBadRequest(text="too many parameters") from error


@dataclass(frozen=True, slots=True)
class _Answer:
    """Writes replies in the form that the request asked for."""

    server: Management
    as_json: bool

    def fail(self, entry: Command | None, error: ApiError) -> web.Response:
        """The envelope of an error."""
        body: dict[str, Any] = {"uuidList": [], "errorcode": error.status}
        if error.cs_code is not None:
            body["cserrorcode"] = error.cs_code
        generic = error.status in _HIDDEN and not current().root
        body["errortext"] = _GENERIC_TEXT if generic else error.text
        key = entry.response_name if entry is not None and error.status != UNSUPPORTED else _ERROR_KEY
        response = self.body(key, body, status=error.status)
        text = "".join(char if " " <= char <= "~" else "?" for char in str(body["errortext"]))
        response.headers["X-Description"] = text[:512]
        return response

    def body(self, key: str, body: dict[str, Any], *, status: int = 200) -> web.Response:
        """The envelope. `Date` is the management server's clock, to the second."""
        headers = {"Date": format_datetime(datetime.now(UTC), usegmt=True), "X-Content-Type-Options": "nosniff"}
        if self.as_json:
            text = json.dumps({key: body}, ensure_ascii=False, separators=(",", ":"))
            kind = "application/json"
        else:
            version = self.server.profile.code_version
            text = f'<?xml version="1.0" encoding="UTF-8"?><{key} cloud-stack-version="{version}">{_xml(body)}</{key}>'
            kind = "text/xml"
        return web.Response(status=status, text=text, headers=headers, content_type=kind, charset="UTF-8")


def _xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(
            "".join(f"<{name}>{_xml(item)}</{name}>" for item in inner)
            if isinstance(inner, list)
            else f"<{name}>{_xml(inner)}</{name}>"
            for name, inner in value.items()
        )
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(_NOT_XML.sub("?", str(value)))
