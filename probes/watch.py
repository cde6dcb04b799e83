# SPDX-License-Identifier: GPL-2.0-only
"""A spool from outside: its header, whether its prober lives, asking it to stop. Must start fast: few imports."""

import fcntl
import os
import signal
import struct

from .codes import HEADER_SIZE, MAGIC, RECORD_SIZE, VERSION
from .errors import StartError


def open_spool(path):
    """A descriptor of a spool. Raises StartError when it is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        head = os.read(descriptor, HEADER_SIZE)
    except OSError as error:
        raise StartError("spool", "no such spool: %s: %s" % (path, error.strerror)) from None
    if len(head) < HEADER_SIZE or head[:12] != struct.pack("<8sHH", MAGIC, VERSION, RECORD_SIZE):
        os.close(descriptor)
        raise StartError("spool", "not a spool of version 1: %s" % path)
    return descriptor


def prober_pid(descriptor):
    return struct.unpack_from("<I", os.pread(descriptor, HEADER_SIZE, 0), 12)[0]


def is_alive(descriptor):
    """Its prober holds a lock as long as it lives. No pid is trusted: numbers come again, and /proc hides others'."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def stop(path):
    descriptor = open_spool(path)
    if not is_alive(descriptor):
        return 0
    try:
        os.kill(prober_pid(descriptor), signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise StartError("permission", "the prober belongs to another user") from None
    return 0
