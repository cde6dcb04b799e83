# SPDX-License-Identifier: Apache-2.0
"""Messages between the lab's processes: one JSON object per datagram of a SOCK_SEQPACKET pair, with descriptors.

The kernel keeps message borders and ties descriptors to their message, so neither framing nor counting is needed.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from typing import Any

MAX_MESSAGE = 160_000
"""Bytes; below the default send buffer (212,992) that a SEQPACKET message must fit into."""
MAX_DESCRIPTORS = 8

Message = dict[str, Any]


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(channel: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send one message; raises ValueError when it is too large and OSError when the other end is gone."""
    data = json.dumps(message, separators=(",", ":")).encode()
    if len(data) > MAX_MESSAGE:
        raise ValueError(f"message of {len(data)} bytes exceeds {MAX_MESSAGE}")
    socket.send_fds(channel, [data], list(descriptors))


def receive(channel: socket.socket) -> tuple[Message, list[int]] | None:
    """The next message and its descriptors (close-on-exec, now the caller's); None at end of stream."""
    data, descriptors, flags, _ = socket.recv_fds(channel, MAX_MESSAGE, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        close_all(descriptors)
        raise ValueError("truncated message")
    if not data:
        return None
    return json.loads(data), descriptors


def close_all(descriptors: Sequence[int]) -> None:
    """Close every descriptor of the list."""
    for descriptor in descriptors:
        os.close(descriptor)
