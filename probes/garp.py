# SPDX-License-Identifier: GPL-2.0-only
"""Listens for gratuitous ARP of an address: when did a router announce itself, with which MAC? Sends nothing.

Its samples are heartbeats: ok while it can hear. Announcements are records of their own.
"""

from __future__ import annotations

import contextlib
import errno
import struct

from . import routes
from .codes import FLAG_VALUE, KIND_ANNOUNCEMENT, KIND_SAMPLE, NONE, OK
from .errors import StartError
from .filters import GRATUITOUS_ARP
from .link import Link
from .packets import address_number
from .table import Answer

ARP_AT = 20  # operation, sender MAC, sender address, target MAC, target address
ARP = struct.Struct("!H6sI6sI")


class _Ear:
    __slots__ = ("lane", "last", "link")


class GarpProber:
    def __init__(self, lanes):
        self._links = {}
        self._ears = {}
        self._beats = []
        for lane in lanes:
            interface = lane.interface or routes.interface_to(lane.target)
            if interface is None:
                raise StartError("interface", "lane %d: no interface leads to %s" % (lane.lane, lane.target))
            if interface not in self._links:
                self._links[interface] = Link(interface, GRATUITOUS_ARP)
            ear = _Ear()
            ear.lane, ear.last, ear.link = lane.lane, 0, self._links[interface]
            ear.link.targets.setdefault(address_number(lane.target), []).append(ear)
            self._ears[lane.lane] = ear

    def send(self, lane, seq, sent_ns):
        ear = self._ears[lane]
        ear.last = seq
        try:
            if not routes.is_up(ear.link.interface):
                return errno.ENETDOWN
        except OSError as error:
            with contextlib.suppress(StartError):  # one that comes again has another index
                ear.link.bind()
            return error.errno
        self._beats.append(Answer(KIND_SAMPLE, lane, seq, sent_ns, OK, NONE, 0, 0, 0))
        return None

    def fileno(self):
        return -1

    @property
    def drained(self):
        return all(link.inbox.drained for link in self._links.values())

    def read(self, limit):
        answers, self._beats = self._beats, []
        for link in self._links.values():
            for frame, _sender, received_ns, kernel, _control in link.inbox.read(limit):
                said = announcement(frame)
                if said is not None:
                    operation, address, mac = said
                    answers += [
                        Answer(
                            KIND_ANNOUNCEMENT, ear.lane, ear.last, received_ns, OK, NONE, operation, mac,
                            kernel | FLAG_VALUE,
                        )
                        for ear in link.targets.get(address, ())
                    ]  # fmt: skip
        return answers

    def expired(self, lane, seq):
        pass

    def close(self):
        for link in self._links.values():
            link.sock.close()


def announcement(frame):
    """(operation, address, MAC) of a gratuitous ARP, None for anything else."""
    if len(frame) < ARP_AT + ARP.size:
        return None
    operation, mac, sender, _mac, target = ARP.unpack_from(frame, ARP_AT)
    if operation not in (1, 2) or sender != target:
        return None
    return operation, sender, int.from_bytes(mac, "big")


def open_prober(lanes, env):
    return GarpProber(lanes)
