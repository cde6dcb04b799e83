# SPDX-License-Identifier: Apache-2.0
"""How to reach one management server, and as whom."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

DEFAULT_PATH = "/client/api"


@dataclass(frozen=True, slots=True)
class Credentials:
    """API endpoint, API key and secret key. `repr` shows neither key nor secret.

    An endpoint without a path gets `/client/api` (cloudstack-api.md 1.1). Raises ValueError, in one line that says
    what to write, when the endpoint is not a plain http(s) address or when key or secret is missing.
    """

    endpoint: str
    key: str = field(repr=False)
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoint", checked_endpoint(self.endpoint))
        if not self.key or not self.secret:
            raise ValueError("an API key and a secret key are needed: create them on the user's page in CloudStack")


def checked_endpoint(endpoint: str) -> str:
    """The endpoint with its path. Raises ValueError in one line when it is not a plain http(s) address."""
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"the endpoint is not an address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"the endpoint must look like https://HOST:8443/client/api, not {endpoint!r}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("the endpoint must have no user, no query and no fragment, only https://HOST:PORT/PATH")
    return f"{parts.scheme}://{parts.netloc}{DEFAULT_PATH}" if parts.path in ("", "/") else endpoint
