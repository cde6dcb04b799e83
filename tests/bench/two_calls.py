# SPDX-License-Identifier: Apache-2.0
"""The least that Python can do: a sendto and a recv per echo, no schedule of its own, no stamps, no verdicts, no spool.

`python -m tests.bench.two_calls INTERVAL_MS ADDRESS...`: until it is killed, all targets at once.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import sys
import time


def echo(number: int) -> bytes:
    """An echo request of 64 bytes with this sequence number."""
    words = (0x0800, 0, 0x4357, number & 0xFFFF)
    return struct.pack("!4H56x", words[0], -sum(words) % 0xFFFF, *words[2:])


def main(interval_s: float, addresses: list[str]) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sock.setblocking(False)
    targets = [(address, 0) for address in addresses]
    sendto, recv = sock.sendto, sock.recv
    due = time.monotonic()
    for number in itertools.count():
        packet = echo(number)
        for target in targets:
            sendto(packet, target)
        with contextlib.suppress(BlockingIOError):
            while True:
                recv(256)
        due += interval_s
        time.sleep(max(due - time.monotonic(), 0))


if __name__ == "__main__":
    main(int(sys.argv[1]) / 1e3, sys.argv[2:])
