# SPDX-License-Identifier: Apache-2.0
"""The HTTP side of the API: parameters from query and body, signature, dispatch, envelopes."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from aiohttp import web

from csworkbench.lab.api import commands_infrastructure, commands_log, commands_network, commands_routers, signature
from csworkbench.lab.api.errors import INTERNAL, UNAUTHORIZED, UNSUPPORTED, ApiError, bad_credentials
from csworkbench.lab.api.registry import COMMANDS, Command, available
from csworkbench.lab.api.validate import check

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

PATH = "/client/api"
MAX_BODY = 1 << 20
"""Bytes of a POST body."""
_MAX_PARAMETERS = 1000
_REGISTERED = (commands_infrastructure, commands_log, commands_network, commands_routers)
"""Imported for their registrations."""
_ERROR_KEY = "errorresponse"
_log = logging.getLogger(__name__)


def application(server: Management) -> web.Application:
    """The web application that serves one cloud."""

    async def handle(request: web.Request) -> web.Response:
        return await _handle(server, request)

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_get(PATH, handle, allow_head=False)
    app.router.add_post(PATH, handle)
    return app


async def _handle(server: Management, request: web.Request) -> web.Response:
    given = await _parameters(request)
    name = given.get("command")
    as_json = given.get("response") == "json"
    entry = COMMANDS.get(name) if name is not None else None
    try:
        entry = _authorised(server, given)
        lowered = {key.lower(): value for key, value in given.items()}
        body = await entry.handler(server, check(server, entry, lowered))
        return _respond(entry.response_name, body, as_json=as_json)
    except ApiError as error:
        return _fail(entry, error, as_json=as_json)
    except Exception as error:
        _log.exception("command %s", name)
        return _fail(entry, ApiError(INTERNAL, f"Internal error executing command: {error}"), as_json=as_json)


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


def _authorised(server: Management, given: dict[str, str]) -> Command:
    """The command, once the signature is verified; raises ApiError 401 (432 for an unknown command before 4.11)."""
    lowered = {name.lower(): value for name, value in given.items()}
    key, signed = lowered.get("apikey"), lowered.get("signature")
    name = given.get("command")
    if name is None or key is None or signed is None or key != server.key:
        raise bad_credentials()
    if not signature.unexpired(given, datetime.now(UTC), iso=server.profile.has(4, 12)):
        raise bad_credentials()
    if not signature.verifies(given, signed, server.secret):
        raise bad_credentials()
    entry = available(server.profile).get(name)
    if entry is None:
        if not server.profile.has(4, 11):
            raise ApiError(UNSUPPORTED, "The given command does not exist or it is not available for user")
        raise ApiError(
            UNAUTHORIZED,
            f"The given command '{name}' either does not exist, is not available for user, or not available",
        )
    return entry


def _fail(entry: Command | None, error: ApiError, *, as_json: bool) -> web.Response:
    body: dict[str, Any] = {"uuidList": [], "errorcode": error.status}
    if error.cs_code is not None:
        body["cserrorcode"] = error.cs_code
    body["errortext"] = error.text
    key = entry.response_name if entry is not None and error.status != UNSUPPORTED else _ERROR_KEY
    response = _respond(key, body, as_json=as_json, status=error.status)
    response.headers["X-Description"] = "".join(char if " " <= char <= "~" else "?" for char in error.text)[:512]
    return response


def _respond(key: str, body: dict[str, Any], *, as_json: bool, status: int = 200) -> web.Response:
    """The envelope. `Date` is the management server's clock, to the second."""
    headers = {"Date": format_datetime(datetime.now(UTC), usegmt=True), "X-Content-Type-Options": "nosniff"}
    if as_json:
        text = json.dumps({key: body}, ensure_ascii=False, separators=(",", ":"))
        return web.Response(status=status, text=text, headers=headers, content_type="application/json", charset="UTF-8")
    text = f'<?xml version="1.0" encoding="UTF-8"?><{key} cloud-stack-version="lab">{_xml(body)}</{key}>'
    return web.Response(status=status, text=text, headers=headers, content_type="text/xml", charset="UTF-8")


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
    return escape(str(value))
