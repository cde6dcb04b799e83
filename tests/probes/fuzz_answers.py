# SPDX-License-Identifier: GPL-2.0-only
"""Feeds the probers' readers with bytes that nobody sends on purpose; run as a program, for it loads Scapy.

A packet from outside must never end the prober. Prints how many inputs it tried, and how many were taken as answers.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
from typing import Any

from csw_probe import plan, table  # type: ignore[import-not-found]

FAR = "10.9.0.2"


def lanes(prober: str) -> Any:
    row = {"lane": 7, "prober": prober, "flow": "new", "port": 22, "target": FAR}
    row |= {"interval_ns": 10**8, "tmax_ns": 10**9, "offset_ns": 0}
    return plan.parse_plan({"version": 1, "run": "0" * 32, "duration_s": 1, "lanes": [row]}).lanes


def packets(chance: random.Random, good: bytes) -> Any:
    """The good one cut at each length, then with random bytes in random places, then noise."""
    for length in range(len(good)):
        yield good[:length]
    for _ in range(3000):
        broken = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        yield bytes(broken)
    for _ in range(1000):
        yield bytes([0x45]) + chance.randbytes(chance.randrange(19, 120))


def main() -> None:
    chance = random.Random(int(sys.argv[1]))
    env = table.Env(os.urandom(8), 10**10)
    number = int.from_bytes(bytes(int(part) for part in FAR.split(".")), "big")
    tried = taken = 0

    icmp = table.open_prober("icmp", lanes("icmp"), env)
    icmp.send(7, 0, 0)
    echo = bytes(icmp._flows[7].buffer)
    head = bytes([0x45]) + bytes(8) + b"\1" + bytes(6) + bytes([10, 9, 0, 2])
    for good in (
        head + b"\0" + echo[1:],
        head + b"\3\1" + bytes(6) + head + echo,
        head + b"\3\1" + bytes(6) + head + echo[:8],
    ):
        for data in packets(chance, good):
            if data:
                tried += 1
                taken += icmp._answer(data, 1, 0) is not None

    syn = table.open_prober("syn", lanes("syn"), env)
    syn.send(7, 0, 0)
    segment = bytes(syn._targets[7].syn[0])
    for good, match in ((segment, syn._handshake), (head + b"\3\1" + bytes(6) + segment, syn._error)):
        for data in packets(chance, good):
            if len(data) >= 20:
                tried += 1
                taken += match(data, number, 1, 0) is not None

    icmp6 = importlib.import_module("csw_probe.icmp6")
    packed6 = bytes(icmp6.echo6_request(icmp6.MARK.pack(env.token, 7, 0, 3)))
    quoted = bytes(6) + b"\x3a" + bytes(33) + packed6
    ra = importlib.import_module("csw_probe.ra")
    told = bytes([134, 0, 0, 0, 64, 0, 7, 8]) + bytes(8) + b"\5\1" + bytes(6) + b"\1\1" + bytes(6)
    garp = importlib.import_module("csw_probe.garp")
    own = bytes(12) + b"\x08\x06" + bytes([0, 1, 8, 0, 6, 4, 0, 1]) + (b"\2" * 6 + b"\x0a\x09\0\2") * 2
    dhcp = importlib.import_module("csw_probe.dhcp")
    asked = dhcp._Asked()
    asked.xid, asked.mac, asked.ciaddr = 9, bytes(6), 5
    bootp = dhcp.BOOTP.pack(2, 1, 6, 0, 9, 0, 0, 0, 5, 0, 0, bytes(16), bytes(192), dhcp.COOKIE)
    ack = bytes([0x45]) + bytes(27) + bootp + bytes([0, 54, 4, 1, 2, 3, 4, 53, 1, 5, 255])
    for good, judge in (
        (b"\x81" + packed6[1:], lambda data: icmp6.judge(data, env.token)),
        (b"\1\0" + bytes(6) + quoted, lambda data: icmp6.judge(data, env.token)),
        (told, ra.advertisement),
        (own, garp.announcement),
        (ack, lambda data: dhcp.judge(data, {9: asked})),
    ):
        assert judge(good) is not None
        for data in (b"", *packets(chance, good)):
            tried += 1
            taken += judge(data) is not None

    print(tried, taken)


if __name__ == "__main__":
    main()
