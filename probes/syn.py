# SPDX-License-Identifier: GPL-2.0-only
"""A half-open SYN to a TCP port: is the path up, and does something listen? Costs the target 1/170 of a connect."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from time import monotonic_ns

from . import routes
from .clock import SO_TIMESTAMPNS
from .codes import FAIL, KIND_SAMPLE, NONE, OK, REFUSED, UNREACHABLE
from .errors import StartError
from .filters import attach, error_filter, handshake_filter, receive_room
from .inbox import Inbox
from .packets import address_number, segment
from .ports import Ports
from .table import Answer

ADDRESS_CHECK_NS = 1_000_000_000
ANSWERED_HOLD_NS = 1_000_000_000  # a SYN+ACK that crossed our RST comes within the first retransmission
TCP_AT = 20
_patch_ports = struct.Struct("!H").pack_into
_patch_seq = struct.Struct("!I").pack_into
_patch_checksum = struct.Struct("!H").pack_into
_tcp_head = struct.Struct("!HHIIBB").unpack_from


class _Target:
    __slots__ = ("address", "checked_ns", "number", "own_address", "port", "rst", "syn", "tmax_ns")


class _Shot:
    __slots__ = ("answered", "isn", "lane", "seq", "target")


class SynProber:
    def __init__(self, lanes, env):
        self._late_ns = env.late_ns
        self._shots = {}
        self._ports = Ports()
        self._targets = {lane.lane: _target(lane) for lane in lanes}
        ports = {lane.port for lane in lanes}
        try:
            self._out = _raw(socket.IPPROTO_RAW)
            self._in = _raw(socket.IPPROTO_TCP)
            self._errors = _raw(socket.IPPROTO_ICMP)
        except PermissionError:
            raise StartError("permission", "raw sockets are refused: CAP_NET_RAW (root) is needed") from None
        attach(self._out, [(0x06, 0, 0, 0)])  # it only sends
        attach(self._in, handshake_filter(ports))
        attach(self._errors, error_filter(socket.IPPROTO_TCP, ports.pop() if len(ports) == 1 else 0))
        self._sources = []
        for sock, match in ((self._in, self._handshake), (self._errors, self._error)):
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            receive_room(sock)
            self._sources.append((Inbox(sock), match))

    @property
    def drained(self):
        return all(inbox.drained for inbox, _match in self._sources)

    def send(self, lane, seq, sent_ns):
        target = self._targets[lane]
        try:
            if sent_ns - target.checked_ns >= ADDRESS_CHECK_NS:
                _refresh(target, sent_ns)
            self._release(sent_ns)
            port = self._ports.take(sent_ns + target.tmax_ns + self._late_ns)
            shot = _Shot()
            shot.lane, shot.seq, shot.target, shot.answered = lane, seq, target, False
            shot.isn = int.from_bytes(os.urandom(4), "big")
            self._shots[port] = shot
            try:
                self._fire(target.syn, target, port, shot.isn)
            except OSError:
                self._ports.sooner(port, sent_ns)
                raise
        except OSError as error:
            return error.errno
        return None

    def _fire(self, template, target, port, number):
        packet, base_sum = template
        total = base_sum + port + (number >> 16) + (number & 0xFFFF)
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        _patch_ports(packet, TCP_AT, port)
        _patch_seq(packet, TCP_AT + 4, number)
        _patch_checksum(packet, TCP_AT + 16, 0xFFFF ^ total)
        self._out.sendto(packet, (target.address, 0))

    def _release(self, now_ns):
        for port in self._ports.release(now_ns):
            self._shots.pop(port, None)

    def fileno(self):
        return -1

    def read(self, limit):
        answers = []
        for inbox, match in self._sources:
            for data, sender, received_ns, kernel, _control in inbox.read(limit):
                answer = match(data, address_number(sender[0]), received_ns, kernel)
                if answer:
                    answers.append(answer)
        self._release(monotonic_ns())
        return answers

    def _handshake(self, data, sender, received_ns, kernel):
        at = (data[0] & 15) * 4
        if len(data) < at + 20:
            return None
        from_port, to_port, _number, acknowledged, _offset, flags = _tcp_head(data, at)
        shot = self._shots.get(to_port)
        if shot is None or shot.target.number != sender or shot.target.port != from_port:
            return None
        if acknowledged != (shot.isn + 1) & 0xFFFFFFFF or not flags & 0x10:
            return None
        refused = flags & 0x04
        if not refused:
            # Also for a repeated SYN+ACK: the RST clears the target's backlog and the router's connection tracking.
            with contextlib.suppress(OSError):  # the path may go meanwhile; the sample was answered all the same
                self._fire(shot.target.rst, shot.target, to_port, acknowledged)
        if shot.answered:
            return None
        shot.answered = True
        self._ports.sooner(to_port, monotonic_ns() + ANSWERED_HOLD_NS)
        outcome, reason = (FAIL, REFUSED) if refused else (OK, NONE)
        return Answer(KIND_SAMPLE, shot.lane, shot.seq, received_ns, outcome, reason, 0, 0, kernel)

    def _error(self, data, _sender, received_ns, kernel):
        at = (data[0] & 15) * 4
        quoted = data[at + 8 :]
        inner = (quoted[0] & 15) * 4 if quoted else 0
        if inner < 20 or len(quoted) < inner + 8 or data[at : at + 2] == b"\3\4":
            return None
        from_port, to_port, number = struct.unpack_from("!HHI", quoted, inner)
        shot = self._shots.get(from_port)
        if shot is None or shot.answered or shot.isn != number or shot.target.port != to_port:
            return None
        if shot.target.number != int.from_bytes(quoted[16:20], "big"):
            return None
        shot.answered = True
        self._ports.sooner(from_port, monotonic_ns() + ANSWERED_HOLD_NS)
        kind, code = data[at], data[at + 1]
        reason = REFUSED if (kind, code) == (3, 3) else UNREACHABLE
        return Answer(KIND_SAMPLE, shot.lane, shot.seq, received_ns, FAIL, reason, kind * 256 + code, 0, kernel)

    def expired(self, lane, seq):
        pass  # the port stays held: a late SYN+ACK is worth knowing, and must not meet our kernel's RST

    def close(self):
        for sock in (self._out, self._in, self._errors):
            sock.close()
        self._ports.close()


def _raw(protocol):
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    sock.setblocking(False)
    return sock


def _target(lane):
    target = _Target()
    target.address, target.port, target.tmax_ns = lane.target, lane.port, lane.tmax_ns
    target.number = address_number(lane.target)
    target.own_address = None
    target.checked_ns = -ADDRESS_CHECK_NS  # looked up at the first sample: a way that is not there yet is its outcome
    return target


def _refresh(target, now_ns):
    """TCP's checksum covers the own address, which may change while we run. Raises OSError when there is no way."""
    own_address = routes.source_address(target.address)
    if own_address != target.own_address:
        target.syn = segment(own_address, target.address, target.port, "S")
        target.rst = segment(own_address, target.address, target.port, "R")
        target.own_address = own_address
    target.checked_ns = now_ns


def open_prober(lanes, env):
    return SynProber(lanes, env)
