# SPDX-License-Identifier: Apache-2.0
"""A management server without namespaces behind real HTTP, for the tests of the API's edge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from csworkbench.lab.api.server import PATH, application
from csworkbench.lab.api.signature import sign
from csworkbench.lab.management import Management
from tests.lab.fake_management import KEY, SECRET, WaitingOrchestrator, management


class Served:
    """Calls to a server of one release, as `admin` unless other keys are given."""

    def __init__(self, http: TestClient[Any, Any], server: Management, orchestrator: WaitingOrchestrator) -> None:
        self.http, self.server, self.orchestrator = http, server, orchestrator
        self.keys = (KEY, SECRET)

    def as_user(self, account: str = "ops") -> None:
        """From now on calls are that account's; `ops` owns the network."""
        user = self.server.accounts.listing()[account]
        self.keys = (user["key"], user["secret"])

    def signed(self, command: str, **parameters: str) -> dict[str, str]:
        """The parameters of a call with its signature."""
        given = {"command": command, "response": "json", "apikey": self.keys[0], **parameters}
        return {**given, "signature": sign(given, self.keys[1])}

    async def post(self, parameters: dict[str, str], cookies: dict[str, str] | None = None) -> ClientResponse:
        """POST as it is."""
        return await self.http.post(PATH, data=parameters, headers=_cookies(cookies))

    async def get(self, parameters: dict[str, str], cookies: dict[str, str] | None = None) -> ClientResponse:
        """GET as it is."""
        return await self.http.get(PATH, params=parameters, headers=_cookies(cookies))

    async def call(self, command: str, **parameters: str) -> tuple[int, dict[str, Any]]:
        """A signed POST: HTTP status and the content of the envelope."""
        reply = await self.post(self.signed(command, **parameters))
        (content,) = (await reply.json()).values()
        return reply.status, content

    async def settled(self, reply: dict[str, Any]) -> dict[str, Any]:
        """The job of that reply, once it has ended."""
        self.orchestrator.go_on.set()
        while True:
            _, job = await self.call("queryAsyncJobResult", jobid=reply["jobid"])
            if job["jobstatus"]:
                return job

    async def set(self, **settings: str) -> None:
        """Change settings (`_` for `.`) and restart the management server, so that they are in force."""
        for name, value in settings.items():
            status, reply = await self.call("updateConfiguration", name=name.replace("_", "."), value=value)
            assert status == 200, reply
        self.server.restart()

    async def log_in(
        self, user: str, password: str | None = None, domain: str = "/"
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, content and the cookies of a login."""
        known = self.server.accounts.listing().get(user, {}).get("password", "")
        secret = known if password is None else password
        reply = await self.post(
            {"command": "login", "response": "json", "username": user, "password": secret, "domain": domain}
        )
        (content,) = (await reply.json()).values()
        self.http.session.cookie_jar.clear()  # the tests send them themselves
        return reply.status, content, {name: morsel.value for name, morsel in reply.cookies.items()}


def _cookies(cookies: dict[str, str] | None) -> dict[str, str]:
    """As a header, whatever the client's own cookie jar thinks."""
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}


@asynccontextmanager
async def served(release: str) -> AsyncIterator[Served]:
    """A server of that release for the length of a with block."""
    server, orchestrator = management(release)
    async with TestClient(TestServer(application(server))) as http:
        try:
            yield Served(http, server, orchestrator)
        finally:
            orchestrator.go_on.set()
            await server.jobs.close()
