# SPDX-License-Identifier: GPL-2.0-only
"""The plan: read, checked as a whole before anything is sent."""

from __future__ import annotations

import json
import math
import socket
from collections import namedtuple

from .errors import StartError
from .keys import REQUIRED, SHAPES, KeyTroubleError, check_together, family_of, read_options

Plan = namedtuple("Plan", "run duration_ns lanes")
#: options: what keys.py says the prober has beyond the rest, with defaults.
Lane = namedtuple("Lane", "lane prober flow target port interface interval_ns tmax_ns offset_ns options")

MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_LANES = 65535  # 0xFFFF is no lane
MAX_DURATION_S = 31 * 86400
MIN_NS = 100_000  # 10,000 samples a second in one lane
MAX_NS = 3600 * 10**9
MAX_TMAX_NS = 60 * 10**9
MAX_SAMPLES = 2**32 - 1
NAME_BYTES = 15  # IFNAMSIZ less the end


def read_plan(path):
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise StartError("plan", "cannot read the plan %s: %s" % (path, error.strerror)) from None
    if len(text) > MAX_FILE_BYTES:
        raise StartError("plan", "the plan is larger than 16 MiB")
    try:
        return parse_plan(json.loads(text.decode("utf-8")))
    except (ValueError, RecursionError):
        raise StartError("plan", "the plan is not JSON") from None


def parse_plan(raw):
    if not isinstance(raw, dict):
        raise _bad("the plan is not an object")
    if _whole(raw, "version", 0, 2**31, "the plan") != 1:
        raise _bad("the plan has version %r, this program speaks 1" % raw["version"])
    run = raw.get("run")
    if not isinstance(run, str) or len(run) != 32 or not set(run) <= set("0123456789abcdefABCDEF"):
        raise _bad("run must be 32 hex digits")
    duration_s = raw.get("duration_s")
    if isinstance(duration_s, bool) or not isinstance(duration_s, (int, float)):
        raise _bad("duration_s must be a number")
    if not math.isfinite(duration_s) or not 0 < duration_s <= MAX_DURATION_S:
        raise _bad("duration_s must be more than 0 and at most 31 days")
    rows = raw.get("lanes")
    if not isinstance(rows, list) or not 0 < len(rows) <= MAX_LANES:
        raise _bad("lanes must be a list of 1 to 65535 lanes")
    lanes = [_lane(row, place) for place, row in enumerate(rows)]
    if len({lane.lane for lane in lanes}) != len(lanes):
        raise _bad("a lane number occurs twice")
    for lane in lanes:
        if duration_s * 10**9 / lane.interval_ns > MAX_SAMPLES:
            raise _bad("lane %d: more samples than it can number" % lane.lane)
    return Plan(bytes.fromhex(run), int(duration_s * 10**9), lanes)


def _lane(row, place):
    where = "lane at place %d" % place
    if not isinstance(row, dict):
        raise _bad(where + " is not an object")
    number = _whole(row, "lane", 0, MAX_LANES - 1, where)
    where = "lane %d" % number
    prober = row.get("prober")
    if not isinstance(prober, str) or prober not in SHAPES:
        raise _bad("%s: unknown prober, one of %s is meant" % (where, ", ".join(sorted(SHAPES))))
    shape = SHAPES[prober]
    port = 0
    if shape.port is not None and (shape.port is REQUIRED or "port" in row):
        port = _whole(row, "port", 1, 65535, where)
    elif shape.port is not None:
        port = shape.port
    try:
        options = read_options(prober, row)
        lane = Lane(
            lane=number,
            prober=prober,
            flow=options.get("flow"),
            target=_address(row.get("target"), shape, where),
            port=port,
            interface=_interface(row.get("interface"), where),
            interval_ns=_whole(row, "interval_ns", MIN_NS, MAX_NS, where),
            tmax_ns=_whole(row, "tmax_ns", MIN_NS, MAX_TMAX_NS, where),
            offset_ns=_whole(row, "offset_ns", 0, MAX_NS, where),
            options=options,
        )
        check_together(lane)
    except KeyTroubleError as trouble:
        raise _bad("%s: %s" % (where, trouble)) from None
    return lane


def _whole(row, key, low, high, where):
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _bad("%s: %s must be a whole number from %d to %d" % (where, key, low, high))
    return value


def _address(text, shape, where):
    family = family_of(text)
    versions = " or ".join("IPv4" if one == socket.AF_INET else "IPv6" for one in shape.families)
    try:
        packed = socket.inet_pton(family, text)
    except (OSError, TypeError, ValueError):
        packed = b""
    if not packed or family not in shape.families:
        raise _bad("%s: target must be an %s address" % (where, versions))
    if shape.wild and not any(packed):
        return text
    many = packed[0] == 0 or packed[0] >= 224 if family == socket.AF_INET else not any(packed) or packed[0] == 255
    if many:
        raise _bad(where + ": target must be the address of one host")
    return text


def _interface(name, where):
    if name is None:
        return None
    if not isinstance(name, str) or not 0 < len(name.encode("utf-8", "replace")) <= NAME_BYTES:
        raise _bad(where + ": interface must be the name of one")
    if "/" in name or not name.isprintable() or " " in name:
        raise _bad(where + ": interface must be the name of one")
    return name


def _bad(line):
    return StartError("plan", line)
