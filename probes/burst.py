# SPDX-License-Identifier: GPL-2.0-only
"""Packets of one length to fixed addresses, sent with one sendmmsg(2): what they share is patched into all at once.

Python has no sendmmsg, so this goes through ctypes, as batch.py does for receiving; `open_bursts` gives None where that
does not work.
"""

from __future__ import annotations

import array
import errno
import socket
import struct
import sys

from .batch import MESSAGE, VECTOR, buffer_address

try:
    import ctypes
except ImportError:  # a Python built without it
    ctypes = None

MOST = 64  # packets a burst
_ADDRESS = struct.Struct("=HH4s8x")  # struct sockaddr_in


class Burst:
    def __init__(self, sock, call, packets, addresses):
        """packets: bytes, all of one even length; addresses: IPv4 addresses as text."""
        self._fd, self._call = sock.fileno(), call
        self._size, self._count = len(packets[0]), len(packets)
        self._data = bytearray(b"".join(packets))
        self._words = memoryview(self._data).cast("H")
        self._names = bytearray(b"".join(_ADDRESS.pack(socket.AF_INET, 0, socket.inet_aton(to)) for to in addresses))
        self._vectors = bytearray(self._count * VECTOR.size)
        self._messages = bytearray(self._count * MESSAGE.size)
        data, names, vectors, self._at = map(buffer_address, (self._data, self._names, self._vectors, self._messages))
        for place in range(self._count):
            vector = place * VECTOR.size
            VECTOR.pack_into(self._vectors, vector, data + place * self._size, self._size)
            MESSAGE.pack_into(
                self._messages, place * MESSAGE.size,
                names + place * _ADDRESS.size, _ADDRESS.size, vectors + vector, 1, 0, 0, 0, 0,
            )  # fmt: skip

    def patch(self, at, word):
        """The same 16-bit word at the same even place of all packets."""
        value = word if sys.byteorder == "big" else word >> 8 | (word & 0xFF) << 8
        self._words[at // 2 :: self._size // 2] = array.array("H", (value,)) * self._count

    def send(self):
        """[(place, errno)] of those that could not be sent."""
        done = self._call(self._fd, self._at, self._count, socket.MSG_DONTWAIT)
        return () if done == self._count else self._rest(done)

    def _rest(self, done):
        """The kernel stops at the first that fails, and says why when it is asked for that one again."""
        failed = []
        place = max(done, 0)
        while place < self._count:
            number = ctypes.get_errno()
            if done < 0 and number != errno.EINTR:
                failed.append((place, number))
                place += 1
            if place < self._count:
                done = self._call(self._fd, self._at + place * MESSAGE.size, self._count - place, socket.MSG_DONTWAIT)
                place += max(done, 0)
        return failed


def open_bursts(sock):
    """A Burst of (packets, addresses) on this socket when called; None where there is no such call."""
    if ctypes is None:
        return None
    try:
        call = ctypes.CDLL(None, use_errno=True).sendmmsg
        call.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
    except (OSError, AttributeError):
        return None
    if call(sock.fileno(), None, 0, socket.MSG_DONTWAIT) != 0:
        return None
    return lambda packets, addresses: Burst(sock, call, packets, addresses)
