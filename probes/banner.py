# SPDX-License-Identifier: GPL-2.0-only
"""The SSH banner: does the service answer, beyond the path?

Meant for 1 Hz at most: each costs sshd about 6.5 ms CPU, MaxStartups refuses many at once, and OpenSSH 9.8+ penalises
who connects and leaves, the workbench's own channel included when it comes from the same address. Faster probing makes
the outage that it reports.
"""

from __future__ import annotations

import zlib

from .codes import CLOSED, FAIL, FLAG_VALUE, NONE, OK, WRONG
from .tcp import Connections

BANNER_BYTES = 255  # RFC 4253 section 4.2: the longest line


class BannerProber(Connections):
    def hear(self, attempt):
        block = attempt.sock.recv(BANNER_BYTES - len(attempt.said))
        if not block:
            return (FAIL, CLOSED, 0, 0, 0)
        attempt.said += block
        return judge(bytes(attempt.said))


def judge(said):
    """The verdict on what was said so far, None when the line is not complete."""
    line, end, _rest = said.partition(b"\n")
    if not end and len(said) < BANNER_BYTES:
        return None
    value = zlib.crc32(line.rstrip(b"\r"))
    if end and line.startswith(b"SSH-"):
        return (OK, NONE, 0, value, FLAG_VALUE)
    return (FAIL, WRONG, 0, value, FLAG_VALUE)  # also sshd's "Exceeded MaxStartups" and "Not allowed at this time"


def open_prober(lanes, env):
    return BannerProber(lanes)
