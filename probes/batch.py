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
_STAMP = _HEAD.pack(struct.calcsize("@Niill"), socket.SOL_SOCKET, SO_TIMESTAMPNS)
# struct mmsghdr: name, its length, iovec, their count, control, its length, flags, bytes received
_MESSAGE = struct.Struct("@PIPNPNi0PI0P")
_RESULT = struct.Struct("@%dxNi0PI0P" % struct.calcsize("@PIPNP"))
_VECTOR = struct.Struct("@PN")


class Batch:
    """`drained` is false while there may be more to read."""

    def __init__(self, sock, call):
        self._fd = sock.fileno()
        self._call = call
        self._data = bytearray(PACKETS * DATA_BYTES)
        self._control = bytearray(PACKETS * CONTROL_BYTES)
        self._vectors = bytearray(PACKETS * _VECTOR.size)
        self._messages = bytearray(PACKETS * _MESSAGE.size)
        data, control, vectors, self._address = map(
            _address, (self._data, self._control, self._vectors, self._messages)
        )
        for at in range(PACKETS):
            _VECTOR.pack_into(self._vectors, at * _VECTOR.size, data + at * DATA_BYTES, DATA_BYTES)
            _MESSAGE.pack_into(
                self._messages, at * _MESSAGE.size,
                0, 0, vectors + at * _VECTOR.size, 1, control + at * CONTROL_BYTES, CONTROL_BYTES, 0, 0,
            )  # fmt: skip
        self._fresh = bytes(self._messages)
        self._stamps = Stamps()
        self.drained = True

    def works(self):
        """Whether the kernel, or what stands in its place, knows the call. Reads nothing."""
        return self._call(self._fd, self._address, 0, socket.MSG_DONTWAIT, None) == 0

    def read(self):
        """(data, received_ns, FLAG_KERNEL_STAMP or 0) of at most PACKETS packets, each from its IP header on."""
        stamps = self._stamps
        stamps.begin()
        got = self._call(self._fd, self._address, PACKETS, socket.MSG_DONTWAIT, None)
        if got < 0 and ctypes.get_errno() != errno.EAGAIN:  # an error that was pending on the socket, of no sample
            got = self._call(self._fd, self._address, PACKETS, socket.MSG_DONTWAIT, None)
        self.drained = got < PACKETS
        packets = []
        if got > 0:
            place, messages, used, at = stamps.place, self._messages, got * _MESSAGE.size, 0
            offset, floor_ns, latest_ns = stamps.window()
            data = bytes(memoryview(self._data)[: got * DATA_BYTES])
            results = _RESULT.iter_unpack(messages[:used])
            controls = _CONTROL.iter_unpack(self._control[: got * CONTROL_BYTES])
            for result, control in zip(results, controls):  # noqa: B905 - Python 3.7 has no strict
                space, _flags, length = result
                head, seconds, nanoseconds = control
                received_ns, kernel = seconds * 1_000_000_000 + nanoseconds - offset, 1
                if not space or head != _STAMP:
                    received_ns, kernel = place(0)
                elif not floor_ns <= received_ns <= latest_ns:
                    received_ns, kernel = place(received_ns + offset)
                packets.append((data[at : at + length], received_ns, kernel))
                at += DATA_BYTES
            messages[:used] = self._fresh[:used]  # the kernel wrote its lengths over the room there is
        if self.drained:
            stamps.drained()
        return packets


def _address(buffer):
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def open_batch(sock):
    """A Batch on this socket, None where there is no such call."""
    if ctypes is None:
        return None
    try:
        call = ctypes.CDLL(None, use_errno=True).recvmmsg
        call.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]
    except (OSError, AttributeError):
        return None
    batch = Batch(sock, call)
    return batch if batch.works() else None
