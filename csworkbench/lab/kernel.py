# SPDX-License-Identifier: Apache-2.0
"""The few Linux calls that Python 3.11 does not offer: namespaces, mounts, parent-death signal."""

from __future__ import annotations

import ctypes
import os
import signal

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_RELATIME = 1 << 21
_ST_RELATIME = 4096
"""statvfs says it with another bit than mount takes."""

_MNT_DETACH = 2
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the named namespaces; pid and time namespaces take effect for children only. Raises OSError."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    """mount(2); raises OSError that names the target."""
    encoded = [None if text is None else text.encode() for text in (source, target, kind)]
    data = None if options is None else options.encode()
    _check(_libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), data), f"mount {target}")


def bind(source: str, target: str) -> None:
    """Show one file or directory in the place of another."""
    mount(source, target, None, MS_BIND)


def unmount(target: str) -> None:
    """Take away what was mounted there last, also while it is in use. Raises OSError."""
    _check(_libc.umount2(target.encode(), _MNT_DETACH), f"umount {target}")


def make_read_only(target: str) -> None:
    """Forbid writing through this mount in this mount namespace; its other flags, which may be locked, stay."""
    kept = MS_NOSUID | MS_NODEV | MS_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME
    status = os.statvfs(target).f_flag
    relative = MS_RELATIME if status & _ST_RELATIME else 0
    mount("none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | status & kept | relative)


def set_hostname(name: str) -> None:
    """Set the name of this UTS namespace."""
    data = name.encode()
    _check(_libc.sethostname(data, len(data)), "sethostname")


def die_with_parent() -> None:
    """SIGKILL for this process when the thread that started it ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Become the parent of every orphan among this process's descendants."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def set_clock_offset(seconds: int) -> None:
    """CLOCK_MONOTONIC and CLOCK_BOOTTIME of the children-to-be, seconds ahead of the host's. Raises OSError."""
    with open("/proc/self/timens_offsets", "w") as offsets:  # noqa: PTH123
        offsets.write(f"monotonic {seconds} 0\nboottime {seconds} 0\n")
