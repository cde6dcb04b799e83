# SPDX-License-Identifier: Apache-2.0
"""Faults of the API's replies: refusals in an envelope, and what a proxy or a cut line make of a reply."""

from __future__ import annotations

import asyncio
import itertools

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from csworkbench.lab.api.errors import INTERNAL, REQUEST_LIMIT, TOO_MANY, UNAVAILABLE, ApiError
from csworkbench.lab.faults import Faults

SLOW_S = 5.0
"""Real seconds of `api-slow`, whatever the cloud's scale is."""
_STILL_ANSWERED = "listApis"
_BAD_GATEWAY = """<html>
<head><title>502 Bad Gateway</title></head>
<body>
<center><h1>502 Bad Gateway</h1></center>
<hr><center>nginx/1.22.1</center>
</body>
</html>
"""
_BARE_503 = """<html><head><title>Error 503 Service Unavailable</title></head>
<body><h2>HTTP ERROR 503 Service Unavailable</h2></body></html>
"""


def refuse(faults: Faults, command: str | None) -> None:
    """The refusals that come in an envelope: raises ApiError 429, 503 or 530."""
    if faults.is_set("api-503"):
        raise ApiError(UNAVAILABLE, "The management server is not ready to take calls")
    if faults.is_set("api-429"):
        text = "The given user has reached his/her account api limit, please retry after 1000 ms."
        raise ApiError(TOO_MANY, text, REQUEST_LIMIT)
    if faults.is_set("api-530") and command != _STILL_ANSWERED:
        raise ApiError(INTERNAL, "Internal error executing command, please contact your system administrator")


def middleware(faults: Faults) -> Middleware:
    """What happens to requests and replies outside the server's own code."""
    turns = itertools.count()

    @web.middleware
    async def spoil(request: web.Request, handler: Handler) -> web.StreamResponse:
        if faults.is_set("api-garbage"):
            return web.Response(status=502, text=_BAD_GATEWAY, content_type="text/html")
        if faults.is_set("api-503") and next(turns) % 2:
            return web.Response(status=503, text=_BARE_503, content_type="text/html")
        reply = await handler(request)
        if faults.is_set("api-slow"):
            await asyncio.sleep(SLOW_S)
        if faults.is_set("api-closed") and request.transport is not None:
            request.transport.close()
        if faults.is_set("api-truncated") and isinstance(reply, web.Response) and isinstance(reply.body, bytes):
            reply.body = reply.body[: len(reply.body) // 2]
        return reply

    return spoil
