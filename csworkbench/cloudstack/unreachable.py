# SPDX-License-Identifier: Apache-2.0
"""Network trouble in words: what happened, and what to do about it."""

import errno
import ssl
from urllib.parse import urlsplit

import aiohttp

from .errors import CloudStackError, Unreachable

NETWORK_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


def unreachable(command: str, endpoint: str, error: Exception, *, change: bool) -> CloudStackError:
    """The Unreachable that tells of `error`. `maybe_sent` is False only when no connection came about."""
    text, hint, may_recover = _explain(urlsplit(endpoint).netloc, error)
    sent = not isinstance(error, _NEVER_SENT)
    if sent and change:
        hint += " The change may be under way: look before you repeat it."
    return Unreachable(command, text, hint=hint, maybe_sent=sent, retryable=may_recover)


def _explain(host: str, error: Exception) -> tuple[str, str, bool]:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name of {host} cannot be resolved", "Check the endpoint's host name and this host's DNS.", False
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", "") or error.certificate_error
        hint = "Give the CA that signed it, or switch TLS verification off for this cloud."
        return f"the TLS certificate of {host} is not trusted: {why}", hint, False
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return f"no TLS with {host}: {error}", "Check https or http, and the port, in the endpoint.", False
    if isinstance(error, aiohttp.InvalidURL):
        return f"{host} is not an address", "Check the endpoint.", False
    if isinstance(error, TimeoutError):
        return (
            f"{host} did not answer in time",
            "Check the address, firewalls on the way, and the server's load.",
            False,
        )
    return _no_connection(host, error)


def _no_connection(host: str, error: Exception) -> tuple[str, str, bool]:
    number = getattr(error, "errno", None)
    if number == errno.ECONNREFUSED:
        return f"{host} refused the connection", "Is the management server running, and is the port right?", True
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return f"no route to {host}", "Check the address and this host's network.", True
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | ConnectionResetError):
        return f"{host} closed the connection before its reply was complete", "Is it restarting? Try again.", True
    return f"no connection to {host}: {error}", "Check the endpoint and the network.", True
