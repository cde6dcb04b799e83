# SPDX-License-Identifier: Apache-2.0
"""One file over http(s), bounded in size and time, into a private file that appears only when it is whole."""

import asyncio
import contextlib
import hashlib
import http.client
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from .errors import BadReply, CloudStackError, Unreachable
from .text import one_line

Connect = Callable[[str, int], Awaitable[socket.socket]]
"""A connected TCP socket to host and port; raises OSError."""

MOST_BYTES = 256 * 1024 * 1024
LIMIT_S = 300.0
CONNECT_S = 10.0
CHUNK = 65_536
_TRUST = "Add the CA that signed it to the cloud's `ca_file`, or set `verify_tls: false`."


@dataclass(frozen=True, slots=True)
class Download:
    """A file that arrived whole: its length and its SHA-256 in hex; `content` is zip, gzip, tar or unknown."""

    path: Path
    size: int
    sha256: str
    content: str


async def download(
    command: str,
    url: str,
    path: Path,
    *,
    connect: Connect,
    verify: bool | ssl.SSLContext = True,
    most_bytes: int = MOST_BYTES,
    limit_s: float = LIMIT_S,
) -> Download:
    """Fetch `url` into `path` (0600). `command` gave the URL: errors are told in its name.

    Redirects are refused. Raises CloudStackError; then there is no file.
    """
    parts, port = _checked(command, url)
    host = parts.hostname or ""
    try:
        async with asyncio.timeout(min(CONNECT_S, limit_s)):
            sock = await connect(host, port)
    except (OSError, TimeoutError) as error:
        why = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        text = f"the file is at {parts.scheme}://{parts.netloc}, which cannot be reached: {one_line(why, 120)}"
        hint = "It is the secondary storage VM's public address: is there a way to it from here?"
        raise Unreachable(command, text, hint=hint, maybe_sent=False) from None
    stop = time.monotonic() + limit_s
    part = path.with_name(f".{path.name}.part")
    lever = sock.dup()
    fetching = asyncio.create_task(asyncio.to_thread(_fetch, command, parts, sock, verify, part, most_bytes, stop))
    try:
        found = await asyncio.shield(fetching)
        part.replace(path)
        return Download(path, *found)
    except OSError as error:
        raise CloudStackError(command, f"{path}: {error.strerror or error}", hint="Choose another folder.") from None
    finally:
        if not fetching.done():  # a thread cannot be cancelled; one whose connection is gone ends
            with contextlib.suppress(OSError):
                lever.shutdown(socket.SHUT_RDWR)
            await asyncio.wait({fetching})
            fetching.exception()
        lever.close()
        part.unlink(missing_ok=True)


def _checked(command: str, url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        plain = parts.hostname and port and not parts.username and not parts.password
    except ValueError:
        plain = None
    if not plain or len(url) > 4_096 or any(ord(char) <= 32 or ord(char) > 126 for char in url):
        raise BadReply(command, f"{one_line(url, 80)!r} is no http(s) address", hint="Nothing was fetched.")
    return parts, port


def _fetch(
    command: str,
    parts: SplitResult,
    sock: socket.socket,
    verify: bool | ssl.SSLContext,
    part: Path,
    most_bytes: int,
    stop: float,
) -> tuple[int, str, str]:
    """In a thread: length, SHA-256 and kind of what was written to `part`. Raises CloudStackError or OSError."""
    connection = http.client.HTTPConnection(parts.netloc)
    try:
        sock.setblocking(True)
        sock.settimeout(CONNECT_S)
        connection.sock = _wrapped(parts, sock, verify)
        connection.request("GET", f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}")
        reply = connection.getresponse()
        if reply.status != 200:
            raise BadReply(command, f"{parts.netloc} answered {reply.status} to the download", http_status=reply.status)
        if reply.length is not None and reply.length > most_bytes:
            raise _too_long(command, reply.length, most_bytes)
        return _keep(reply, command, part, most_bytes, stop)
    except _Unwritable as error:
        raise error.reason from None
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate of {parts.netloc} is not trusted: {error.verify_message}"
        raise BadReply(command, text, hint=_TRUST) from None
    except ssl.SSLError as error:
        raise BadReply(command, f"no TLS with {parts.netloc}: {one_line(error.reason or error, 80)}") from None
    except (OSError, http.client.HTTPException) as error:
        what = "it did not answer in time" if isinstance(error, TimeoutError) else one_line(error, 120) or "no HTTP"
        raise BadReply(command, f"the download from {parts.netloc} broke off: {what}", hint="Try again.") from None
    finally:
        connection.close()
        sock.close()


class _Unwritable(Exception):
    """The file cannot be written: nothing that the server did."""

    def __init__(self, reason: OSError) -> None:
        self.reason = reason
        super().__init__(str(reason))


def _wrapped(parts: SplitResult, sock: socket.socket, verify: bool | ssl.SSLContext) -> socket.socket:
    if parts.scheme == "http":
        return sock
    if isinstance(verify, ssl.SSLContext):
        context = verify
    else:
        context = ssl.create_default_context()
        if not verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock, server_hostname=parts.hostname)


def _keep(
    reply: http.client.HTTPResponse, command: str, part: Path, most_bytes: int, stop: float
) -> tuple[int, str, str]:
    digest, size, head, wanted = hashlib.sha256(), 0, b"", reply.length
    with _private(part) as file:
        while chunk := reply.read1(CHUNK):
            size += len(chunk)
            if size > most_bytes:
                raise _too_long(command, size, most_bytes)
            if time.monotonic() > stop:
                raise BadReply(command, f"the download is too slow: {size} bytes until the time was up")
            head = (head + chunk)[:512] if len(head) < 512 else head
            digest.update(chunk)
            _write(file, chunk)
    if wanted is not None and size != wanted:
        raise BadReply(command, f"the download ended after {size} of {wanted} bytes", hint="Try again.")
    return size, digest.hexdigest(), _content(head)


def _private(part: Path) -> FileIO:
    try:
        return FileIO(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb")
    except OSError as error:
        raise _Unwritable(error) from None


def _write(file: FileIO, chunk: bytes) -> None:
    try:
        while chunk:
            chunk = chunk[file.write(chunk) :]
    except OSError as error:
        raise _Unwritable(error) from None


def _content(head: bytes) -> str:
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    return "tar" if head[257:262] == b"ustar" else "unknown"


def _too_long(command: str, size: int, most: int) -> BadReply:
    return BadReply(command, f"the file has {size} bytes or more, the limit is {most}", hint="Name fewer files.")
