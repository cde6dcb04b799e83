# SPDX-License-Identifier: Apache-2.0
"""A session by user name and password, with a second factor where one is asked for (cloudstack-api.md 1.4)."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from .credentials import checked_endpoint
from .envelope import Row, flag, string
from .errors import Account, BadReply, CloudStackError, TwoFactor, Unauthorized

LOGIN, LOGOUT = "login", "logout"
VALIDATE = "validateUserTwoFactorAuthenticationCode"
LOGOUT_LIMIT_S = 3.0
SECRET_COOKIES = ("JSESSIONID", "sessionkey")
MOST_COOKIES = 20
T = TypeVar("T")

AskCode = Callable[[str], Awaitable[str]]
"""Gets the code of a second factor; the argument names its provider, e.g. `totp`. Raises CloudStackError."""


@dataclass(frozen=True, slots=True)
class Login:
    """Where and as whom to log in; `repr` shows no password. `domain` is a path, ROOT when empty.

    Raises ValueError in one line, as Credentials.
    """

    endpoint: str
    username: str
    password: str = field(repr=False)
    domain: str = ""
    ask_code: AskCode | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoint", checked_endpoint(self.endpoint))
        if not self.username or not self.password:
            raise ValueError("a user name and a password are needed")

    @property
    def path(self) -> str:
        """The domain as `login` wants it: `/a/b`, also where it was written as CloudStack shows it, `ROOT/a/b`."""
        parts = [part for part in self.domain.split("/") if part]
        return "/" + "/".join(parts[1:] if parts[:1] == ["ROOT"] else parts)


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """An open session: what each call has to carry. Neither is ever shown."""

    key: str
    cookies: Mapping[str, str]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be kept."""
        return (self.key, *(self.cookies.get(name, "") for name in SECRET_COOKIES))

    @property
    def header(self) -> str:
        """The Cookie header."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())


Send = Callable[[str, dict[str, str], Session | None], Awaitable[tuple[Row, dict[str, str]]]]
"""Makes one call outside any session, or in that one: its payload, and the cookies that came with it."""


class Sessions:
    """Opens a session with the first call, and another one when that has ended."""

    def __init__(self, login: Login, send: Send) -> None:
        self._login, self._send = login, send
        self._open: Session | None = None
        self._opening = asyncio.Lock()
        self._refused: set[str] = set()
        self._rejected: CloudStackError | None = None

    async def within(self, command: str, call: Callable[[Session], Awaitable[T]]) -> T:
        """Make the call; once more in a new session when the one in use has ended. Raises CloudStackError.

        A server answers 401 to a dead session and, before 4.13.1 in the same words, to a command that the role lacks:
        a command that a new session is refused as well is not tried twice again. A refused call changed nothing.
        """
        known = self._open
        session = known or await self._renewed(None)
        try:
            return await call(session)
        except Unauthorized as error:
            if known is None or command in self._refused or command in error.text:
                raise
        session = await self._renewed(known)
        try:
            return await call(session)
        except Unauthorized:
            self._refused.add(command)
            raise

    async def close(self) -> None:
        """Log out, if anybody is logged in; a server that does not answer ends the session by itself."""
        session, self._open = self._open, None
        if session is not None:
            with contextlib.suppress(CloudStackError, TimeoutError):
                async with asyncio.timeout(LOGOUT_LIMIT_S):
                    await self._send(LOGOUT, {}, session)

    async def _renewed(self, ended: Session | None) -> Session:
        async with self._opening:
            if self._open is None or self._open is ended:
                self._open = None
                if self._rejected is not None:  # five wrong passwords, and CloudStack disables the user
                    raise self._rejected
                self._open = await self._log_in()
            return self._open

    async def _log_in(self) -> Session:
        given = {"username": self._login.username, "password": self._login.password}
        try:
            reply, cookies = await self._send(LOGIN, given | {"domain": self._login.path}, None)
        except (Account, Unauthorized) as error:
            who = f"{self._login.username} in {self._login.path}"
            hint = f"Check user name, password and domain ({who}), and that it is enabled."
            self._rejected = Unauthorized(LOGIN, error.text, http_status=error.http_status, hint=hint)
            raise self._rejected from None
        key = string(reply.get("sessionkey"), 1_000)
        # All of them: one may lead a load balancer to the management server that has the session.
        session = Session(key, dict(list(cookies.items())[:MOST_COOKIES]))
        if not key or not session.cookies.get(SECRET_COOKIES[0]):
            raise BadReply(LOGIN, "the reply brings no session", hint="Does a proxy in between take cookies away?")
        if flag(reply.get("is2faenabled")) and not flag(reply.get("is2faverified")):
            await self._second_factor(session, string(reply.get("providerfor2fa"), 60))
        return session

    async def _second_factor(self, session: Session, provider: str) -> None:
        if not provider:
            text = "this account must set up a second factor before it may do anything"
            raise TwoFactor(VALIDATE, text, hint="Set it up in CloudStack's own user interface, or use an API key.")
        if self._login.ask_code is None:
            raise TwoFactor(VALIDATE, "the login asks for a second factor, and there is nobody to give it")
        code = (await self._login.ask_code(provider)).strip()
        try:
            await self._send(VALIDATE, {"codefor2fa": code}, session)
        except CloudStackError as error:
            text = error.text.replace(code, "***") if code else error.text
            hint = "Try again with a new code." if isinstance(error, TwoFactor) else ""
            self._rejected = TwoFactor(VALIDATE, text, http_status=error.http_status, hint=hint)
            raise self._rejected from None
