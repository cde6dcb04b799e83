# SPDX-License-Identifier: GPL-2.0-only
"""The spool's writer: append-only, whole records, and always room for the end record."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct

from .codes import (
    END_FAILED,
    FLAG_KERNEL_STAMP,
    FLAG_VALUE,
    HEADER_SIZE,
    KIND_CLOCK,
    KIND_END,
    KIND_SAMPLE,
    MAGIC,
    NO_LANE,
    NONE,
    OK,
    RECORD_SIZE,
    VERSION,
)

HEADER = struct.Struct("<8sHHIQQ16s16s")
RECORD = struct.Struct("<IHBBBBHIQQQQQ")
#: A record in one go: number, head, seq, intended, sent, received, tail; head and tail as ok_parts() gives them.
pack_ok = struct.Struct("<I8sIQQQ16s").pack
SPOOL_MODE = 0o644  # addresses and times, no secret: the tail may run as another user than a root prober
RESERVE_BYTES = 256 * 1024
BLOCK_BYTES = 64 * 1024
FALLOC_FL_KEEP_SIZE = 1
LOST = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def ok_parts(lane, value):
    """(head, tail) for pack_ok: a sample of this lane that is ok, with this value and the kernel's stamp."""
    record = RECORD.pack(0, lane, KIND_SAMPLE, OK, NONE, FLAG_KERNEL_STAMP | FLAG_VALUE, 0, 0, 0, 0, 0, value, 0)
    return record[4:12], record[40:]


class SpoolError(Exception):
    """The spool cannot take more records."""

    def __init__(self, number):
        super().__init__(os.strerror(number))
        self.errno = number


def pack_header(pid, start_mono_ns, start_real_ns, run):
    return HEADER.pack(MAGIC, VERSION, RECORD_SIZE, pid, start_mono_ns, start_real_ns, run, bytes(16))


class SpoolWriter:
    """Collects records and writes them in blocks.

    Disk space is reserved ahead of the end (fallocate, size unchanged), one record more than is ever used by samples: a
    full disk then still leaves room for the end record that says so.
    """

    def __init__(self, path, pid, start_mono_ns, start_real_ns, run):
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self.path = path
        self._fd = os.open(path, flags, SPOOL_MODE)
        try:
            # Held as long as the prober lives: tail and stop tell by this lock whether it does, also across users.
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.size = 0
            self.count = 0
            self._reserved = 0
            self._can_reserve = True
            self._buffer = bytearray()
            self._pack = RECORD.pack
            self.pack_ok = pack_ok
            self._reserve(HEADER_SIZE)
            self._write(pack_header(pid, start_mono_ns, start_real_ns, run))
        except (OSError, SpoolError):
            os.close(self._fd)
            os.unlink(path)
            raise

    def add(self, lane, kind, outcome, reason, flags, detail, seq, intended, sent, received, value, aux):
        self._buffer += self._pack(
            self.count, lane, kind, outcome, reason, flags, detail, seq, intended, sent, received, value, aux
        )
        self.count += 1

    def extend(self, packed):
        """Records made with pack_ok, numbered from `count` on."""
        self._buffer += b"".join(packed)
        self.count += len(packed)

    def clock(self, mono_ns, real_ns):
        self.add(NO_LANE, KIND_CLOCK, 0, 0, 0, 0, 0, 0, mono_ns, 0, 0, real_ns)

    def pending(self):
        return len(self._buffer)

    def flush(self):
        """Write what was added. Raises SpoolError when it did not fit; end() still works then."""
        buffer = self._buffer
        if not buffer:
            return
        try:
            self._reserve(len(buffer))
        except SpoolError:
            # What still fits, less the record kept for the end; the rest is given up and its numbers are used again.
            room = max(0, (self._reserved - self.size) // RECORD_SIZE - 1) * RECORD_SIZE
            self._write(bytes(buffer[:room]))
            self.count = (self.size - HEADER_SIZE) // RECORD_SIZE
            buffer.clear()
            raise
        self._write(buffer)
        buffer.clear()

    def end(self, reason, detail, mono_ns):
        """Write the end record, if at all possible, and close."""
        try:
            self.flush()
        except SpoolError as error:
            reason, detail = END_FAILED, error.errno
        self._buffer.clear()
        self.count = (self.size - HEADER_SIZE) // RECORD_SIZE
        self.add(NO_LANE, KIND_END, 0, reason, 0, detail, 0, 0, mono_ns, 0, 0, self.count)
        try:
            self._write(self._buffer)
            os.ftruncate(self._fd, self.size)  # gives the reserve back
        except (OSError, SpoolError):
            pass  # nobody is left to tell
        os.close(self._fd)

    def abandon(self):
        """Close and remove a spool whose run never began."""
        os.close(self._fd)
        os.unlink(self.path)

    def _reserve(self, length):
        needed = self.size + length + RECORD_SIZE
        if not self._can_reserve or needed <= self._reserved:
            return
        for step in (RESERVE_BYTES, 0):  # with little space left, only what is needed
            number = _fallocate(self._fd, self._reserved, needed + step - self._reserved)
            if number == 0:
                self._reserved = needed + step
                return
        if number in LOST:
            raise SpoolError(number)
        self._can_reserve = False  # a file system without it: the end record then takes its chance

    def _write(self, data):
        view = memoryview(data)
        done = 0
        try:
            while done < len(view):
                done += os.write(self._fd, view[done : done + BLOCK_BYTES // RECORD_SIZE * RECORD_SIZE])
        except OSError as error:
            whole = done - done % RECORD_SIZE
            if done != whole:
                os.ftruncate(self._fd, self.size + whole)
            self.size += whole
            self._buffer = bytearray()
            raise SpoolError(error.errno) from None
        finally:
            view.release()
        self.size += done


_libc = ctypes.CDLL(None, use_errno=True)


def _fallocate(fd, offset, length):
    """fallocate(2) that keeps the file's size; returns an errno. Python has only posix_fallocate, which changes it."""
    call = getattr(_libc, "fallocate64", None) or getattr(_libc, "fallocate", None)
    if call is None:
        return errno.ENOSYS
    if call(fd, FALLOC_FL_KEEP_SIZE, ctypes.c_int64(offset), ctypes.c_int64(length)) == 0:
        return 0
    return ctypes.get_errno()
