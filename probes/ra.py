# SPDX-License-Identifier: GPL-2.0-only
"""Listens for IPv6 router advertisements on an interface: which router, with which lifetime? Sends nothing.

Its samples are heartbeats: ok while it can hear. Advertisements are records of their own.
"""

from __future__ import annotations

import errno
import socket
import struct

from . import routes
from .codes import FLAG_VALUE, KIND_ANNOUNCEMENT, KIND_SAMPLE, NONE, OK
from .icmp6 import low_bits, raw6, scope
from .inbox import Inbox
from .table import Answer

ADVERTISEMENT = 134
SOURCE_LINK_ADDRESS = 1
HOPS = 255  # RFC 4861 section 6.1.2: one that was forwarded is no advertisement
ADVERTISEMENT_HEAD = struct.Struct("!BBHBBHII")
SPACE = 256


class _Ear:
    __slots__ = ("interface", "lane", "last", "scope", "target")


class RaProber:
    def __init__(self, lanes):
        self._sock = raw6((ADVERTISEMENT,))
        self._sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        self._inbox = Inbox(self._sock, SPACE)
        self._ears = {}
        self._beats = []
        for lane in lanes:
            ear = _Ear()
            ear.lane, ear.last, ear.interface, ear.scope = lane.lane, 0, lane.interface, scope(lane)
            packed = socket.inet_pton(socket.AF_INET6, lane.target)
            ear.target = packed if any(packed) else None
            self._ears[lane.lane] = ear

    @property
    def drained(self):
        return self._inbox.drained

    def send(self, lane, seq, sent_ns):
        ear = self._ears[lane]
        ear.last = seq
        try:
            ear.scope = scope_now(ear.interface)
            if not routes.is_up(ear.interface):
                return errno.ENETDOWN
        except OSError as error:
            return error.errno
        self._beats.append(Answer(KIND_SAMPLE, lane, seq, sent_ns, OK, NONE, 0, 0, 0))
        return None

    def fileno(self):
        return -1

    def read(self, limit):
        answers, self._beats = self._beats, []
        for data, sender, received_ns, kernel, control in self._inbox.read(limit):
            said = advertisement(data)
            if said is None or hops(control) != HOPS:
                continue
            lifetime_s, mac = said
            packed = socket.inet_pton(socket.AF_INET6, sender[0].partition("%")[0])
            value = low_bits(sender[0]) if mac is None else mac
            answers += [
                Answer(
                    KIND_ANNOUNCEMENT, ear.lane, ear.last, received_ns, OK, NONE, lifetime_s, value,
                    kernel | FLAG_VALUE,
                )
                for ear in self._ears.values()
                if ear.scope == sender[3] and ear.target in (None, packed)
            ]  # fmt: skip
        return answers

    def expired(self, lane, seq):
        pass

    def close(self):
        self._sock.close()


def scope_now(interface):
    """The number of an interface, which changes when it goes and comes. Raises OSError with an errno."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        raise OSError(errno.ENODEV, "no such interface") from None


def hops(ancillary):
    for level, kind, data in ancillary:
        if (level, kind, len(data)) == (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, 4):
            return struct.unpack("@i", data)[0]
    return 0


def advertisement(data):
    """(router lifetime in s, MAC or None) of an ICMPv6 message, None when it is no advertisement."""
    if len(data) < ADVERTISEMENT_HEAD.size or data[0] != ADVERTISEMENT or data[1]:
        return None
    lifetime_s = ADVERTISEMENT_HEAD.unpack_from(data)[5]
    at = ADVERTISEMENT_HEAD.size
    while at + 8 <= len(data):
        kind, length = data[at], data[at + 1] * 8
        if not length:
            return None
        if kind == SOURCE_LINK_ADDRESS and length == 8:
            return lifetime_s, int.from_bytes(data[at + 2 : at + 8], "big")
        at += length
    return lifetime_s, None


def open_prober(lanes, env):
    return RaProber(lanes)
