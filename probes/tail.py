# SPDX-License-Identifier: GPL-2.0-only
"""Sends a spool over standard output, in frames, from an offset on. Reads only; must start fast: few imports."""

import os
import select
import struct
import time

from .codes import HEADER_SIZE, RECORD_SIZE
from .errors import StartError
from .watch import is_alive, open_spool

POLL_S = 0.025
HEARTBEAT_S = 0.5
PAYLOAD_BYTES = 65536
BLOCK_BYTES = (PAYLOAD_BYTES - 8) // RECORD_SIZE * RECORD_SIZE
LINE_BYTES = 64
TOKEN_DIGITS = 20


def whole(size):
    """The size without a record that is being written."""
    return size if size < HEADER_SIZE else size - (size - HEADER_SIZE) % RECORD_SIZE


class Tail:
    def __init__(self, path, offset, in_fd=0, out_fd=1):
        self._out_fd = out_fd
        self._in_fd = in_fd
        self._offset = offset
        self._path = path
        self._line = b""
        self._wrote_s = 0.0

    def run(self):
        """Until standard input ends or standard output breaks."""
        try:
            try:
                self._spool_fd = open_spool(self._path)
                if self._offset > os.fstat(self._spool_fd).st_size:
                    raise StartError("spool", "the spool is shorter than offset %d" % self._offset)
            except StartError as error:
                self._frame(b"X", error.line.encode("utf-8", "replace")[:1024])
                return 1
            more = True
            while self._hear(0 if more else POLL_S):
                more = self._send()
                now_s = time.monotonic()
                if now_s - self._wrote_s >= HEARTBEAT_S:
                    size = os.fstat(self._spool_fd).st_size
                    self._frame(b"H", struct.pack("<QB", size, is_alive(self._spool_fd)))
        except (BrokenPipeError, ConnectionResetError):
            pass
        return 0

    def _send(self):
        """One block at most, so that an echo never waits behind a backlog; says whether there is more."""
        if self._offset < HEADER_SIZE:
            length = HEADER_SIZE - self._offset
        else:
            length = min(whole(os.fstat(self._spool_fd).st_size) - self._offset, BLOCK_BYTES)
        if length <= 0:
            return False
        data = os.pread(self._spool_fd, length, self._offset)
        if not data:
            return False
        self._frame(b"D", struct.pack("<Q", self._offset) + data)
        self._offset += len(data)
        return True

    def _hear(self, wait_s):
        """Answer what was asked; False when standard input has ended."""
        if not select.select([self._in_fd], [], [], wait_s)[0]:
            return True
        text = os.read(self._in_fd, 4096)
        if not text:
            return False
        *lines, self._line = (self._line + text).split(b"\n")
        self._line = self._line[-LINE_BYTES:]
        for line in lines:
            words = line.split()
            if len(words) == 2 and words[0] == b"E" and words[1].isdigit() and len(words[1]) <= TOKEN_DIGITS:
                token = int(words[1])
                if token < 2**64:
                    stamps = time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_REALTIME)
                    self._frame(b"E", struct.pack("<QQQ", token, *stamps))
        return True

    def _frame(self, kind, payload):
        frame = kind + struct.pack("<I", len(payload)) + payload
        while frame:
            frame = frame[os.write(self._out_fd, frame) :]
        self._wrote_s = time.monotonic()
