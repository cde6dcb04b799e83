# SPDX-License-Identifier: Apache-2.0
"""An address to listen at, `9400`, `127.0.0.1:9400` or `[::1]:9400`, and a socket that does."""

import re
import socket

LOCAL = "127.0.0.1"
_ADDRESS = re.compile(r"(?:(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]*)):)?([0-9]{1,5})")


class BadListen(ValueError):
    """No such address; the message is one clear line."""


def parsed(text: str) -> tuple[str, int]:
    """(host, port). Raises BadListen."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[3]) > 65535:
        raise BadListen(f"{text!r} is no address to listen at; write a port, e.g. 9400, or 127.0.0.1:9400, [::1]:9400")
    return match[1] or match[2] or LOCAL, int(match[3])


def listening(text: str) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises BadListen, OSError."""
    host, port = parsed(text)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(16)
    except BaseException:
        made.close()
        raise
    return made
