# SPDX-License-Identifier: GPL-2.0-only
"""Which interface and which own address lead to a target. Reads the kernel's tables, sends nothing."""

from __future__ import annotations

import fcntl
import socket
import struct

SIOCGIFFLAGS = 0x8913
SIOCGIFHWADDR = 0x8927
IFF_UP = 1
ETHERNET = 1
RTF_UP = 1
RTF_REJECT = 0x200


def source_address(target, interface=None):
    """The own address that packets to the target would have. Raises OSError when there is no way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        if interface:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        sock.connect((target, 9))  # a datagram socket's connect sends nothing
        return sock.getsockname()[0]


def _routes():
    """(interface, network, mask, gateway) of the main table, as numbers."""
    try:
        with open("/proc/net/route") as file:
            lines = file.read().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        words = line.split()
        flags = int(words[3], 16)
        if flags & RTF_UP and not flags & RTF_REJECT:
            numbers = [int.from_bytes(struct.pack("=I", int(words[at], 16)), "big") for at in (1, 7, 2)]
            yield [words[0], *numbers, int(words[6])]


def interface_to(target):
    """The interface that routes to the target, or None."""
    number = int.from_bytes(socket.inet_pton(socket.AF_INET, target), "big")
    fitting = [row for row in _routes() if number & row[2] == row[1]]
    fitting.sort(key=lambda row: (-row[2], row[4]))
    return fitting[0][0] if fitting else None


def default_route():
    """(gateway or None, interface or None) of the default route."""
    fitting = sorted((row for row in _routes() if row[2] == 0), key=lambda row: row[4])
    if not fitting:
        return None, None
    interface, _network, _mask, gateway, _metric = fitting[0]
    return (socket.inet_ntoa(gateway.to_bytes(4, "big")) if gateway else None), interface


def ethernet_address(interface):
    """The interface's own MAC as text, None when it is no Ethernet. Raises OSError when there is no such interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        request = struct.pack("@16s24x", interface.encode())
        reply = fcntl.ioctl(sock.fileno(), SIOCGIFHWADDR, request)
    if struct.unpack_from("@H", reply, 16)[0] != ETHERNET:
        return None
    return ":".join("%02x" % byte for byte in reply[18:24])


def is_up(interface):
    """Raises OSError when there is no such interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        reply = fcntl.ioctl(sock.fileno(), SIOCGIFFLAGS, struct.pack("@16s24x", interface.encode()))
    return bool(struct.unpack_from("@H", reply, 16)[0] & IFF_UP)
