# SPDX-License-Identifier: Apache-2.0
"""Who calls: accounts with their keys and passwords, login sessions, and the rate limit per account."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

ROOT_ADMIN, USER = "1", "0"
_MOST_SESSIONS = 1000
SESSION_S = 1800.0
"""A session ends so many seconds after its last call (the server's `session.timeout` of 30 minutes)."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An account with its one user. `root`: a root admin, who sees everything and is never throttled."""

    account: str
    account_id: str
    user: str
    user_id: str
    key: str
    secret: str
    password: str
    root: bool
    pin: str
    """What two-factor authentication with the provider `staticpin` asks for."""


NOBODY = Caller("admin", "", "admin", "", "", "", "", root=True, pin="")
"""The system itself, outside any request."""
_caller: ContextVar[Caller] = ContextVar("caller", default=NOBODY)


def current() -> Caller:
    """The caller of the request that is being served; its jobs inherit it."""
    return _caller.get()


def serve_as(caller: Caller) -> None:
    """From here on, this request is that caller's."""
    _caller.set(caller)


class Accounts:
    """`admin`, the root admin, and `ops`, the user to whom the network belongs."""

    def __init__(self, key: str, secret: str, ids: tuple[tuple[str, str], tuple[str, str]]) -> None:
        def derived(purpose: str) -> str:
            return base64.urlsafe_b64encode(hmac.digest(secret.encode(), purpose.encode(), hashlib.sha256)).decode()[
                :40
            ]

        def pin(name: str) -> str:
            return f"{int.from_bytes(hmac.digest(secret.encode(), name.encode(), hashlib.sha256)[:4]) % 1_000_000:06}"

        (admin, admin_user), (ops, ops_user) = ids
        self._callers = (
            Caller("admin", admin, "admin", admin_user, key, secret, derived("admin"), root=True, pin=pin("admin pin")),
            Caller(
                *("ops", ops, "ops", ops_user, derived("ops key"), derived("ops secret"), derived("ops")),
                root=False,
                pin=pin("ops pin"),
            ),
        )

    def by_key(self, key: str) -> Caller | None:
        """Whose API key that is."""
        return next((caller for caller in self._callers if hmac.compare_digest(_raw(caller.key), _raw(key))), None)

    def by_password(self, user: str, password: str) -> Caller | None:
        """Who logs in with that password."""
        for caller in self._callers:
            if caller.user == user and hmac.compare_digest(_raw(caller.password), _raw(password)):
                return caller
        return None

    def listing(self) -> dict[str, dict[str, str]]:
        """Credentials for the info object."""
        return {
            caller.account: {"key": caller.key, "secret": caller.secret, "password": caller.password, "pin": caller.pin}
            for caller in self._callers
        }


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "replace")


@dataclass(slots=True)
class Session:
    """A login: the cookie names it, `key` has to come with each call. `verified`: its second factor was given."""

    caller: Caller
    key: str
    last_s: float
    second_factor: bool
    verified: bool = False


class Sessions:
    """All logins by their cookie, as long as the management server runs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[str, Session] = {}

    def open(self, caller: Caller, *, second_factor: bool) -> tuple[str, Session]:
        """A new session with its cookie; beyond a thousand the oldest ends."""
        while len(self._open) >= _MOST_SESSIONS:
            del self._open[next(iter(self._open))]
        cookie = secrets.token_hex(16).upper()
        self._open[cookie] = Session(caller, secrets.token_urlsafe(24), self._clock(), second_factor)
        return cookie, self._open[cookie]

    def find(self, cookie: str) -> Session | None:
        """The living session of that cookie; it lives on from now."""
        session = self._open.get(cookie)
        if session is None or self._clock() - session.last_s > SESSION_S:
            self._open.pop(cookie, None)
            return None
        session.last_s = self._clock()
        return session

    def close(self, cookie: str) -> None:
        """End a session, if it is there."""
        self._open.pop(cookie, None)

    def clear(self) -> None:
        """End all."""
        self._open.clear()


class RateLimit:
    """Calls per account and interval, as `api.throttling.*` has it: a fixed window from the first call on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}

    def wait_ms(self, account: str, interval_s: float, most: int) -> int:
        """Count a call; 0, or the milliseconds until the account may call again."""
        now = self._clock()
        began, calls = self._windows.get(account, (now, 0))
        if now - began >= interval_s:
            began, calls = now, 0
        self._windows[account] = (began, calls + 1)
        return 0 if calls < most else max(1, int((began + interval_s - now) * 1000))

    def clear(self) -> None:
        """Forget all calls."""
        self._windows.clear()
