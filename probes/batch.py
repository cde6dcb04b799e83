# SPDX-License-Identifier: GPL-2.0-only
"""Packets of a raw IPv4 socket, many with one recvmmsg(2): half the price of a recvmsg each (inbox.py).

Python has no recvmmsg, so this goes through ctypes; `open_batch` gives None where that does not work.
"""

from __future__ import annotations

import errno
import socket
import struct

from .clock import SO_TIMESTAMPNS, Stamps

try:
    import ctypes
except ImportError:  # a Python built without it
    ctypes = None

PACKETS = 64
DATA_BYTES = 256  # an echo reply has 84; of a longer ICMP error the quoted head is enough
CONTROL_BYTES = 64
_HEAD = struct.Struct("@Nii")  # cmsghdr; a timespec follows
_CONTROL = struct.Struct("@%dsll%dx" % (_HEAD.size, CONTROL_BYTES - struct.calcsize("@Niill")))
STAMP_BYTES = -(-struct.calcsize("@Niill") // struct.calcsize("@N")) * struct.calcsize("@N")  # CMSG_SPACE
_STAMP_ONLY = struct.Struct("@%dxll%dx" % (_HEAD.size, CONTROL_BYTES - struct.calcsize("@Niill")))
_STAMP = _HEAD.pack(struct.calcsize("@Niill"), socket.SOL_SOCKET, SO_TIMESTAMPNS)
# struct mmsghdr: name, its length, iovec, their count, control, its length, flags, bytes received
MESSAGE = struct.Struct("@PIPNPNi0PI0P")
_RESULT = struct.Struct("@%dxNi0PI0P" % struct.calcsize("@PIPNP"))
VECTOR = struct.Struct("@PN")


class Batch:
    """`drained` is false while there may be more to read."""

    def __init__(self, sock, call, plain_bytes=0):
        """plain_bytes: how long the packets are that rows() gives."""
        self._fd = sock.fileno()
        self._call = call
        self._data = bytearray(PACKETS * DATA_BYTES)
        self._control = bytearray(PACKETS * CONTROL_BYTES)
        self._vectors = bytearray(PACKETS * VECTOR.size)
        self._messages = bytearray(PACKETS * MESSAGE.size)
        data, control, vectors, self._address = map(
            buffer_address, (self._data, self._control, self._vectors, self._messages)
        )
        plain = bytearray(self._messages)
        for at in range(PACKETS):
            VECTOR.pack_into(self._vectors, at * VECTOR.size, data + at * DATA_BYTES, DATA_BYTES)
            head = (0, 0, vectors + at * VECTOR.size, 1, control + at * CONTROL_BYTES)
            MESSAGE.pack_into(self._messages, at * MESSAGE.size, *head, CONTROL_BYTES, 0, 0)
            MESSAGE.pack_into(plain, at * MESSAGE.size, *head, STAMP_BYTES, 0, plain_bytes)
        self._fresh, self._plain = bytes(self._messages), bytes(plain)
        self._stamps = Stamps()
        self._got = 0
        self.drained = True

    def works(self):
        """Whether the kernel, or what stands in its place, knows the call. Reads nothing."""
        return self._call(self._fd, self._address, 0, socket.MSG_DONTWAIT, None) == 0

    def fetch(self):
        """Read at most PACKETS packets; rows() or packets() gives them until the next time."""
        stamps = self._stamps
        stamps.begin()
        used = self._got * MESSAGE.size
        self._messages[:used] = self._fresh[:used]  # the kernel wrote its lengths over the room there is
        got = self._call(self._fd, self._address, PACKETS, socket.MSG_DONTWAIT, None)
        if got < 0 and ctypes.get_errno() != errno.EAGAIN:  # an error that was pending on the socket, of no sample
            got = self._call(self._fd, self._address, PACKETS, socket.MSG_DONTWAIT, None)
        self._got = max(got, 0)
        self.drained = got < PACKETS

    def read(self):
        """fetch() and packets() in one."""
        self.fetch()
        found = self.packets()
        self.settle()
        return found

    def settle(self):
        """To be called when the packets have been looked at."""
        if self.drained:
            self._stamps.drained()

    def window(self):
        """As Stamps.window()."""
        return self._stamps.window()

    def rows(self, layout):
        """((seconds, nanoseconds), fields) of each packet by a Struct of DATA_BYTES.

        None when not all of them are plain_bytes long and have the kernel's stamp.
        """
        used = self._got * MESSAGE.size
        if self._messages[:used] != self._plain[:used]:
            return None
        stamps = _STAMP_ONLY.iter_unpack(memoryview(self._control)[: self._got * CONTROL_BYTES])
        return zip(stamps, layout.iter_unpack(memoryview(self._data)[: self._got * DATA_BYTES]))  # noqa: B905

    def packets(self):
        """[(data, received_ns, FLAG_KERNEL_STAMP or 0)], each from its IP header on."""
        found = []
        place, got, at = self._stamps.place, self._got, 0
        offset, floor_ns, latest_ns = self._stamps.window()
        data = bytes(memoryview(self._data)[: got * DATA_BYTES])
        results = _RESULT.iter_unpack(self._messages[: got * MESSAGE.size])
        controls = _CONTROL.iter_unpack(self._control[: got * CONTROL_BYTES])
        for result, control in zip(results, controls):  # noqa: B905 - Python 3.7 has no strict
            space, _flags, length = result
            head, seconds, nanoseconds = control
            received_ns, kernel = seconds * 1_000_000_000 + nanoseconds - offset, 1
            if not space or head != _STAMP:
                received_ns, kernel = place(0)
            elif not floor_ns <= received_ns <= latest_ns:
                received_ns, kernel = place(received_ns + offset)
            found.append((data[at : at + length], received_ns, kernel))
            at += DATA_BYTES
        return found


def buffer_address(buffer):
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def open_batch(sock, plain_bytes=0):
    """A Batch on this socket, None where there is no such call."""
    if ctypes is None:
        return None
    try:
        call = ctypes.CDLL(None, use_errno=True).recvmmsg
        call.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]
    except (OSError, AttributeError):
        return None
    batch = Batch(sock, call, plain_bytes)
    return batch if batch.works() else None
