# SPDX-License-Identifier: Apache-2.0
"""A journal in memory, a clock in the hand, and a real HTTP server that plays recorded replies."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.test_utils import TestServer

from csworkbench.cloudstack import Client, Credentials, Surroundings
from csworkbench.model.event import Body

KEY = "Lab-API-key_0001"
SECRET = "Lab-secret_0001"
EPOCH_S = 1_900_000_000
T = TypeVar("T")


class MemoryJournal:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.bodies: list[Body] = []

    def write(self, *bodies: Body) -> None:
        self.bodies += bodies

    def of(self, kind: type[T]) -> list[T]:
        return [body for body in self.bodies if isinstance(body, kind)]


class HandClock:
    """Time that only passes in `sleep`, plus 1 ms for each look at it, so that no two stamps are equal."""

    def __init__(self) -> None:
        self.ns = 5_000_000_000
        self.slept: list[float] = []

    def clock_ns(self) -> int:
        self.ns += 1_000_000
        return self.ns

    def wall_s(self) -> float:
        return EPOCH_S + self.ns / 1e9

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ns += int(seconds * 1e9)
        await asyncio.sleep(0)

    def surroundings(self, **others: Any) -> Surroundings:
        return Surroundings(clock_ns=self.clock_ns, wall_s=self.wall_s, sleep=self.sleep, jitter=lambda: 0.5, **others)


@dataclass
class Asked:
    """A request as the server saw it, decoded."""

    method: str
    params: dict[str, str]
    in_body: bool


@dataclass
class Raw:
    """A reply that is not CloudStack's JSON, or has another status."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Answer = dict[str, Any] | Raw | Callable[[dict[str, str]], Any]


def refusal(code: int, text: str, command: str = "x") -> Raw:
    """An error as section 1.7 shows it."""
    inner = {"uuidList": [], "errorcode": code, "cserrorcode": 4350, "errortext": text}
    return Raw(code, json.dumps({f"{command.lower()}response": inner}).encode())


class FakeCloud:
    """Plays one answer per command: a payload, a Raw, a function of the parameters, or a list of these in turn."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | list[Answer]] = {}
        self.asked: list[Asked] = []
        app = web.Application()
        app.router.add_route("*", "/client/api", self._serve)
        self.server = TestServer(app)

    @property
    def credentials(self) -> Credentials:
        return Credentials(str(self.server.make_url("/client/api")), KEY, SECRET)

    def calls(self, command: str) -> list[Asked]:
        return [a for a in self.asked if a.params["command"] == command]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = dict((await request.post()).items()) if request.method == "POST" else {}
        params = {k: str(v) for k, v in {**body, **request.query}.items()}
        self.asked.append(Asked(request.method, params, bool(body)))
        command = params["command"]
        answer = self.answers.get(command, refusal(401, "unable to verify user credentials", command))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(params)
        if isinstance(answer, Raw):
            return web.Response(
                status=answer.status, body=answer.body, headers=answer.headers, content_type="application/json"
            )
        return web.json_response({f"{command.lower()}response": answer})


@dataclass
class Bench:
    """A client against a FakeCloud, with its clock and its journal."""

    cloud: FakeCloud
    client: Client
    clock: HandClock
    journal: MemoryJournal


def api(name: str, *params: str, is_async: bool = False) -> dict[str, Any]:
    """A row of listApis."""
    return {"name": name, "isasync": is_async, "params": [{"name": p, "type": "string"} for p in params]}


def paged(object_key: str, found: list[dict[str, Any]]) -> Callable[[dict[str, str]], dict[str, Any]]:
    """A list command that pages as CloudStack does."""

    def answer(params: dict[str, str]) -> dict[str, Any]:
        size, page = int(params["pagesize"]), int(params["page"])
        part = found[(page - 1) * size : page * size]
        return {"count": len(found), object_key: part} if part else {}

    return answer
