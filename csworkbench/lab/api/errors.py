# SPDX-License-Identifier: Apache-2.0
"""Errors as the API tells them: HTTP status, `errorcode`, `cserrorcode` and a text."""

from __future__ import annotations

UNAUTHORIZED = 401
METHOD_NOT_ALLOWED = 405
MALFORMED_PARAMETER = 430
PARAMETER = 431
UNSUPPORTED = 432
INTERNAL = 530
RESOURCE_UNAVAILABLE = 534

_INVALID_VALUE = 4350
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


def invalid_value(text: str) -> ApiError:
    """A value that a command refuses after the generic checks."""
    return ApiError(PARAMETER, text, _INVALID_VALUE)
