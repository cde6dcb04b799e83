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
from .errors import BadReply, CloudStackError, RateLimited, ReadOnly, Unauthorized, worth_retrying
from .login import SECRET_COOKIES, Login, Session, Sessions
from .read_only import is_read, only_looks
from .signing import parameter_name, signed, wire
from .slots import SharedSlots
from .text import one_line, shown_params, shown_reply, without
from .unreachable import NETWORK_ERRORS, unreachable

REPLY_BYTES = 32 * 1024 * 1024
ATTEMPTS = 3
FIRST_DELAY_S = 0.25
SKEW_S = 60.0
JOB_LIMIT_S = 7_200.0  # nobody waits longer for a job


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
    job_limit_s: float = JOB_LIMIT_S
    slots: SharedSlots | None = None  # in place of a rate of its own: one that other processes keep to as well


@dataclass(frozen=True, slots=True)
class Reply:
    """The payload of a good reply, with our stamps just before it was asked for and just after it arrived."""

    payload: Row
    sent_ns: int
    received_ns: int


class Transport:
    """Speaks to one management server. Changes are sent once, each on a connection of its own."""

    def __init__(
        self,
        credentials: Credentials | Login,
        journal: Journal,
        around: Surroundings,
        budget: RateBudget | SharedSlots,
        *,
        read_only: bool = False,
    ) -> None:
        self.clock = ServerClockBounds()
        self.read_only = read_only
        self._logins = Sessions(credentials, self._outside_session) if isinstance(credentials, Login) else None
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
        if self.read_only and not only_looks(command, params):
            raise ReadOnly(command, "this cloud may only be looked at: the call was not sent")
        attempts = ATTEMPTS if retry and is_read(command) else 1
        for attempt in range(1, attempts + 1):
            clock_was_known = self.clock.known
            try:
                return await self._signed_or_logged_in(command, params, timeout_s or self._around.timeout_s)
            except Unauthorized:
                if attempt == attempts or self._logins or clock_was_known or abs(self.skew_s()) < SKEW_S:
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

    @property
    def endpoint(self) -> str:
        """Where the server's API answers."""
        return self._credentials.endpoint

    async def close(self) -> None:
        """Log out, and close all connections."""
        if self._logins is not None:
            await self._logins.close()
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def _signed_or_logged_in(self, command: str, params: Mapping[str, str], timeout_s: float) -> Reply:
        if self._logins is None:
            return (await self._once(command, params, timeout_s))[0]

        async def call(session: Session) -> Reply:
            return (await self._once(command, params, timeout_s, session))[0]

        return await self._logins.within(command, call)

    async def _outside_session(
        self, command: str, params: dict[str, str], session: Session | None
    ) -> tuple[Row, dict[str, str]]:
        """For login and what belongs to it: the payload and the cookies. `session`: the one that is being opened."""
        reply, cookies = await self._once(command, params, self._around.timeout_s, session)
        return reply.payload, cookies

    def _request(
        self, command: str, params: Mapping[str, str], session: Session | None
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """All parameters as they go on the wire, and which texts must not be kept. Raises ValueError."""
        if isinstance(self._credentials, Credentials):
            request = signed(command, params, self._credentials, self._server_now_s())
            return request, (self._credentials.secret, self._credentials.key, request["signature"])
        secrets = (self._credentials.password, params.get("codefor2fa", ""), *(session.secrets if session else ()))
        own = {"command": command, "response": "json"} | ({"sessionkey": session.key} if session else {})
        return {parameter_name(name): value for name, value in params.items()} | own, secrets

    async def _once(
        self, command: str, params: Mapping[str, str], timeout_s: float, session: Session | None = None
    ) -> tuple[Reply, dict[str, str]]:
        await self._budget.take()
        try:
            request, secrets = self._request(command, params, session)
            query = wire(request)
        except ValueError as error:
            raise CloudStackError(command, f"the call cannot be made: {error}", hint="Check its parameters.") from None
        method = "GET" if is_read(command) and self._logins is None else "POST"  # no session key in a proxy's log
        cookies: dict[str, str] = {}
        status, body, problem = 0, b"", ""
        sent, received = self._around.clock_ns(), 0
        try:
            status, date, body, cookies = await self._exchange(method, command, query, timeout_s, session)
            received = self._around.clock_ns()
            bounds = self.clock.add(date, sent, received) if date is not None else None
            if bounds is not None:
                self._journal.write(bounds)
            return Reply(parse(command, status, body), sent, received), cookies
        except CloudStackError as error:
            error.mask(secrets)
            problem, status = str(error), status or error.http_status
            raise
        except BaseException as error:
            problem = type(error).__name__
            raise
        finally:
            secrets = (*secrets, *(cookies.get(name, "") for name in SECRET_COOKIES))
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

    async def _exchange(
        self, method: str, command: str, query: str, timeout_s: float, session: Session | None
    ) -> tuple[int, int | None, bytes, dict[str, str]]:
        endpoint = self._credentials.endpoint
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        url, data, headers = (f"{endpoint}?{query}", None, {}) if method == "GET" else (endpoint, query.encode(), form)
        headers = {**headers, "Cookie": session.header} if session is not None else headers
        limits = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(timeout_s, self._around.connect_s))
        try:
            async with self._session(is_read(command)).request(
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
                cookies = {name: morsel.value for name, morsel in response.cookies.items()}
                return response.status, parse_date(response.headers.get("Date", "")), body, cookies
        except NETWORK_ERRORS as error:
            raise unreachable(command, endpoint, error, change=not is_read(command)) from error

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
