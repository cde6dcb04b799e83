# SPDX-License-Identifier: Apache-2.0
"""The cloud's small HTTP servers: metadata and passwords in a router, a page in each tenant.

They are forked from the host's agent, never executed, so ten of them cost milliseconds; therefore plain sockets: the
standard library's server takes 30 ms to import, in each of them. One thread per connection, one answer per connection.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

LISTENING = "listening on"
"""What a server writes to stderr when it accepts connections."""

_HEAD_LIMIT = 8192
_CLIENT_S = 5.0
_PR_SET_NAME = 15
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}

Answer = tuple[int, str]
Handler = Callable[[str, str, Mapping[str, str], str], Answer]
"""(method, path, headers by lower-case name, the client's address) to (status, text)."""


def website(name: str, port: int) -> str:
    """A tenant's page: any path answers the tenant's name."""
    return _serve("", port, "website", lambda _method, _path, _headers, _client: (200, f"{name}\n"))


def metadata(address: str, directory: str) -> str:
    """`/latest/...` of the client that asks, from DIRECTORY/CLIENT.json; 404 until that file is there."""

    def answer(method: str, path: str, _headers: Mapping[str, str], client: str) -> Answer:
        if method not in ("GET", "HEAD"):
            return 405, "Method Not Allowed\n"
        try:
            content: dict[str, str] = json.loads(Path(directory, f"{client}.json").read_text())
            return 200, content[path.rstrip("/").removeprefix("/latest/")]
        except (OSError, ValueError, KeyError):
            return 404, "Not Found\n"

    return _serve(address, 80, "metadata", answer)


def passwords(address: str, directory: str) -> str:
    """The password server: `send_my_password` answers DIRECTORY/CLIENT until the client says `saved_password`."""

    def answer(_method: str, _path: str, headers: Mapping[str, str], client: str) -> Answer:
        file = Path(directory, client)
        match headers.get("domu_request", ""):
            case "send_my_password":
                return 200, file.read_text() if file.exists() else "saved_password"
            case "saved_password":
                file.unlink(missing_ok=True)
                return 200, "saved_password"
            case "":
                return 200, "saved_password"
        return 400, "bad_request"

    return _serve(address, 8080, "passwd-server", answer)


def _serve(address: str, port: int, name: str, handler: Handler) -> str:
    """Never returns; raises OSError when the address cannot be bound."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, f"lab-{name}".encode())  # what `ps` shows
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(128)
        os.write(2, f"{LISTENING} {address}:{port}\n".encode())
        while True:
            client, (peer, _) = listener.accept()
            threading.Thread(target=_answer, args=(client, peer, handler), daemon=True).start()


def _answer(client: socket.socket, peer: str, handler: Handler) -> None:
    with client, suppress(OSError):
        client.settimeout(_CLIENT_S)
        data = b""
        while b"\r\n\r\n" not in data and b"\n\n" not in data:
            more = client.recv(_HEAD_LIMIT)
            if not more or len(data) > _HEAD_LIMIT:
                return
            data += more
        first, *lines = data.decode("latin-1").splitlines()
        words = first.split()
        pairs = (line.partition(":") for line in lines)
        headers = {key.strip().lower(): value.strip() for key, _, value in pairs}
        try:
            status, text = handler(words[0], words[1].partition("?")[0], headers, peer) if len(words) > 1 else (400, "")
        except ValueError:
            status, text = 400, ""
        body = text.encode()
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        client.sendall(head.encode() + (b"" if words and words[0] == "HEAD" else body))
