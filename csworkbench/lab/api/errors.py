# SPDX-License-Identifier: Apache-2.0
"""Errors as the API tells them: HTTP status, `errorcode`, `cserrorcode` and a text."""

from __future__ import annotations

BAD_REQUEST = 400
UNAUTHORIZED = 401
METHOD_NOT_ALLOWED = 405
TOO_MANY = 429
MALFORMED_PARAMETER = 430
PARAMETER = 431
UNSUPPORTED = 432
UNAVAILABLE = 503
SECOND_FACTOR = 511
INTERNAL = 530
ACCOUNT = 531
ACCOUNT_LIMIT = 532
INSUFFICIENT_CAPACITY = 533
RESOURCE_UNAVAILABLE = 534
RESOURCE_ALLOCATION = 535
RESOURCE_IN_USE = 536

REQUEST_LIMIT = 4545
"""`cserrorcode` of the API's rate limit."""
_INVALID_VALUE = 4350
_DENIED = 4365
_GENERIC = 9999


class ApiError(Exception):
    """An API call that fails; `cs_code` None leaves `cserrorcode` out, as the signature check does."""

    def __init__(self, status: int, text: str, cs_code: int | None = _GENERIC) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.cs_code = cs_code


def bad_credentials() -> ApiError:
    """One text for every failure of the signature check, so that nothing can be probed."""
    return ApiError(UNAUTHORIZED, "unable to verify user credentials and/or request signature", None)


def denied(text: str) -> ApiError:
    """An object, account or domain that the caller may not use."""
    return ApiError(ACCOUNT, text, _DENIED)


def invalid_value(text: str) -> ApiError:
    """A value that a command refuses after the generic checks."""
    return ApiError(PARAMETER, text, _INVALID_VALUE)
