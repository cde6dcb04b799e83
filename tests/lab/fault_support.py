# SPDX-License-Identifier: Apache-2.0
"""What the tests of faults share: a fault for a while, and what goes over the wire meanwhile."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.support import LAB, RunningCloud, environment

Frame = tuple[int, str, str]
"""Of ARP: operation (1 request, 2 reply), sender's and target's address."""

_SNIFF = """
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
s.bind(("eth0", 0x0806))
print("ready", flush=True)
while True:
    f = s.recv(64)
    if f[:6] == b"\\xff" * 6:
        print(f[21], socket.inet_ntoa(f[28:32]), socket.inet_ntoa(f[38:42]), flush=True)
"""


@contextmanager
def fault(cloud: RunningCloud, name: str) -> Iterator[None]:
    """That fault for the length of a with block."""
    assert cloud.lab("fault", name).returncode == 0
    try:
        yield
    finally:
        assert cloud.lab("fault", name, "--off").returncode == 0


class Announced:
    """What is announced by broadcast, as a host hears it on eth0 during a with block."""

    def __init__(self, cloud: RunningCloud, host: str) -> None:
        self._words = [*LAB, "--state", str(cloud.state), "exec", host, "--", "python3", "-c", _SNIFF]
        self._heard: list[Frame] = []

    def __enter__(self) -> Announced:
        self._process = subprocess.Popen(self._words, stdout=subprocess.PIPE, text=True, env=environment())
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        output, _error = self._process.communicate()
        lines = [line.split() for line in output.splitlines()]
        self._heard = [(int(words[0]), words[1], words[2]) for words in lines]

    def of(self, address: str) -> set[Frame]:
        """Announcements of that address, in their forms; questions for others' addresses are none."""
        return {frame for frame in self._heard if frame[1] == address and (frame[0] == 2 or frame[2] == address)}


def owners(cloud: RunningCloud, host: str, address: str) -> set[str]:
    """The MAC addresses that answer for an address when that host asks everybody."""
    done = cloud.run(host, "arping", "-b", "-c", "2", "-w", "2", "-I", "eth0", address)
    return {mac.lower() for mac in re.findall(r"\[([0-9A-Fa-f:]{17})\]", done.stdout)}


def pings(cloud: RunningCloud, host: str, target: str) -> bool:
    """One ICMP echo."""
    return cloud.run(host, "ping", "-c", "1", "-W", "0.6", target).returncode == 0


def names(cloud: RunningCloud, host: str) -> bool:
    """Whether the router's DNS tells that host another tenant's address."""
    asked = cloud.run(host, "timeout", "1", "busybox", "nslookup", "vm02.cs2cloud.internal", "10.1.1.1")
    return "10.1.1.102" in asked.stdout


def host_key(cloud: RunningCloud, address: str) -> str:
    """Of the SSH server behind a public address; empty when nothing answers."""
    return cloud.run("outside", "ssh-keyscan", "-T", "1", "-t", "ed25519", address).stdout
