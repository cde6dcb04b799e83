# SPDX-License-Identifier: Apache-2.0
"""Who calls: accounts with their keys and passwords, login sessions, and the rate limit per account."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import secrets
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum

from csworkbench.lab import records

_MOST_SESSIONS = 1000
SESSION_S = 1800.0
"""A session ends so many seconds after its last call (the server's `session.timeout` of 30 minutes)."""


class Role(IntEnum):
    """`accounttype`."""

    USER = 0
    ROOT_ADMIN = 1
    DOMAIN_ADMIN = 2


@dataclass(frozen=True, slots=True)
class Domain:
    """A node of the tree of domains; `path` leads to it from the root, e.g. `ROOT/tenants`."""

    id: str
    path: str
    parent: Domain | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def level(self) -> int:
        """0 is the root."""
        return self.path.count("/")

    def contains(self, other: Domain) -> bool:
        """Whether the other one is this one or below it."""
        return f"{other.path}/".startswith(f"{self.path}/")


@dataclass(frozen=True, slots=True)
class Caller:
    """An account with its one user. A root admin sees everything and is never throttled."""

    account: str
    account_id: str
    user: str
    user_id: str
    key: str
    secret: str
    password: str
    role: Role
    pin: str
    """What two-factor authentication with the provider `staticpin` asks for."""
    domain: Domain

    @property
    def root(self) -> bool:
        """Whether it is a root admin."""
        return self.role is Role.ROOT_ADMIN

    def may_use(self, owner: Caller) -> bool:
        """Whether objects of that account may be seen and changed: all, those below the own domain, or the own."""
        if self.role is Role.DOMAIN_ADMIN:
            return self.domain.contains(owner.domain)
        return self.root or self.account_id == owner.account_id


_ADMIN = Role.ROOT_ADMIN
NOBODY = Caller("admin", "", "admin", "", "", "", "", role=_ADMIN, pin="", domain=Domain("", "ROOT"))
"""The system itself, outside any request."""
_caller: ContextVar[Caller] = ContextVar("caller", default=NOBODY)


def current() -> Caller:
    """The caller of the request that is being served; its jobs inherit it."""
    return _caller.get()


def serve_as(caller: Caller) -> None:
    """From here on, this request is that caller's."""
    _caller.set(caller)


class Accounts:
    """The accounts of the cloud, each with one user of the same name, and which of them are switched off.

    In ROOT the root admin `admin` and the user `ops`, to whom the network belongs; in ROOT/tenants the domain admin
    `dom` and the user `guest`, who owns nothing.
    """

    def __init__(self, key: str, secret: str, root_id: str, known: Sequence[tuple[str, str]]) -> None:
        """`known`: account and user id of `admin` and of `ops`; the other ids follow from the root domain's."""
        self._secret = secret
        rng = random.Random(root_id)  # noqa: S311 - ids, nothing secret
        self.root = Domain(root_id, "ROOT")
        self.tenants = Domain(records.new_id(rng), "ROOT/tenants", self.root)
        admin, ops = known
        dom, guest, system = [(records.new_id(rng), records.new_id(rng)) for _ in range(3)]
        self.callers = (
            Caller(
                *("admin", admin[0], "admin", admin[1], key, secret, self._derived("admin")),
                role=Role.ROOT_ADMIN,
                pin=self._pin("admin"),
                domain=self.root,
            ),
            self._caller("ops", ops, Role.USER, self.root),
            self._caller("dom", dom, Role.DOMAIN_ADMIN, self.tenants),
            self._caller("guest", guest, Role.USER, self.tenants),
        )
        names = ("system", system[0], "system", system[1], "", "", "")
        self.system = Caller(*names, role=Role.ROOT_ADMIN, pin="", domain=self.root)
        """As whom the integration port runs every call; no key and no password lead to it."""
        self._off: dict[str, str] = {}
        self.second_factor: set[str] = set()
        """Ids of the users who have set up a second factor."""

    def _derived(self, purpose: str) -> str:
        digest = hmac.digest(self._secret.encode(), purpose.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode()[:40]

    def _pin(self, name: str) -> str:
        digest = hmac.digest(self._secret.encode(), f"{name} pin".encode(), hashlib.sha256)
        return f"{int.from_bytes(digest[:4]) % 1_000_000:06}"

    def _caller(self, name: str, ids: tuple[str, str], role: Role, domain: Domain) -> Caller:
        words = (self._derived(f"{name} key"), self._derived(f"{name} secret"), self._derived(name))
        return Caller(name, ids[0], name, ids[1], *words, role=role, pin=self._pin(name), domain=domain)

    @property
    def domains(self) -> tuple[Domain, ...]:
        """All domains, the root first."""
        return (self.root, self.tenants)

    def ids(self) -> dict[str, set[str]]:
        """The ids of all accounts, users and domains, by kind."""
        return {
            "account": {caller.account_id for caller in self.callers},
            "user": {caller.user_id for caller in self.callers},
            "domain": {domain.id for domain in self.domains},
        }

    def named(self, account: str) -> Caller:
        """The account with that name; names are unique over all domains here. Raises KeyError."""
        for caller in (*self.callers, self.system):
            if caller.account == account:
                return caller
        raise KeyError(account)

    def by_id(self, identity: str) -> Caller | None:
        """Whose account or user that is."""
        return next((caller for caller in self.callers if identity in (caller.account_id, caller.user_id)), None)

    def domain(self, identity: str) -> Domain | None:
        """The domain with that id."""
        return next((domain for domain in self.domains if domain.id == identity), None)

    def by_key(self, key: str) -> Caller | None:
        """Whose API key that is."""
        return next((caller for caller in self.callers if hmac.compare_digest(_raw(caller.key), _raw(key))), None)

    def by_password(self, user: str, password: str, domain: Domain) -> Caller | None:
        """Who logs in to that domain with that password."""
        for caller in self.callers:
            known = caller.user == user and caller.domain == domain
            if known and hmac.compare_digest(_raw(caller.password), _raw(password)):
                return caller
        return None

    def state(self, identity: str) -> str:
        """`enabled`, `disabled` or `locked`, of an account or of a user."""
        return self._off.get(identity, "enabled")

    def set_state(self, identity: str, state: str) -> None:
        """From the next call on."""
        self._off[identity] = state

    def enabled(self, caller: Caller) -> bool:
        """Whether both the account and its user are enabled."""
        return {self.state(caller.account_id), self.state(caller.user_id)} == {"enabled"}

    def listing(self) -> dict[str, dict[str, str]]:
        """Credentials for the info object."""
        return {
            caller.account: {
                "key": caller.key,
                "secret": caller.secret,
                "password": caller.password,
                "pin": caller.pin,
                "domain": caller.domain.path,
            }
            for caller in self.callers
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
    setting_up: bool = False
    """The second factor was set up within this session and is not proven yet."""


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
