# SPDX-License-Identifier: Apache-2.0
"""Signed requests (cloudstack-api.md 1.2, 1.3): pure functions, the time is a parameter."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from .credentials import Credentials

EXPIRES_AHEAD_S = 420.0  # enforcement refuses more than 900 s: either clock may be 7 to 8 minutes off


def parameter_name(name: str) -> str:
    """The name as it is sent: lower case, but a map's key (`details[0].cpuNumber`) keeps its case."""
    head, bracket, key = name.partition("].")
    return head.lower() + bracket + key


def encoded_value(value: str) -> str:
    """Percent-encoding as Java's URLEncoder does it, then `%20` for blanks. Raises ValueError on lone surrogates."""
    return quote(value, safe="*").replace("~", "%7E")


def string_to_sign(params: Mapping[str, str]) -> str:
    """All parameters but the signature, sorted by raw name, joined and lower-cased as a whole."""
    named = sorted((name, value) for name, value in params.items() if name.lower() != "signature")
    return "&".join(f"{name}={encoded_value(value)}" for name, value in named).lower()


def signature(params: Mapping[str, str], secret: str) -> str:
    """HMAC-SHA1 of the string to sign, in Base64 with padding, not yet percent-encoded."""
    digest = hmac.new(secret.encode(), string_to_sign(params).encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")


def expires(now_s: float, ahead_s: float = EXPIRES_AHEAD_S) -> str:
    """`now_s` (seconds since 1970) plus `ahead_s` in the one format that every version from 4.9 on reads."""
    return datetime.fromtimestamp(int(now_s + ahead_s), UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def signed(command: str, params: Mapping[str, str], credentials: Credentials, now_s: float) -> dict[str, str]:
    """All parameters of a call as they go on the wire, signature included. `now_s` is the server's time.

    Raises ValueError when two parameters have the same name.
    """
    request = {"command": command, "response": "json", "apikey": credentials.key}
    request |= {"signatureversion": "3", "expires": expires(now_s)}
    for name, value in params.items():
        sent_as = parameter_name(name)
        if sent_as in request or sent_as == "signature":
            raise ValueError(f"parameter {sent_as} is set twice")
        request[sent_as] = value
    request["signature"] = signature(request, credentials.secret)
    return request


def wire(params: Mapping[str, str]) -> str:
    """The parameters as a query string or a form body."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params.items())
