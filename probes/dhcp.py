# SPDX-License-Identifier: GPL-2.0-only
"""A DHCP renewal as the VM's own client makes it: does the server still know this VM? Takes no lease, gives none away.

The request is unicast, with the VM's own address as ciaddr and its MAC, as in the RENEWING state (RFC 2131 section
4.3.2). Raw sockets, for port 68 belongs to the VM's own client, which ignores answers with a foreign xid. Never sends
DISCOVER, RELEASE or DECLINE.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import deque

from . import routes
from .clock import SO_TIMESTAMPNS
from .codes import FAIL, FLAG_VALUE, KIND_SAMPLE, NONE, OK, WRONG
from .errors import StartError
from .filters import RENEWAL_ANSWER, attach, receive_room
from .inbox import Inbox
from .packets import address_number, datagram
from .table import Answer

SERVER_PORT, CLIENT_PORT = 67, 68
REQUEST, ACK, NAK = 3, 5, 6
COOKIE = bytes([99, 130, 83, 99])
# op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname and file, cookie
BOOTP = struct.Struct("!BBBBIHHIIII16s192s4s")
MESSAGE_TYPE, PARAMETERS, PAD, END = 53, 55, 0, 255
OPTIONS = bytes([MESSAGE_TYPE, 1, REQUEST, PARAMETERS, 3, 1, 3, 6, END])  # mask, router, names: as any client asks
MAX_OPEN = 1024


class _Target:
    __slots__ = ("address", "hold_ns", "interface", "lane", "mac", "path")


class _Asked:
    __slots__ = ("ciaddr", "lane", "mac", "seq", "until_ns", "xid")


class DhcpProber:
    def __init__(self, lanes, env):
        self._targets = {lane.lane: _target(lane, env) for lane in lanes}
        self._asked = {}
        self._due = deque()
        try:
            self._out = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW)
            self._in = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_UDP)
        except PermissionError:
            raise StartError("permission", "raw sockets are refused: CAP_NET_RAW (root) is needed") from None
        self._out.setblocking(False)
        attach(self._out, [(0x06, 0, 0, 0)])  # it only sends
        self._in.setblocking(False)
        attach(self._in, RENEWAL_ANSWER)
        self._in.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        receive_room(self._in)
        self._inbox = Inbox(self._in)

    @property
    def drained(self):
        return self._inbox.drained

    def send(self, lane, seq, sent_ns):
        target = self._targets[lane]
        while self._due and (self._due[0].until_ns <= sent_ns or len(self._due) >= MAX_OPEN):
            self._asked.pop(self._due.popleft().xid, None)
        asked = _Asked()
        asked.lane, asked.seq, asked.mac = lane, seq, target.mac
        asked.xid = int.from_bytes(os.urandom(4), "big")
        asked.until_ns = sent_ns + target.hold_ns
        try:
            own_address = routes.source_address(target.address, target.interface)
            asked.ciaddr = address_number(own_address)
            self._out.sendto(packet(asked, own_address, target.address), (target.address, 0))
        except OSError as error:
            return error.errno
        self._asked[asked.xid] = asked
        self._due.append(asked)
        return None

    def fileno(self):
        return -1

    def read(self, limit):
        answers = []
        for data, sender, received_ns, kernel, _control in self._inbox.read(limit):
            said = judge(data, self._asked)
            if said is not None:
                asked, outcome, reason, kind = said
                if kind == NAK and self._targets[asked.lane].path:
                    outcome, reason = OK, NONE  # it answers, though it has forgotten the lease
                del self._asked[asked.xid]
                value = address_number(sender[0])
                answers.append(
                    Answer(
                        KIND_SAMPLE, asked.lane, asked.seq, received_ns, outcome, reason, kind, value,
                        kernel | FLAG_VALUE,
                    )
                )  # fmt: skip
        return answers

    def expired(self, lane, seq):
        pass

    def close(self):
        self._out.close()
        self._in.close()


def packet(asked, own_address, server):
    body = BOOTP.pack(
        1, 1, 6, 0, asked.xid, 0, 0, asked.ciaddr, 0, 0, 0, asked.mac + bytes(10), bytes(192), COOKIE
    ) + OPTIONS  # fmt: skip
    return datagram(own_address, server, CLIENT_PORT, SERVER_PORT, body)


def judge(data, asked_by_xid):
    """(asked, outcome, reason, DHCP message type) of an IP packet; None when it answers nothing of ours."""
    at = (data[0] & 15) * 4 + 8 if data else 0
    if at < 28 or len(data) < at + BOOTP.size:
        return None
    op, _htype, _hlen, _hops, xid, _secs, _flags, _ciaddr, yiaddr, _siaddr, _giaddr, chaddr, _names, cookie = (
        BOOTP.unpack_from(data, at)
    )
    asked = asked_by_xid.get(xid)
    if asked is None or (op, cookie, chaddr[:6]) != (2, COOKIE, asked.mac):
        return None
    kind = message_type(data[at + BOOTP.size :])
    if kind == ACK and yiaddr == asked.ciaddr:
        return asked, OK, NONE, kind
    return (asked, FAIL, WRONG, kind) if kind in (ACK, NAK) else None


def message_type(options):
    at = 0
    while at < len(options):
        code = options[at]
        if code == PAD:
            at += 1
            continue
        if code == END or at + 2 > len(options):
            return 0
        length = options[at + 1]
        if code == MESSAGE_TYPE and length == 1 and at + 2 < len(options):
            return options[at + 2]
        at += 2 + length
    return 0


def _target(lane, env):
    target = _Target()
    target.lane, target.address, target.path = lane.lane, lane.target, lane.options["path"]
    target.hold_ns = lane.tmax_ns + env.late_ns
    interface = lane.interface or routes.interface_to(lane.target)
    if interface is None:
        raise StartError("interface", "lane %d: no interface leads to %s" % (lane.lane, lane.target))
    target.interface = lane.interface
    try:
        mac = routes.ethernet_address(interface)
    except OSError as error:
        raise StartError("interface", "interface %s: %s" % (interface, error.strerror)) from None
    if mac is None:
        raise StartError("interface", "interface %s is no Ethernet" % interface)
    target.mac = bytes.fromhex(mac.replace(":", ""))
    return target


def open_prober(lanes, env):
    return DhcpProber(lanes, env)
