# SPDX-License-Identifier: Apache-2.0
"""Netfilter over netlink: a connection-tracking flush, and an outage timed to fractions of a millisecond.

Written here rather than run as `nft` and `conntrack`: the acknowledgement is the kernel's own, and nothing but one
system call lies between the stamps.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import time

from csworkbench.lab.netfilter import (
    ACK,
    CREATE,
    CTNETLINK,
    EXCLUSIVELY,
    NESTED,
    NFTABLES,
    attribute,
    confirmed,
    connect,
    message,
    transact,
)

_CT_DELETE = 2
_NEW_ELEMENT, _DELETE_ELEMENT = 12, 14
_AF_INET, _BRIDGE = 2, 7

TABLE, SET, PORT_SET = "lab", "cut", "cut_ports"
"""Names of the nftables tables and sets that the rules of gateway and switch look at (see `fabric`)."""


def flush_conntrack() -> str:
    """Forget every tracked connection of this network namespace. Raises OSError."""
    with connect() as channel:
        channel.send(message(CTNETLINK << 8 | _CT_DELETE, ACK, _AF_INET))
        confirmed(channel, 1)
    return "{}"


def _element(kind: int, family: int, name: str, keys: list[bytes]) -> bytes:
    """Put these keys into a set, or take them out."""
    elements = b"".join(attribute(1 | NESTED, attribute(1 | NESTED, attribute(1, key))) for key in keys)
    body = attribute(1, TABLE.encode() + b"\0") + attribute(2, name.encode() + b"\0") + attribute(3 | NESTED, elements)
    flags = ACK | (CREATE | EXCLUSIVELY if kind == _NEW_ELEMENT else 0)
    return message(NFTABLES << 8 | kind, flags, family, body)


def _apply(channel: socket.socket, change: bytes) -> tuple[int, int]:
    """Make a prepared change; CLOCK_MONOTONIC in ns just before, and just after the kernel confirmed it."""
    before = time.monotonic_ns()
    transact(channel, [change])  # confirmed after the commit
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
    opening, ending = (_element(kind, family, name, keys) for kind in (_NEW_ELEMENT, _DELETE_ELEMENT))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    with connect() as channel:
        start = _apply(channel, opening)
        while (left := start[1] + length_ms * 1_000_000 - time.monotonic_ns()) > 0:
            time.sleep(left / 1e9)
        end = _apply(channel, ending)
    return json.dumps({"start_ns": [at - shift for at in start], "end_ns": [at - shift for at in end]})
