# SPDX-License-Identifier: Apache-2.0
"""The server's side of request signing: rebuild the signed string, compare, check the expiry."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime

_UNCHANGED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_*")
_RFC822 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}")
_EXPIRING_VERSION = "3"


def encode(value: str) -> str:
    """Java's URLEncoder with `%20` for the blank: the encoding inside the string to sign."""
    return "".join(chr(byte) if byte in _UNCHANGED else f"%{byte:02X}" for byte in value.encode("utf-8", "replace"))


def string_to_sign(parameters: Mapping[str, str]) -> str:
    """Parameters in the order of their raw names, without the signature, lower-cased as a whole."""
    names = sorted(
        (name for name in parameters if name.lower() != "signature"), key=lambda name: name.encode("utf-16-be")
    )
    return "&".join(f"{name}={encode(parameters[name])}" for name in names).lower()


def sign(parameters: Mapping[str, str], secret: str) -> str:
    """Base64 of the HMAC-SHA1."""
    digest = hmac.new(secret.encode(), string_to_sign(parameters).encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def verifies(parameters: Mapping[str, str], signature: str, secret: str) -> bool:
    """Whether that signature belongs to these parameters; compared in constant time."""
    return hmac.compare_digest(sign(parameters, secret).encode(), signature.encode("utf-8", "replace"))


def unexpired(parameters: Mapping[str, str], now: datetime, *, iso: bool) -> bool:
    """Whether the request is still good. Only version 3 has an expiry; `iso`: the formats of 4.12 and later."""
    lowered = {name.lower(): value for name, value in parameters.items()}
    if lowered.get("signatureversion") != _EXPIRING_VERSION:
        return True
    until = parse_time(lowered.get("expires", ""), iso=iso)
    return until is not None and now.astimezone(UTC) <= until


def parse_time(text: str, *, iso: bool) -> datetime | None:
    """A time with a zone; None when the format is not one that the release accepts."""
    if not iso and not _RFC822.fullmatch(text):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None and "T" in text else None
