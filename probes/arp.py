# SPDX-License-Identifier: GPL-2.0-only
"""ARP who-has from the interface's own address; which MAC answered, and whether two do."""

from __future__ import annotations

import contextlib
import errno
import struct
from collections import deque
from time import monotonic_ns

from . import routes
from .codes import FLAG_VALUE, KIND_SAMPLE, KIND_SECOND_OWNER, NONE, OK
from .errors import StartError
from .filters import ARP_REPLY
from .link import Link
from .packets import address_number, who_has
from .table import Answer

REPLY = struct.Struct("!6sI6sI")  # sender MAC and address, target MAC and address: at 22 of the frame
REPLY_AT = 22
ADDRESS_CHECK_NS = 1_000_000_000
KEEP = 4096  # sends remembered per lane, to tell which who-has an answer read late belongs to
GONE = (errno.ENETDOWN, errno.ENXIO, errno.ENODEV)


class _Asked:
    """One who-has on its way: an ARP answer says nothing of the request, only its time does."""

    __slots__ = ("macs", "sent_ns", "seq")

    def __init__(self, seq, sent_ns):
        self.seq = seq
        self.sent_ns = sent_ns
        self.macs = ()


class _Target:
    __slots__ = ("asked", "checked_ns", "frame", "interface", "lane", "link", "own_address", "target", "target_number")

    def refresh(self, now_ns):
        """The own address may change while we run (DHCP). Raises OSError when none leads to the target any more."""
        own_address = routes.source_address(self.target, self.interface)
        if own_address != self.own_address:
            self.own_address = own_address
            self.frame = who_has(self.link.mac, own_address, self.target)
        self.checked_ns = now_ns


class ArpProber:
    def __init__(self, lanes):
        self._links = {}
        self._targets = {}
        for lane in lanes:
            self._open(lane)

    def _open(self, lane):
        interface = lane.interface or routes.interface_to(lane.target)
        if interface is None:
            raise StartError("interface", "lane %d: no interface leads to %s" % (lane.lane, lane.target))
        if interface not in self._links:
            self._links[interface] = Link(interface, ARP_REPLY)
        target = _Target()
        target.lane = lane.lane
        target.link = self._links[interface]
        target.interface = lane.interface
        target.target = lane.target
        target.target_number = address_number(lane.target)
        target.asked = deque(maxlen=KEEP)
        target.own_address = None
        if target.target_number in target.link.targets:
            raise StartError("plan", "two arp lanes ask for %s: an answer could not be told apart" % lane.target)
        try:
            target.refresh(monotonic_ns())
        except OSError as error:
            raise StartError("interface", "no own address towards %s: %s" % (lane.target, error.strerror)) from None
        target.link.targets[target.target_number] = target
        self._targets[lane.lane] = target

    def send(self, lane, seq, sent_ns):
        target = self._targets[lane]
        try:
            if sent_ns - target.checked_ns >= ADDRESS_CHECK_NS:
                target.refresh(sent_ns)
            target.asked.append(_Asked(seq, sent_ns))
            target.link.sock.send(target.frame)
        except OSError as error:
            if error.errno in GONE:
                self._rebind(target.link)
            return error.errno
        return None

    @staticmethod
    def _rebind(link):
        """An interface that went and came again has another index: the socket must be told, or it stays dead."""
        with contextlib.suppress(StartError):  # it is not back yet
            link.bind()

    def fileno(self):
        return -1

    @property
    def drained(self):
        return all(link.inbox.drained for link in self._links.values())

    def read(self, limit):
        answers = []
        for link in self._links.values():
            for frame, _sender, received_ns, kernel, _control in link.inbox.read(limit):
                if len(frame) >= REPLY_AT + REPLY.size:
                    self._match(link, frame, received_ns, kernel | FLAG_VALUE, answers)
        return answers

    @staticmethod
    def _match(link, frame, received_ns, flags, answers):
        mac, sender, _own_mac, asker = REPLY.unpack_from(frame, REPLY_AT)
        target = link.targets.get(sender)
        if target is None or asker != address_number(target.own_address):
            return
        # It belongs to the last who-has before it. The oldest open one would move the end of an outage back in time.
        for asked in reversed(target.asked):
            if asked.sent_ns <= received_ns:
                break
        else:
            return
        if mac in asked.macs:
            return
        kind = KIND_SECOND_OWNER if asked.macs else KIND_SAMPLE
        asked.macs += (mac,)
        value = int.from_bytes(mac, "big")
        answers.append(Answer(kind, target.lane, asked.seq, received_ns, OK, NONE, 0, value, flags))

    def expired(self, lane, seq):
        pass

    def close(self):
        for link in self._links.values():
            link.sock.close()


def open_prober(lanes, env):
    return ArpProber(lanes)
