# SPDX-License-Identifier: Apache-2.0
"""Netfilter over netlink: a connection-tracking flush, and an outage timed to fractions of a millisecond.

Written here rather than run as `nft` and `conntrack`: the acknowledgement is the kernel's own, and nothing but one
system call lies between the stamps.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import time

_NETLINK_NETFILTER = 12
_NLMSG_ERROR = 2
_REQUEST, _ACK, _CREATE_EXCLUSIVELY = 0x1, 0x4, 0x600
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_SUBSYS_CTNETLINK, _SUBSYS_NFTABLES = 1, 10
_CT_DELETE = 2
_NEW_ELEMENT, _DELETE_ELEMENT = 12, 14
_NESTED = 0x8000
_AF_INET, _BRIDGE = 2, 7

TABLE, SET, PORT_SET = "lab", "cut", "cut_ports"
"""Names of the nftables tables and sets that the rules of gateway and switch look at (see `fabric`)."""


def _attribute(kind: int, value: bytes) -> bytes:
    padding = -len(value) % 4
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * padding


def _message(kind: int, flags: int, family: int, resource: int, body: bytes = b"", sequence: int = 1) -> bytes:
    payload = struct.pack("!BBH", family, 0, resource) + body
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, sequence, 0) + payload


def _open() -> socket.socket:
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    channel.bind((0, 0))
    channel.settimeout(5.0)
    return channel


def _acknowledged(channel: socket.socket, sequence: int) -> None:
    """Wait until the kernel has answered that message; raises OSError with its error."""
    while True:
        data = channel.recv(65536)
        offset = 0
        while offset + 16 <= len(data):
            length, kind, _, number, _ = struct.unpack_from("=IHHII", data, offset)
            if kind == _NLMSG_ERROR:
                (code,) = struct.unpack_from("=i", data, offset + 16)
                if code:
                    raise OSError(-code, os.strerror(-code))
                if number == sequence:
                    return
            offset += (length + 3) & ~3


def flush_conntrack() -> str:
    """Forget every tracked connection of this network namespace. Raises OSError."""
    with _open() as channel:
        channel.send(_message(_SUBSYS_CTNETLINK << 8 | _CT_DELETE, _REQUEST | _ACK, _AF_INET, 0))
        _acknowledged(channel, 1)
    return "{}"


def _element_batch(kind: int, family: int, name: str, keys: list[bytes]) -> bytes:
    elements = b"".join(_attribute(1 | _NESTED, _attribute(1 | _NESTED, _attribute(1, key))) for key in keys)
    body = (
        _attribute(1, TABLE.encode() + b"\0") + _attribute(2, name.encode() + b"\0") + _attribute(3 | _NESTED, elements)
    )
    flags = _REQUEST | _ACK | (_CREATE_EXCLUSIVELY if kind == _NEW_ELEMENT else 0)
    return (
        _message(_BATCH_BEGIN, _REQUEST, 0, _SUBSYS_NFTABLES, sequence=1)
        + _message(_SUBSYS_NFTABLES << 8 | kind, flags, family, 0, body, sequence=2)
        + _message(_BATCH_END, _REQUEST, 0, _SUBSYS_NFTABLES, sequence=3)
    )


def _apply(channel: socket.socket, batch: bytes) -> tuple[int, int]:
    """Send a prepared transaction; CLOCK_MONOTONIC in ns just before, and just after the kernel confirmed it."""
    before = time.monotonic_ns()
    channel.send(batch)
    _acknowledged(channel, 2)  # delivered after the commit
    return before, time.monotonic_ns()


def cut(addresses: list[str], length_ms: int, clock_offset_s: int) -> str:
    """Drop all that the gateway forwards for these addresses for so long; returns the stamps on the host's clock.

    An address that is cut already makes the transaction fail as a whole (EEXIST), so overlapping outages are refused.
    """
    return _cut(_AF_INET, SET, [socket.inet_aton(address) for address in addresses], length_ms, clock_offset_s)


def cut_ports(ports: list[int], length_ms: int, clock_offset_s: int) -> str:
    """The same at the switch, for these ports of the network's gateway address, both UDP and TCP."""
    return _cut(_BRIDGE, PORT_SET, [struct.pack("!H", port) for port in ports], length_ms, clock_offset_s)


def _cut(family: int, name: str, keys: list[bytes], length_ms: int, clock_offset_s: int) -> str:
    shift = clock_offset_s * 1_000_000_000
    start_batch, end_batch = (_element_batch(kind, family, name, keys) for kind in (_NEW_ELEMENT, _DELETE_ELEMENT))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    with _open() as channel:
        start = _apply(channel, start_batch)
        while (left := start[1] + length_ms * 1_000_000 - time.monotonic_ns()) > 0:
            time.sleep(left / 1e9)
        end = _apply(channel, end_batch)
    return json.dumps({"start_ns": [at - shift for at in start], "end_ns": [at - shift for at in end]})
