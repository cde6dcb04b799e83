# SPDX-License-Identifier: Apache-2.0
"""What people measure outages with: `ping -O`, `fping -l`, a loop that connects. Each on the same outages.

A peer's figure for an outage is what people compute from its output: lines of loss x interval, or, for the loop, from
the start of the first failed attempt to the end of the next good one.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.known import MS, S, Truth
from tests.probes.net import Net

LOOP = str(Path(__file__).with_name("connect_loop.py"))
NO_ANSWER = re.compile(rb"^\[(\d+\.\d+)\] no answer yet for icmp_seq=")
REPLY = re.compile(rb"^\[(\d+\.\d+)\] \d+ bytes from ")
TIMED_OUT = re.compile(rb"^\[(\d+\.\d+)\] (\S+) +: \[\d+\], timed out")


class Loss(NamedTuple):
    """Something lost: when it was said, and how much time that stands for."""

    address: str
    at_ns: int
    stands_ns: int


class Ping:
    """`ping -O -D`, one process per address."""

    def __init__(self, net: Net, addresses: Sequence[str], interval_ms: float, folder: Path) -> None:
        self.name = f"ping -O -i {interval_ms / 1000:g}, lost x interval"
        self._interval_ms, self._files, self._processes = interval_ms, {}, []
        for address in addresses:
            path = self._files[address] = folder / f"ping-{address}-{interval_ms:g}"
            command = ["ping", "-n", "-O", "-D", "-i", f"{interval_ms / 1000:g}", address]
            with path.open("wb") as out:
                # It complains about the prober's answers that happen to bear its identifier.
                quiet = subprocess.DEVNULL
                self._processes.append(subprocess.Popen([*net.words("near"), *command], stdout=out, stderr=quiet))

    def gaps(self) -> list[Loss]:
        """After `losses`: from reply to reply, where they are more than three intervals apart."""
        ahead_ns = time.time_ns() - time.monotonic_ns()
        found = []
        for address, path in self._files.items():
            lines = (REPLY.match(line) for line in path.read_bytes().splitlines())
            stamps = [round(float(said[1]) * S) - ahead_ns for said in lines if said]
            apart = [(a, b - a) for a, b in pairwise(stamps)]
            found += [Loss(address, at, length) for at, length in apart if length > 3 * self._interval_ms * MS]
        return found

    def losses(self) -> list[Loss]:
        """End it, and read."""
        _end(self._processes)
        ahead_ns = time.time_ns() - time.monotonic_ns()
        return [
            Loss(address, round(float(said[1]) * S) - ahead_ns, round(self._interval_ms * MS))
            for address, path in self._files.items()
            for line in path.read_bytes().splitlines()
            if (said := NO_ANSWER.match(line))
        ]


class Fping:
    """`fping -l -D`, one process for all."""

    def __init__(self, net: Net, addresses: Sequence[str], interval_ms: float, folder: Path) -> None:
        spacing = f"{min(1.0, interval_ms / len(addresses) / 2):g}"  # half of what would just do; its default is 10 ms
        self.name = f"fping -l -p {interval_ms:g} -i {spacing}, lost x period"
        self._interval_ms, self._path = interval_ms, folder / f"fping-{interval_ms:g}"
        command = ["fping", "-l", "-D", "-i", spacing, "-p", f"{interval_ms:g}", *addresses]
        with self._path.open("wb") as out:
            self._process = subprocess.Popen([*net.words("near"), *command], stdout=out, stderr=subprocess.DEVNULL)

    def losses(self) -> list[Loss]:
        """End it, and read."""
        _end([self._process])
        ahead_ns = time.time_ns() - time.monotonic_ns()
        return [
            Loss(said[2].decode(), round(float(said[1]) * S) - ahead_ns, round(self._interval_ms * MS))
            for line in self._path.read_bytes().splitlines()
            if (said := TIMED_OUT.match(line))
        ]


class ConnectLoop:
    """Connects, closes, waits, connects again: a loop per address, with a timeout (None: the kernel's)."""

    def __init__(
        self, net: Net, addresses: Sequence[str], interval_ms: float, folder: Path, timeout_s: float | None = 1.0
    ) -> None:
        shown = "no timeout" if timeout_s is None else f"timeout {timeout_s:g} s"
        self.name = f"connect loop, {interval_ms:g} ms, {shown}"
        self._path = folder / f"loop-{interval_ms:g}-{timeout_s}"
        asked = json.dumps({"addresses": list(addresses), "interval_s": interval_ms / 1000, "timeout_s": timeout_s})
        with self._path.open("wb") as out:
            command = [*net.words("near"), sys.executable, LOOP, "loop", asked]
            self._process = subprocess.Popen(command, stdout=out)

    def attempts(self) -> list[tuple[str, int, int, bool]]:
        """End it: (address, start, end, good) of each attempt, in order of their ends."""
        _end([self._process])
        return [tuple(json.loads(line)) for line in self._path.read_text().splitlines()]

    def losses(self) -> list[Loss]:
        """Each run of failures as one."""
        found, failing = [], dict[str, int]()
        for address, start_ns, end_ns, good in self.attempts():
            if not good:
                failing.setdefault(address, start_ns)
            elif address in failing:
                began_ns = failing.pop(address)
                found.append(Loss(address, began_ns, end_ns - began_ns))
        return found


def listener(net: Net) -> subprocess.Popen[str]:
    """What the loops connect to, on the far side; `net` ends it."""
    process = net.start("far", sys.executable, LOOP, "listen")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def by_outage(truths: Sequence[Truth], losses: Sequence[Loss], slack_ns: int) -> list[int | None]:
    """What the losses come to for each outage, ns; None: nothing was lost. Said up to `slack_ns` after its end."""
    per_address: dict[str, list[Loss]] = {}
    for loss in sorted(losses):
        per_address.setdefault(loss.address, []).append(loss)
    found: list[int | None] = []
    for truth in truths:
        mine = per_address.get(truth.address, [])
        first = bisect_left(mine, truth.start_ns[0] - 100 * MS, key=lambda loss: loss.at_ns)
        last = bisect_right(mine, truth.end_ns[1] + slack_ns, key=lambda loss: loss.at_ns)
        found.append(sum(loss.stands_ns for loss in mine[first:last]) or None)
    return found


def _end(processes: Sequence[subprocess.Popen[Any]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        process.wait(timeout=20)
