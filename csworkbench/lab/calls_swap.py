# SPDX-License-Identifier: Apache-2.0
"""A gateway that goes away for an exact time and comes back with another MAC, and who has found it again."""

from __future__ import annotations

import fcntl
import json
import select
import signal
import socket
import struct
import time

from csworkbench.lab.calls_arp import announce
from csworkbench.lab.calls_witness import clock_shift_ns
from csworkbench.lab.gate import Gate

_SET_MAC = 0x8924  # SIOCSIFHWADDR
_ETHERNET = 1  # ARPHRD_ETHER
_IPV4 = 0x0800
_HEADER = struct.Struct("!6s6sH12x4s")
"""Destination, source, type, and in an IPv4 packet where it comes from."""


def swap_mac(device: str, mac: str, gap_ms: int, announced: list[str], guests: dict[str, str], follow_ms: int) -> str:
    """Shut the gate for so long, take that MAC meanwhile, announce these addresses; the gate's table must be there.

    `guests`: names by address. For `follow_ms` at most it then listens which of them sends a packet to the new MAC, and
    sends nothing itself. Returns the stamps on the host's clock. Raises OSError.
    """
    shift_ns = clock_shift_ns()
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as ear:
        gate = Gate()
        start = _turned(gate, is_open=False)
        ear.bind((device, _IPV4))
        # Answers that were on their way are lost with the old MAC: else the new one would ask for their guests.
        _sleep_until(start[1] + gap_ms * 500_000)
        _set_mac(device, mac)
        _sleep_until(start[1] + gap_ms * 1_000_000)
        end = _turned(gate, is_open=True)
        if announced:
            announce({device: (announced, None)})
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)
        found = _follow(ear, bytes.fromhex(mac.replace(":", "")), guests, end[1] + follow_ms * 1_000_000)
    return json.dumps(
        {
            "start_ns": [at - shift_ns for at in start],
            "end_ns": [at - shift_ns for at in end],
            "found_ns": {name: at - shift_ns for name, at in found.items()},
        }
    )


def _sleep_until(at_ns: int) -> None:
    while (left := at_ns - time.monotonic_ns()) > 0:
        time.sleep(left / 1e9)


def _turned(gate: Gate, *, is_open: bool) -> tuple[int, int]:
    before = time.monotonic_ns()
    gate.set(is_open=is_open)
    return before, time.monotonic_ns()


def _set_mac(device: str, mac: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        request = struct.pack("16sH6s8x", device.encode(), _ETHERNET, bytes.fromhex(mac.replace(":", "")))
        fcntl.ioctl(channel, _SET_MAC, request)


def _follow(ear: socket.socket, mac: bytes, guests: dict[str, str], until_ns: int) -> dict[str, int]:
    """When each guest's first IPv4 packet to that MAC came in."""
    names = {socket.inet_aton(address): name for address, name in guests.items()}
    found: dict[str, int] = {}
    while len(found) < len(names) and (left_ns := until_ns - time.monotonic_ns()) > 0:
        if not select.select([ear], [], [], left_ns / 1e9)[0]:
            break
        frame = ear.recv(64)
        now_ns = time.monotonic_ns()
        if len(frame) < _HEADER.size:
            continue
        to, _, kind, source = _HEADER.unpack_from(frame)
        if to == mac and kind == _IPV4 and source in names:
            found.setdefault(names[source], now_ns)
    return found
