# SPDX-License-Identifier: GPL-2.0-only
"""Reads the kernel's neighbour entry of an address: which MAC would packets go to? Sends nothing on the wire (S11)."""

from __future__ import annotations

import errno
import os
import socket
import struct
from time import monotonic_ns

from . import routes
from .codes import ABSENT, FAIL, FLAG_VALUE, KIND_SAMPLE, NONE, OK
from .errors import StartError
from .keys import family_of
from .table import Answer

RTM_NEWNEIGH, RTM_GETNEIGH = 28, 30
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
NDA_DST, NDA_LLADDR = 1, 2
WITH_MAC = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80  # reachable, stale, delay, probe, noarp, permanent
NO_SINGLE = (errno.EOPNOTSUPP, errno.EINVAL)  # a kernel before 5.0 tells only all entries at once
HEAD = struct.Struct("=IHHII")
NEIGHBOUR = struct.Struct("=BBHiHBB")
ATTRIBUTE = struct.Struct("=HH")
BLOCK_BYTES = 32 * 1024
MAX_BLOCKS = 64


class _Entry:
    __slots__ = ("family", "interface", "packed")


class NeighbourProber:
    """The kernel answers on the socket before the request's send returns, so that nothing is waited for."""

    def __init__(self, lanes):
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._sock.setblocking(False)
        self._sock.bind((0, 0))
        self._single = True
        self._number = int.from_bytes(os.urandom(2), "big")
        self._ready = []
        self.drained = True
        self._entries = {lane.lane: _entry(lane) for lane in lanes}

    def send(self, lane, seq, sent_ns):
        entry = self._entries[lane]
        try:
            found = self._look(entry, socket.if_nametoindex(entry.interface))
        except BlockingIOError:
            found = None
        except OSError as error:
            return errno.ENODEV if error.errno is None else error.errno
        mac, state = found or (None, 0)
        if mac is not None and state & WITH_MAC:
            verdict = (OK, NONE, state, int.from_bytes(mac[:8], "big"), FLAG_VALUE)
        else:
            verdict = (FAIL, ABSENT, state, 0, 0)
        self._ready.append(Answer(KIND_SAMPLE, lane, seq, monotonic_ns(), *verdict))
        return None

    def _look(self, entry, index):
        """(MAC, state) of the entry, None when there is none."""
        if self._single:
            self._ask(entry, index, single=True)
            found, number, _done = parse(self._sock.recv(BLOCK_BYTES), self._number, entry, index)
            if number not in NO_SINGLE:
                return found
            self._single = False
        self._ask(entry, index, single=False)
        found = None
        for _ in range(MAX_BLOCKS):  # to the end, or the rest would be read as the next one's
            block, number, done = parse(self._sock.recv(BLOCK_BYTES), self._number, entry, index)
            found = found or block
            if done or number:
                break
        return found

    def _ask(self, entry, index, single):
        self._number = (self._number + 1) & 0xFFFFFFFF
        body = NEIGHBOUR.pack(entry.family, 0, 0, index, 0, 0, 0)
        if single:
            body += ATTRIBUTE.pack(ATTRIBUTE.size + len(entry.packed), NDA_DST) + entry.packed
        flags = NLM_F_REQUEST | (0 if single else NLM_F_DUMP)
        self._sock.send(HEAD.pack(HEAD.size + len(body), RTM_GETNEIGH, flags, self._number, 0) + body)

    def fileno(self):
        return -1

    def read(self, limit):
        answers, self._ready = self._ready, []
        return answers

    def expired(self, lane, seq):
        pass

    def close(self):
        self._sock.close()


def parse(data, number, entry, index):
    """((MAC, state) of the entry or None, errno or 0, whether that was the end) from one block of messages."""
    at, found = 0, None
    while at + HEAD.size <= len(data):
        length, kind, _flags, got, _port = HEAD.unpack_from(data, at)
        if length < HEAD.size or at + length > len(data):
            break
        body = data[at + HEAD.size : at + length]
        at += (length + 3) & ~3
        if got != number:
            continue
        if kind == NLMSG_DONE:
            return found, 0, True
        if kind == NLMSG_ERROR and len(body) >= 4:
            return None, -struct.unpack_from("=i", body)[0], True
        if kind == RTM_NEWNEIGH:
            found = found or _neighbour(body, entry, index)
    return found, 0, False


def _neighbour(body, entry, index):
    if len(body) < NEIGHBOUR.size:
        return None
    family, _pad, _pad2, got_index, state, _flags, _type = NEIGHBOUR.unpack_from(body)
    attributes = {}
    at = NEIGHBOUR.size
    while at + ATTRIBUTE.size <= len(body):
        length, kind = ATTRIBUTE.unpack_from(body, at)
        if length < ATTRIBUTE.size or at + length > len(body):
            break
        attributes[kind] = body[at + ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    if (family, got_index, attributes.get(NDA_DST)) != (entry.family, index, entry.packed):
        return None
    return attributes.get(NDA_LLADDR), state


def _entry(lane):
    entry = _Entry()
    entry.family = family_of(lane.target)
    entry.packed = socket.inet_pton(entry.family, lane.target)
    if lane.interface is not None or entry.family == socket.AF_INET6:
        entry.interface = lane.interface
    else:
        entry.interface = routes.interface_to(lane.target)
    if entry.interface is None:
        raise StartError("interface", "lane %d: no interface leads to %s" % (lane.lane, lane.target))
    return entry


def open_prober(lanes, env):
    return NeighbourProber(lanes)
