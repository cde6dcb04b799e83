# SPDX-License-Identifier: Apache-2.0
"""A team store's address, `postgresql://user@host:port/database?option=value`, and how it is shown."""

from urllib.parse import parse_qsl, urlsplit

SCHEMES = ("postgresql", "postgres")
SECRETS = ("password", "sslpassword", "oauth_client_secret")
EXAMPLE = "postgresql://user@host/database"


class BadAddress(ValueError):
    """No address of a team store; the message does not quote it: it may hold a password."""


def check(address: str) -> str:
    """The address. Raises BadAddress."""
    try:
        parts = urlsplit(address)
        _ = parts.port, parse_qsl(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        raise BadAddress(f"this is no address of a team store; write {EXAMPLE}") from None
    if parts.scheme not in SCHEMES or "\0" in address:
        raise BadAddress(f"an address of a team store begins with postgresql://, e.g. {EXAMPLE}")
    return address


def has_password(address: str) -> bool:
    """Whether a secret stands in it."""
    parts = urlsplit(address)
    userinfo = parts.netloc.rpartition("@")[0]
    return ":" in userinfo or any(key in SECRETS for key, _ in parse_qsl(parts.query))


def shown(address: str) -> str:
    """Without passwords and options, except those that say where it is."""
    parts = urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    options = dict(parse_qsl(parts.query))
    where = [f"{key}={options[key]}" for key in ("service", "host", "port", "dbname") if key in options]
    base = f"postgresql://{user.partition(':')[0]}{at}{host}{parts.path}"
    return base + (f"?{'&'.join(where)}" if where else "")
