# SPDX-License-Identifier: GPL-2.0-only
"""What a lane of the plan has beyond lane, prober and times: which prober reads which key, and what may stand there."""

from __future__ import annotations

import socket
from collections import namedtuple

REQUIRED = object()
MAX_NS = 3600 * 10**9
SECOND_NS = 10**9
KEEPALIVE_NS = 1_500_000_000  # the kernel asks when it has heard nothing for a second
DHCP_INTERVAL_NS = 10 * SECOND_NS  # a renewal is a write to the server's lease file
MAX_HEADERS = 16
MAX_TEXT = 1024
MAX_EXPECTED = 64
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

#: port: the default, REQUIRED, or None for no port; families: 4, 6; wild: the target may be "all" (0.0.0.0 or ::).
Shape = namedtuple("Shape", "port families wild options")


class KeyTroubleError(Exception):
    """A value that may not stand there; the text says what may."""


def boolean(value):
    if not isinstance(value, bool):
        raise KeyTroubleError("true or false")
    return value


def whole(low, high):
    def check(value):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise KeyTroubleError("a whole number from %d to %d" % (low, high))
        return value

    return check


def one_of(*words):
    def check(value):
        if not isinstance(value, str) or value not in words:
            raise KeyTroubleError(" or ".join(words))
        return value

    return check


def host_name(value):
    """A DNS name, as the bytes of a question."""
    trouble = KeyTroubleError("a host name")
    if not isinstance(value, str) or not 0 < len(value) <= 253 or not value.isascii():
        raise trouble
    labels = value.rstrip(".").split(".")
    if not all(0 < len(label) <= 63 and not set(label) - TOKEN for label in labels):
        raise trouble
    return b"".join(bytes([len(label)]) + label.encode().lower() for label in labels) + b"\0"


def addresses(value):
    """The packed addresses, in order."""
    trouble = KeyTroubleError("a list of 1 to %d addresses" % MAX_EXPECTED)
    if not isinstance(value, list) or not 0 < len(value) <= MAX_EXPECTED:
        raise trouble
    try:
        return sorted({socket.inet_pton(family_of(text), text) for text in value})
    except (OSError, TypeError, ValueError):
        raise trouble from None


def request_path(value):
    if not isinstance(value, str) or not value.startswith("/") or len(value) > MAX_TEXT:
        raise KeyTroubleError("a path that begins with /")
    if any(not "!" <= letter <= "~" for letter in value):
        raise KeyTroubleError("a path of printable ASCII without spaces")
    return value


def header_value(value):
    if not isinstance(value, str) or len(value) > MAX_TEXT or any(not " " <= letter <= "~" for letter in value):
        raise KeyTroubleError("printable ASCII")
    return value


def header_lines(value):
    if not isinstance(value, dict) or len(value) > MAX_HEADERS:
        raise KeyTroubleError("an object of at most %d headers" % MAX_HEADERS)
    if any(not 0 < len(name) <= 64 or set(name) - TOKEN for name in value):
        raise KeyTroubleError("headers with names that HTTP allows")
    return {name: header_value(text) for name, text in value.items()}


def family_of(text):
    return socket.AF_INET6 if isinstance(text, str) and ":" in text else socket.AF_INET


BOTH = (socket.AF_INET, socket.AF_INET6)
V4, V6 = (socket.AF_INET,), (socket.AF_INET6,)
PATH = {"path": (boolean, False)}
FLOW = {"flow": (one_of("new", "same"), REQUIRED)}

SHAPES = {
    "icmp": Shape(None, V4, False, FLOW),
    "icmp6": Shape(None, V6, False, FLOW),
    "arp": Shape(None, V4, False, {}),
    "garp": Shape(None, V4, False, {}),
    "neighbour": Shape(None, BOTH, False, {}),
    "ra": Shape(None, V6, True, {}),
    "syn": Shape(REQUIRED, V4, False, {}),
    "banner": Shape(REQUIRED, V4, False, {}),
    "connect": Shape(REQUIRED, BOTH, False, PATH),
    "udp": Shape(REQUIRED, BOTH, False, PATH),
    "dns": Shape(
        53,
        BOTH,
        False,
        {"name": (host_name, REQUIRED), "type": (one_of("A", "AAAA"), "A"), "expect": (addresses, None)},
    ),
    "http": Shape(
        80,
        BOTH,
        False,
        {
            "path": (request_path, "/"),
            "host": (header_value, None),
            "headers": (header_lines, None),
            "status": (whole(100, 599), 200),
            "expect_crc": (whole(0, 2**32 - 1), None),
        },
    ),
    "held": Shape(
        REQUIRED,
        BOTH,
        False,
        {"mode": (one_of("echo", "keepalive"), REQUIRED), "reopen_ns": (whole(SECOND_NS, MAX_NS), None)},
    ),
    "listen": Shape(REQUIRED, BOTH, True, {}),
    "dhcp": Shape(None, V4, False, PATH),
}


def read_options(prober, row):
    """The prober's own keys, checked, with their defaults. Raises KeyTroubleError with one line."""
    options = {}
    for name, (check, default) in SHAPES[prober].options.items():
        value = row.get(name, default)
        if value is REQUIRED or (value is None and default is REQUIRED):
            raise KeyTroubleError("%s is missing" % name)
        try:
            options[name] = None if value is None and default is None else check(value)
        except KeyTroubleError as trouble:
            raise KeyTroubleError("%s must be %s" % (name, trouble)) from None
    return options


def check_together(lane):
    """What the times of a lane must be for its prober. Raises KeyTroubleError."""
    if lane.prober in ("connect", "http") and lane.tmax_ns > SECOND_NS:
        raise KeyTroubleError("tmax_ns must be at most 1 s: only the first SYN counts")
    if lane.prober == "dhcp" and lane.interval_ns < DHCP_INTERVAL_NS:
        raise KeyTroubleError("interval_ns must be at least 10 s")
    if lane.prober == "ra" and lane.interface is None:
        raise KeyTroubleError("interface is missing")
    if lane.prober in ("icmp6", "neighbour") and lane.interface is None and lane.target.lower().startswith("fe80:"):
        raise KeyTroubleError("interface is missing: the target is a link-local address")
    if lane.prober == "held":
        if lane.options["mode"] == "keepalive":
            if lane.interval_ns < KEEPALIVE_NS or lane.tmax_ns > lane.interval_ns:
                raise KeyTroubleError("keepalive needs an interval_ns of 1.5 s or more and no longer tmax_ns")
        elif lane.options["reopen_ns"] is not None:
            raise KeyTroubleError("reopen_ns is for mode keepalive only")
