# SPDX-License-Identifier: Apache-2.0
"""Probes from packets of our own: ICMP echo and half-open TCP, one raw socket each per host."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from contextlib import suppress

from csworkbench.lab.witness_loop import Loop
from csworkbench.lab.witness_probes import TCP_NS, Probe, Prober

_KEPT = 500
FIRST_PORT, PORTS = 10_000, 22_000
"""Source ports of half-open connections, below those that the kernel gives to others."""
_APART = 13_597
_RECEIVE_BYTES = 1 << 20


def source_port(number: int, index: int) -> int:
    """The source port of a prober's probe of that number.

    Two addresses may lead to one tenant, where a port must not come back while it is remembered: the golden section
    keeps any few probers far apart.
    """
    return FIRST_PORT + (number + index * _APART) % PORTS


class Echoes:
    """The raw ICMP socket that all echo probers of a host share."""

    _SOL_RAW, _FILTER = 255, 1
    _REPLY, _UNREACHABLE, _REQUEST = 0, 3, 8
    _FRESH = 65_000
    """Identifiers below are used in turn; probers that keep one have one above."""
    _HEAD = struct.Struct("!BBHHH4sHHI")

    def __init__(self, loop: Loop) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP)
        wanted = 1 << self._REPLY | 1 << self._UNREACHABLE
        self._socket.setsockopt(self._SOL_RAW, self._FILTER, struct.pack("=I", ~wanted & 0xFFFFFFFF))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        self._token = os.urandom(4)
        self._token_sum = sum(struct.unpack("!2H", self._token))
        self._probers: list[Prober] = []
        loop.watch(self._socket.fileno(), self._read)

    def add(self, prober: Prober) -> int:
        """Answers to it are those with the returned index."""
        self._probers.append(prober)
        return len(self._probers) - 1

    def send(self, target: tuple[str, int], index: int, number: int, *, fresh: bool) -> None:
        """One echo request; raises OSError."""
        identity = number % self._FRESH if fresh else self._FRESH + (self._token_sum + index) % _KEPT
        high, low = number >> 16 & 0xFFFF, number & 0xFFFF  # of the number in the payload; low is the sequence too
        total = (self._REQUEST << 8) + identity + low + self._token_sum + index + high + low
        total = (total & 0xFFFF) + (total >> 16)
        checksum = ~(total + (total >> 16)) & 0xFFFF
        packet = self._HEAD.pack(self._REQUEST, 0, checksum, identity, low, self._token, index, 0, number & 0xFFFFFFFF)
        self._socket.sendto(packet, target)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while True:
                data = self._socket.recv(2048)
                start = (data[0] & 15) * 4
                reason = None
                if data[start] == self._UNREACHABLE:
                    start += 8 + (data[start + 8] & 15) * 4
                    reason = "unreachable"
                if len(data) < start + self._HEAD.size:
                    continue
                *_, token, index, _, number = self._HEAD.unpack_from(data, start)
                if token == self._token and index < len(self._probers):
                    self._probers[index].answer(number, reason)


class Echo(Prober):
    """ICMP echo, each with an identifier of its own (`fresh`) or all with one."""

    def __init__(self, echoes: Echoes, address: str, period_ns: int, *, fresh: bool) -> None:
        super().__init__(period_ns)
        self._echoes, self._target, self._fresh = echoes, (address, 0), fresh
        self._index = echoes.add(self)

    def _send(self, probe: Probe, number: int) -> None:
        self._echoes.send(self._target, self._index, number, fresh=self._fresh)


class HalfOpen:
    """The raw TCP socket that all SYN probers of a host share.

    No socket of the kernel's belongs to the connection, so the kernel itself answers a SYN-ACK with a reset: what was
    probed has never accepted anything.
    """

    SYN, RST, ACK = 2, 4, 16

    def __init__(self, loop: Loop) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_TCP)
        self._attach_filter()
        self._probers: dict[tuple[bytes, int], Syn] = {}
        loop.watch(self._socket.fileno(), self._read)

    def add(self, prober: Syn, address: str, port: int) -> int:
        """Answers from there are its own; returns its index."""
        self._probers[socket.inet_aton(address), port] = prober
        return len(self._probers) - 1

    def send(self, packet: bytes, target: tuple[str, int]) -> None:
        """One segment; raises OSError."""
        self._socket.sendto(packet, target)

    def _attach_filter(self) -> None:
        """Of all TCP that this host receives, only what goes to our ports wakes us."""
        last = FIRST_PORT + PORTS - 1
        program = b"".join(
            struct.pack("=HBBI", *step)
            for step in (
                (0xB1, 0, 0, 0),  # x = length of the IP header
                (0x48, 0, 0, 2),  # destination port
                (0x35, 0, 2, FIRST_PORT),
                (0x25, 1, 0, last),
                (0x06, 0, 0, 0xFFFF),
                (0x06, 0, 0, 0),
            )
        )
        held = ctypes.create_string_buffer(program)
        self._socket.setsockopt(socket.SOL_SOCKET, 26, struct.pack("@HP", len(program) // 8, ctypes.addressof(held)))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while True:
                data = self._socket.recv(2048)
                start = (data[0] & 15) * 4
                if len(data) < start + 20:
                    continue
                port, _, _, acknowledged, _, flags = struct.unpack_from("!HHIIBB", data, start)
                prober = self._probers.get((data[12:16], port))
                if prober is not None and flags & self.ACK:
                    number = (acknowledged - 1 - prober.base) & 0xFFFFFFFF
                    if flags & self.RST:
                        prober.answer(number, "refused")
                    elif flags & self.SYN:
                        prober.answer(number)


class Syn(Prober):
    """A half-open TCP connection each, from a port of its own."""

    limit_ns = TCP_NS

    def __init__(self, half_open: HalfOpen, address: str, port: int, period_ns: int) -> None:
        super().__init__(period_ns)
        self._half_open, self._target, self._port = half_open, (address, 0), port
        self.base = int.from_bytes(os.urandom(4), "big")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
            route.connect((address, port))
            source = route.getsockname()[0]
        self._pseudo = socket.inet_aton(source) + socket.inet_aton(address) + struct.pack("!HH", socket.IPPROTO_TCP, 20)
        self._index = half_open.add(self, address, port)

    def _send(self, probe: Probe, number: int) -> None:
        source = source_port(number, self._index)
        fields = (source, self._port, (self.base + number) & 0xFFFFFFFF, 0, 5 << 4, HalfOpen.SYN, 64_240)
        total = sum(struct.unpack("!16H", self._pseudo + struct.pack("!HHIIBBHHH", *fields, 0, 0)))
        total = (total & 0xFFFF) + (total >> 16)
        checksum = ~(total + (total >> 16)) & 0xFFFF
        self._half_open.send(struct.pack("!HHIIBBHHH", *fields, checksum, 0), self._target)
