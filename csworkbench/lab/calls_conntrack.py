# SPDX-License-Identifier: Apache-2.0
"""Connection tracking over ctnetlink: one router's flows are read, followed, and entered into another one's kernel."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress

from csworkbench.lab.netfilter import (
    CREATE,
    CTNETLINK,
    DONE,
    DUMP,
    ERROR,
    EXCLUSIVELY,
    NESTED,
    attribute,
    attributes,
    connect,
    message,
    messages,
)

NEW, DELETE = CTNETLINK << 8, CTNETLINK << 8 | 2
_GET = CTNETLINK << 8 | 1
EVENTS = 0b111
"""Multicast groups: new, changed and destroyed flows."""
_ORIGINAL, _REPLY, _STATUS, _PROTOCOL, _NAT_SOURCE, _TIMEOUT, _MARK, _NAT_TARGET = 1, 2, 3, 4, 6, 7, 8, 13
_SOURCE_NAT, _TARGET_NAT = 0x10, 0x20
_SETTABLE = 0x2 | 0x4 | 0x8
"""Status bits that may be given: a reply was seen, assured, confirmed. Those of NAT follow from its ranges."""
_TCP, _ICMP = 6, 1
_ESTABLISHED = 3
_BE_LIBERAL = 0x08
_DEFAULT_TIMEOUT = struct.pack("!I", 60)
_ICMP_OTHER = {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17}
_SKIPPED = 0xFFFF


class _Tuple:
    """One direction of a flow: addresses, protocol, and its ports or ICMP's id, type and code."""

    __slots__ = ("protocol", "source", "target", "words")

    def __init__(self, data: bytes) -> None:
        parts = attributes(data)
        addresses, self.words = attributes(parts[1]), attributes(parts[2])
        self.source, self.target = addresses[1], addresses[2]
        self.protocol = self.words[1][0]

    def inverse(self) -> bytes:
        """The direction of the replies, if nothing were translated."""
        words = dict(self.words)
        if 2 in words and 3 in words:
            words[2], words[3] = words[3], words[2]
        if 5 in words:
            words[5] = bytes([_ICMP_OTHER.get(words[5][0], words[5][0])])
        addresses = attribute(1, self.target) + attribute(2, self.source)
        protocol = b"".join(attribute(kind, value) for kind, value in sorted(words.items()))
        return attribute(1 | NESTED, addresses) + attribute(2 | NESTED, protocol)

    def end(self, *, source: bool) -> bytes:
        """That end as the range of a translation: exactly this address, and this port or ICMP id."""
        place = self.words.get(4) if self.protocol == _ICMP else self.words.get(2 if source else 3)
        parts = attribute(1, self.source if source else self.target)
        if place is not None:
            parts += attribute(3 | NESTED, attribute(1, place) + attribute(2, place))
        return parts


class Flow:
    """A flow as a dump or an event describes it; `kind`: NEW or DELETE."""

    __slots__ = ("key", "kind", "known", "original", "reply", "status")

    def __init__(self, kind: int, known: dict[int, bytes]) -> None:
        self.kind, self.known, self.key = kind, known, known[_ORIGINAL]
        self.original, self.reply = _Tuple(self.key), _Tuple(known[_REPLY])
        self.status: int = struct.unpack("!I", known.get(_STATUS, b"\0\0\0\0"))[0]

    @property
    def is_established(self) -> bool | None:
        """Of TCP; None where it is not said."""
        if _PROTOCOL not in self.known:
            return None if self.original.protocol == _TCP else False
        return attributes(attributes(self.known[_PROTOCOL]).get(1, b"")).get(1) == bytes([_ESTABLISHED])

    def creation(self, sequence: int) -> bytes:
        """The message that enters it into another kernel, with its translation."""
        parts = attribute(_ORIGINAL | NESTED, self.key) + attribute(_REPLY | NESTED, self.original.inverse())
        parts += self._changeable()
        if self.status & _SOURCE_NAT:
            parts += attribute(_NAT_SOURCE | NESTED, self.reply.end(source=False))
        if self.status & _TARGET_NAT:
            parts += attribute(_NAT_TARGET | NESTED, self.reply.end(source=True))
        return message(NEW, CREATE | EXCLUSIVELY, socket.AF_INET, parts, sequence=sequence)

    def change(self, sequence: int) -> bytes:
        """The message that brings it up to date there."""
        parts = attribute(_ORIGINAL | NESTED, self.key) + self._changeable()
        return message(NEW, 0, socket.AF_INET, parts, sequence=sequence)

    def _changeable(self) -> bytes:
        known = self.known
        parts = attribute(_STATUS, struct.pack("!I", self.status & _SETTABLE))
        parts += attribute(_TIMEOUT, known.get(_TIMEOUT, _DEFAULT_TIMEOUT))
        if _MARK in known:
            parts += attribute(_MARK, known[_MARK])
        if _PROTOCOL in known and self.original.protocol == _TCP:
            parts += _liberal(known[_PROTOCOL])
        return parts


def _liberal(protocol: bytes) -> bytes:
    """TCP's state without its windows, which ctnetlink does not carry: the next packets set them anew."""
    known = attributes(attributes(protocol).get(1, b""))
    parts = b"".join(attribute(kind, known[kind]) for kind in (1, 2, 3) if kind in known)
    for kind in (4, 5):
        flags = known.get(kind, b"\0\0")[0] | _BE_LIBERAL
        parts += attribute(kind, bytes([flags, flags]))
    return attribute(_PROTOCOL | NESTED, attribute(1 | NESTED, parts))


class Census:
    """Which flows a router has; True: an established TCP connection. `own`: the router's addresses.

    What ends in the router itself (`ended`) dies with it: its daemons' connections. `control`: not counted at all.
    """

    def __init__(self, own: Collection[str], control: str) -> None:
        self._own = {socket.inet_aton(address) for address in own}
        self._control = socket.inet_aton(control)
        self.routed: dict[bytes, bool] = {}
        self.ended: dict[bytes, bool] = {}

    def belongs(self, flow: Flow) -> bool:
        """Take note of a flow; whether it is routed."""
        source, target = flow.original.source, flow.reply.source
        if self._control in (source, target) or source in self._own:
            return False
        kept = self.ended if target in self._own else self.routed
        established = flow.is_established
        kept[flow.key] = kept.get(flow.key, False) if established is None else established
        return kept is self.routed

    def forget(self, flow: Flow) -> None:
        """A flow is over."""
        self.routed.pop(flow.key, None)
        self.ended.pop(flow.key, None)

    def counts(self) -> dict[str, int]:
        """`flows` and established `sessions` that are routed, and established sessions that `ended` in the router."""
        return {
            "flows": len(self.routed),
            "sessions": sum(self.routed.values()),
            "ended": sum(self.ended.values()),
        }


class Copy:
    """Enters another router's flows, as its kernel tells them, into this one's."""

    def __init__(self, own: Collection[str], control: str) -> None:
        self.census = Census(own, control)
        self.refused = 0
        """Flows that the kernel did not take."""
        self._channel = connect()
        self._channel.setblocking(False)
        self._entered: set[bytes] = set()

    def apply(self, data: bytes) -> None:
        """Dumped flows and events, in their order."""
        changes = [change for flow in _flows(data) for change in self._change(flow)]
        for start in range(0, len(changes), 64):
            self._channel.send(b"".join(changes[start : start + 64]))
            self._read_errors()

    def _change(self, flow: Flow) -> Iterator[bytes]:
        if flow.kind == DELETE:
            self.census.forget(flow)
            if flow.key in self._entered:
                self._entered.discard(flow.key)
                yield message(DELETE, 0, socket.AF_INET, attribute(_ORIGINAL | NESTED, flow.key), sequence=_SKIPPED)
        elif self.census.belongs(flow):
            if flow.key in self._entered:
                yield flow.change(_SKIPPED)
            else:
                self._entered.add(flow.key)
                yield flow.creation(1)

    def _read_errors(self) -> None:
        """The kernel answers before `send` returns, where it refuses; a change of an expired flow is no loss."""
        with suppress(BlockingIOError):
            while True:
                for answer in messages(self._channel.recv(65536)):
                    self.refused += answer.kind == ERROR and answer.code != 0 and answer.sequence != _SKIPPED

    def close(self) -> None:
        """Flows stay."""
        self._channel.close()


def request_dump(channel: socket.socket) -> None:
    """Ask for all flows; the answer is read from the channel until `is_last`."""
    channel.send(message(_GET, DUMP, socket.AF_INET))


def is_last(data: bytes) -> bool:
    """Whether a dump's datagram is its last one."""
    return any(part.kind in (DONE, ERROR) for part in messages(data))


def _flows(data: bytes) -> Iterator[Flow]:
    """IPv4 only."""
    for part in messages(data):
        if part.kind in (NEW, DELETE) and part.family == socket.AF_INET:
            yield Flow(part.kind, attributes(part.body))


def tracked(own: list[str], control: str) -> str:
    """How many flows and sessions this router tracks (see `Census.counts`). Raises OSError."""
    census = Census(own, control)
    with connect() as channel:
        request_dump(channel)
        last = False
        while not last:
            data = channel.recv(65536)
            last = is_last(data)
            for flow in _flows(data):
                census.belongs(flow)
    return json.dumps(census.counts())
