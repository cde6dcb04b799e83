# SPDX-License-Identifier: Apache-2.0
"""One signed call over HTTP: method, time limits, size limit, retries of reads, and the journal entry."""

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from csworkbench.model.event import ApiCalled
from csworkbench.model.protocols import Journal

from .budget import CALLS_PER_SECOND, RateBudget
from .clock import ServerClockBounds, parse_date
from .credentials import Credentials
from .envelope import Row, parse
from .errors import BadReply, CloudStackError, RateLimited, Unauthorized, worth_retrying
from .signing import signed, wire
from .text import one_line, shown_params, shown_reply, without
from .unreachable import NETWORK_ERRORS, unreachable

REPLY_BYTES = 32 * 1024 * 1024
ATTEMPTS = 3
FIRST_DELAY_S = 0.25
SKEW_S = 60.0
_CHANGES_NAMED_LIKE_READS = frozenset({"getDiagnosticsData", "getUploadParamsForTemplate", "getUploadParamsForVolume"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Time, chance and limits of a client: everything that a test wants to hold in its hand.

    `clock_ns` is CLOCK_MONOTONIC in ns, `wall_s` seconds since 1970, `sleep` takes seconds, `jitter` gives [0, 1).
    `verify` is False to accept any TLS certificate, or a context with a CA of one's own.
    """

    clock_ns: Callable[[], int] = time.monotonic_ns
    wall_s: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    timeout_s: float = 60.0
    connect_s: float = 5.0
    reply_bytes: int = REPLY_BYTES
    verify: bool | ssl.SSLContext = True
    calls_per_second: int = CALLS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Reply:
    """The payload of a good reply, with our stamps just before it was asked for and just after it arrived."""

    payload: Row
    sent_ns: int
    received_ns: int


def is_read(command: str) -> bool:
    """True for calls that change nothing: they go by GET and may be repeated (cloudstack-api.md 1.3)."""
    return command.startswith(("list", "get", "query", "find")) and command not in _CHANGES_NAMED_LIKE_READS


class Transport:
    """Speaks to one management server. Changes are sent once, each on a connection of its own."""

    def __init__(self, credentials: Credentials, journal: Journal, around: Surroundings, budget: RateBudget) -> None:
        self.clock = ServerClockBounds()
        self._credentials = credentials
        self._journal = journal
        self._around = around
        self._budget = budget
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def call(
        self, command: str, params: Mapping[str, str], *, retry: bool = True, timeout_s: float | None = None
    ) -> Reply:
        """Make the call and return its payload. Raises CloudStackError.

        Only reads are repeated, up to 3 times in all, when no connection came about or the server answered 429 or
        503; and once when the first reply shows that our own clock, with which we signed, is far off.
        """
        attempts = ATTEMPTS if retry and is_read(command) else 1
        for attempt in range(1, attempts + 1):
            clock_was_known = self.clock.known
            try:
                return await self._once(command, params, timeout_s or self._around.timeout_s)
            except Unauthorized:
                if attempt == attempts or clock_was_known or abs(self.skew_s()) < SKEW_S:
                    raise
            except CloudStackError as error:
                if attempt == attempts or not worth_retrying(error):
                    raise
                delay = FIRST_DELAY_S * 2 ** (attempt - 1) * (0.5 + self._around.jitter())
                if isinstance(error, RateLimited):
                    delay = error.wait_s * (1 + 0.2 * self._around.jitter())  # never less than was asked for
                await self._around.sleep(delay)
        raise AssertionError("unreachable")

    def skew_s(self) -> float:
        """Seconds by which the server's clock is ahead of this host's wall clock; 0 while it is unknown."""
        return self._server_now_s() - self._around.wall_s()

    def _server_now_s(self) -> float:
        return self.clock.now_s(self._around.clock_ns()) if self.clock.known else self._around.wall_s()

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def _once(self, command: str, params: Mapping[str, str], timeout_s: float) -> Reply:
        await self._budget.take()
        try:
            request = signed(command, params, self._credentials, self._server_now_s())
            query = wire(request)
        except ValueError as error:
            raise CloudStackError(command, f"the call cannot be made: {error}", hint="Check its parameters.") from None
        method = "GET" if is_read(command) else "POST"
        status, body, problem = 0, b"", ""
        sent, received = self._around.clock_ns(), 0
        try:
            status, date, body = await self._exchange(method, command, query, timeout_s)
            received = self._around.clock_ns()
            bounds = self.clock.add(date, sent, received) if date is not None else None
            if bounds is not None:
                self._journal.write(bounds)
            return Reply(parse(command, status, body), sent, received)
        except CloudStackError as error:
            problem, status = str(error), status or error.http_status
            raise
        except BaseException as error:
            problem = type(error).__name__
            raise
        finally:
            secrets = (self._credentials.secret, self._credentials.key, request["signature"])
            self._journal.write(
                ApiCalled(
                    command=command,
                    params=shown_params({k: v for k, v in request.items() if k not in ("command", "response")}),
                    method=method,
                    started_ns=sent,
                    ended_ns=received or self._around.clock_ns(),
                    status=status,
                    error=without(problem, secrets),
                    reply=shown_reply(body[:16_384].decode("utf-8", errors="replace"), secrets),
                )
            )

    async def _exchange(self, method: str, command: str, query: str, timeout_s: float) -> tuple[int, int | None, bytes]:
        endpoint = self._credentials.endpoint
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        url, data, headers = (f"{endpoint}?{query}", None, {}) if method == "GET" else (endpoint, query.encode(), form)
        limits = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(timeout_s, self._around.connect_s))
        try:
            async with self._session(method == "GET").request(
                method, URL(url, encoded=True), data=data, headers=headers, timeout=limits, allow_redirects=False
            ) as response:
                if 300 <= response.status < 400:
                    where = one_line(response.headers.get("Location", "nowhere"), 120).partition("?")[0]
                    raise BadReply(
                        command,
                        f"the endpoint redirects to {where}",
                        http_status=response.status,
                        hint="Configure the address that it redirects to.",
                    )
                body = await self._body(command, response)
                return response.status, parse_date(response.headers.get("Date", "")), body
        except NETWORK_ERRORS as error:
            raise unreachable(command, endpoint, error, change=method == "POST") from error

    async def _body(self, command: str, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(65_536):
            body += chunk
            if len(body) > self._around.reply_bytes:
                raise BadReply(
                    command,
                    f"the reply is longer than {self._around.reply_bytes} bytes",
                    http_status=response.status,
                    hint="Ask for less, or check what answers at the endpoint.",
                )
        return bytes(body)

    def _session(self, read: bool) -> aiohttp.ClientSession:
        # A kept-alive connection that the server has just closed leaves open whether a change got through.
        if read not in self._sessions:
            self._sessions[read] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._around.verify, force_close=not read),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._sessions[read]
