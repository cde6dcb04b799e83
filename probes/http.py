# SPDX-License-Identifier: GPL-2.0-only
"""One HTTP/1.0 GET per sample on a connection of its own: does the server answer, with which status and content?"""

from __future__ import annotations

import errno
import zlib
from collections import namedtuple

from .codes import CLOSED, FAIL, FLAG_VALUE, NONE, OK, SELF_ERROR, UNKNOWN, WRONG
from .tcp import Connections

HEAD_BYTES = 8192
BODY_BYTES = 64 * 1024
BLOCK_BYTES = 16 * 1024

Wanted = namedtuple("Wanted", "request status crc")


class HttpProber(Connections):
    def __init__(self, lanes):
        super().__init__(lanes)
        self._wanted = {
            lane.lane: Wanted(request(lane), lane.options["status"], lane.options["expect_crc"]) for lane in lanes
        }

    def greet(self, attempt):
        text = self._wanted[attempt.lane].request
        if attempt.sock.send(text) != len(text):  # a fresh socket has room for more than a plan can ask
            return (UNKNOWN, SELF_ERROR, errno.ENOBUFS, 0, 0)
        return None

    def hear(self, attempt):
        block = attempt.sock.recv(BLOCK_BYTES)
        attempt.said += block
        return judge(attempt.said, not block, self._wanted[attempt.lane])


def request(lane):
    options = lane.options
    host = options["host"] or ("[%s]" if ":" in lane.target else "%s") % lane.target
    lines = ["GET %s HTTP/1.0" % options["path"], "Host: " + host]
    lines += ["%s: %s" % pair for pair in (options["headers"] or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def judge(said, ended, wanted):
    """The verdict on what was said so far, None when more must come. The body counts up to 64 KiB."""
    head, blank, body = bytes(said).partition(b"\r\n\r\n")
    if not blank:
        if len(said) > HEAD_BYTES:
            return (FAIL, WRONG, 0, 0, 0)
        if ended:
            return (FAIL, WRONG if said else CLOSED, 0, 0, 0)
        return None
    status = status_of(head)
    if status is None:
        return (FAIL, WRONG, 0, 0, 0)
    length = length_of(head)
    whole = min(BODY_BYTES, BODY_BYTES if length is None else length)
    if len(body) < whole:
        if not ended:
            return None
        if length is not None:
            return (FAIL, CLOSED, status, 0, 0)
    value = zlib.crc32(body[:whole])
    if status != wanted.status or (wanted.crc is not None and value != wanted.crc):
        return (FAIL, WRONG, status, value, FLAG_VALUE)
    return (OK, NONE, status, value, FLAG_VALUE)


def status_of(head):
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or words[0] not in (b"HTTP/1.0", b"HTTP/1.1"):
        return None
    return int(words[1]) if len(words[1]) == 3 and words[1].isdigit() else None


def length_of(head):
    for line in head.split(b"\r\n")[1:]:
        name, colon, text = line.partition(b":")
        if colon and name.lower() == b"content-length":
            text = text.strip()
            return int(text) if text.isdigit() and len(text) <= 18 else None
    return None


def open_prober(lanes, env):
    return HttpProber(lanes)
