# SPDX-License-Identifier: Apache-2.0
"""Netlink messages to netfilter: how they are put together and taken apart."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

REQUEST, ACK, DUMP, CREATE, EXCLUSIVELY = 0x1, 0x4, 0x300, 0x400, 0x200
NESTED = 0x8000
ERROR, DONE = 2, 3
BATCH_BEGIN, BATCH_END = 0x10, 0x11
CTNETLINK, NFTABLES = 1, 10
_NETLINK_NETFILTER = 12
_TYPE_MASK = 0x3FFF
_HEAD = 20
"""Bytes before the attributes: the netlink header and netfilter's own."""


class Message(NamedTuple):
    """One message: subsystem and operation, address family, attributes; `code`: of an ERROR, 0 or a negative errno."""

    kind: int
    family: int
    body: bytes
    sequence: int
    code: int


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded."""
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def message(kind: int, flags: int, family: int, body: bytes = b"", *, sequence: int = 1, resource: int = 0) -> bytes:
    """One message; `kind`: subsystem << 8 | operation."""
    head = struct.pack("=IHHII", _HEAD + len(body), kind, flags | REQUEST, sequence, 0)
    return head + struct.pack("!BBH", family, 0, resource) + body


def attributes(data: bytes) -> dict[int, bytes]:
    """The values by kind, nested ones unopened."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            break
        found[kind & _TYPE_MASK] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def messages(data: bytes) -> Iterator[Message]:
    """What one or several datagrams hold."""
    offset = 0
    while offset + 16 <= len(data):
        length, kind, _, sequence, _ = struct.unpack_from("=IHHII", data, offset)
        if length < 16:
            return
        code = struct.unpack_from("=i", data, offset + 16)[0] if kind == ERROR else 0
        family = data[offset + 16] if length >= _HEAD else 0
        yield Message(kind, family, data[offset + _HEAD : offset + length], sequence, code)
        offset += (length + 3) & ~3


def connect(groups: int = 0) -> socket.socket:
    """A socket to this network namespace's netfilter, in these multicast groups (bits)."""
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    channel.bind((0, groups))
    channel.settimeout(5.0)
    return channel


def transact(channel: socket.socket, changes: list[bytes]) -> None:
    """One nftables transaction: all or nothing, confirmed. Changes are messages with ACK, numbered from 1.

    Raises OSError with the kernel's error.
    """
    channel.send(
        message(BATCH_BEGIN, 0, 0, resource=NFTABLES, sequence=0)
        + b"".join(changes)
        + message(BATCH_END, 0, 0, resource=NFTABLES, sequence=0)
    )
    confirmed(channel, len(changes))


def confirmed(channel: socket.socket, sequence: int) -> None:
    """Wait until the kernel has acknowledged that message. Raises OSError with its error."""
    while True:
        for answer in messages(channel.recv(65536)):
            if answer.kind == ERROR and answer.code:
                raise OSError(-answer.code, os.strerror(-answer.code))
            if answer.kind == ERROR and answer.sequence == sequence:
                return
