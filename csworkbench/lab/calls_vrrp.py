# SPDX-License-Identifier: Apache-2.0
"""What keepalived's notify script is on a real router: it acts on each transition, inside the router.

A program of the router's own, and links by system call, because tenants wait for it: it must neither queue behind
whatever the lab does meanwhile nor start a program on a busy machine first.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

FOLLOWING: dict[str, object] = {"following": True}
"""The first line: the FIFO exists and is read."""
PRIMARY_WORD = "MASTER"
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1
_LINK_REQUEST = struct.Struct("16sH22x")


_ETH_ARP = 0x0806
_kept: list[socket.socket] = []
_ASK_EACH_S, _ASK_LIMIT_S = 0.002, 0.3


def follow_vrrp(
    fifo: str,
    devices: Sequence[str],
    upstream: str,
    commands: dict[str, list[list[str]]],
    environment: dict[str, str],
) -> str:
    """Act on each state that keepalived writes to the FIFO and that has commands; never returns.

    MASTER takes the devices up and waits until `upstream` answers on the first (if both are named), any other state
    takes them down; then its commands run in order. A failing step does not stop the next, as in CloudStack's
    scripts. Writes one JSON line per transition: `state`, `links_ms` and `all_ms` (from the
    event until the links, and everything, are done), `failed` (error texts).
    """
    os.mkfifo(fifo, 0o600)
    reader = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)  # a writer of our own: no end of file when keepalived restarts
    _tell(FOLLOWING)
    with os.fdopen(reader) as lines:
        for line in lines:
            words = line.split()  # INSTANCE "inside_network" MASTER 100
            if len(words) != 4 or words[0] != "INSTANCE" or words[2] not in commands:
                continue
            start = time.monotonic()
            failed = _set_links(devices, up=words[2] == PRIMARY_WORD)
            if words[2] == PRIMARY_WORD and upstream and devices:
                _await_answer(devices[0], upstream)
            links_ms = _since_ms(start)
            failed += _run(commands[words[2]], environment)
            _tell({"state": words[2], "links_ms": links_ms, "all_ms": _since_ms(start), "failed": failed})
    return ""


def _set_links(devices: Sequence[str], *, up: bool) -> list[str]:
    failed = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for device in devices:
            try:
                answer = fcntl.ioctl(any_socket, _GET_FLAGS, _LINK_REQUEST.pack(device.encode(), 0))
                _, flags = _LINK_REQUEST.unpack(answer)
                wanted = flags | _UP if up else flags & ~_UP
                fcntl.ioctl(any_socket, _SET_FLAGS, _LINK_REQUEST.pack(device.encode(), wanted))
            except OSError as error:
                failed.append(f"{device}: {error}")
    return failed


def _await_answer(device: str, address: str) -> None:
    """Ask who has that address until it answers, at most for a moment.

    A virtual cable carries frames some milliseconds after its link is up, where the tap of a real guest does at once.
    The kernel asks only once a second: a packet forwarded in between would make the outage a second longer.
    """
    probe = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    with suppress(OSError):
        asking = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_ARP))
        _kept.append(asking)  # closing a packet socket takes the kernel 25 ms
        asking.bind((device, _ETH_ARP))
        mac = asking.getsockname()[4]
        frame = b"\xff" * 6 + mac + struct.pack("!H", _ETH_ARP) + probe + mac + bytes(4) + bytes(6)
        asking.settimeout(_ASK_EACH_S)
        limit = time.monotonic() + _ASK_LIMIT_S
        while time.monotonic() < limit:
            asking.send(frame + socket.inet_aton(address))
            with suppress(TimeoutError):
                if asking.recv(64)[28:32] == socket.inet_aton(address):
                    return


def _run(commands: Sequence[Sequence[str]], environment: dict[str, str]) -> list[str]:
    failed = []
    for argv in commands:
        done = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            failed.append(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return failed


def _since_ms(start: float) -> float:
    return round((time.monotonic() - start) * 1000, 3)


def _tell(message: dict[str, object]) -> None:
    os.write(1, (json.dumps(message) + "\n").encode())
