# SPDX-License-Identifier: Apache-2.0
"""Three ways to measure an outage that do not see it, on the very outages that the prober's bounds hold.

`python -m tests.bench.bench_blind_methods [--full] [--to DIR]`. Exit code 1: the prober's bounds do not
hold the truth.

- A loop that connects without a timeout: the kernel repeats the SYN until the path is back, so no attempt fails.
- `ping` into a pipe that nobody drains, as an SSH channel through the path that is down: from each cut until the
  outage's length after its end nothing is read. The pipe is one page here; one of 64 KiB is full after 11 s at this
  rate. And `ping -c 1 -W 1` one after the other.
- The difference of two readings of a wall clock that is stepped in between. This machine's clock is not touched, and
  CLOCK_REALTIME has no namespace: the step is put into the pairs of clocks that the prober recorded, and the stamps are
  taken to the wall clock by those pairs. The analysis gets the same changed records.
"""

from __future__ import annotations

import fcntl
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from csworkbench.probing.spool import CLOCK, HEADER, RECORD
from tests.bench import known, peers
from tests.bench.known import MS, S, Truth
from tests.bench.output import Output, words
from tests.bench.peers import Loss
from tests.probes.net import Net, read_spool

LENGTHS_S = (2, 4, 8)
FULL_S = (5, 10, 21, 44)
STEP_NS = -1500 * MS
LANE_MS, PING_MS = 100, 10
PAGE = 4096
REPLY = re.compile(rb"^\[(\d+\.\d+)\] \d+ bytes from ")
Windows = Sequence[tuple[int, int]]


class StalledPing:
    """`ping -O -D` into a pipe that is not read in some windows of CLOCK_MONOTONIC, ns."""

    def __init__(self, net: Net, address: str) -> None:
        command = ["ping", "-n", "-O", "-D", "-i", f"{PING_MS / 1000:g}", address]
        self._process = subprocess.Popen(
            [*net.words("near"), *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        assert self._process.stdout is not None
        fcntl.fcntl(self._process.stdout, fcntl.F_SETPIPE_SZ, PAGE)
        self._address = address
        self._windows: Windows = ()
        self._read: list[tuple[int, bytes]] = []
        self._reader = threading.Thread(target=self._drain)
        self._reader.start()

    def stall(self, windows: Windows) -> None:
        """When nobody will read."""
        self._windows = windows

    def _drain(self) -> None:
        assert self._process.stdout is not None
        while True:
            now_ns = time.monotonic_ns()
            until_ns = max((b for a, b in self._windows if a <= now_ns < b), default=now_ns)
            time.sleep(max((until_ns - now_ns) / 1e9, 0.001))
            data = os.read(self._process.stdout.fileno(), PAGE)
            if not data:
                return
            self._read.append((time.monotonic_ns(), data))

    def end(self) -> tuple[list[Loss], list[Loss]]:
        """(lost x interval as ping says it, from reply to reply as they came out of the pipe)."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=10)
        self._reader.join()
        ahead_ns = time.time_ns() - time.monotonic_ns()
        lost, came, rest = [], list[int](), b""
        for at_ns, data in self._read:
            *lines, rest = (rest + data).split(b"\n")
            came += [at_ns for line in lines if REPLY.match(line)]
            said = [match for line in lines if (match := peers.NO_ANSWER.match(line))]
            lost += [Loss(self._address, round(float(match[1]) * S) - ahead_ns, PING_MS * MS) for match in said]
        gaps = [Loss(self._address, a, b - a) for a, b in pairwise(came) if b - a > 1000 * MS]
        return lost, gaps


class PingAfterPing:
    """`ping -c 1 -W 1` and a pause, again and again; lost x interval."""

    def __init__(self, net: Net, address: str) -> None:
        self._command = [*net.words("near"), "ping", "-n", "-q", "-c", "1", "-W", "1", address]
        self._address, self._lost, self._over = address, list[Loss](), threading.Event()
        self._loop = threading.Thread(target=self._run)
        self._loop.start()

    def _run(self) -> None:
        while not self._over.wait(LANE_MS / 1000):
            at_ns = time.monotonic_ns()
            if subprocess.run(
                self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
            ).returncode:
                self._lost.append(Loss(self._address, at_ns, LANE_MS * MS))

    def end(self) -> list[Loss]:
        """End it, and what it lost."""
        self._over.set()
        self._loop.join()
        return self._lost


def stepped(spool: bytes, at_ns: int) -> bytes:
    """The spool as it would be had somebody set the wall clock back at that time."""
    data = bytearray(spool)
    for place in range(HEADER.size, len(data), RECORD.size):
        record = list(RECORD.unpack_from(data, place))
        if record[2] == CLOCK and record[8 + 1] >= at_ns:
            record[12] += STEP_NS
            RECORD.pack_into(data, place, *record)
    return bytes(data)


def by_wall_clock(path: Path, truths: Sequence[Truth]) -> list[float]:
    """First good answer after the outage less the last good one before, in ms, as a wall clock shows them."""
    spool = read_spool(path)
    pairs = [(record.sent, record.aux) for record in spool.records if record.kind == CLOCK]

    def wall_ns(mono_ns: int) -> int:
        mono, real = max(pair for pair in pairs if pair[0] <= mono_ns)
        return real + mono_ns - mono

    good = [record.received for record in spool.lane(0) if record.outcome == 0]
    return [
        (
            wall_ns(min(at for at in good if at > truth.end_ns[0]))
            - wall_ns(max(at for at in good if at < truth.start_ns[1]))
        )
        / MS
        for truth in truths
    ]


def main() -> int:
    """The exit code."""
    given = words("bench_blind_methods", ["nft", "ping"])
    out = Output("bench_blind_methods", given.to)
    lengths = FULL_S if given.full else LENGTHS_S
    with tempfile.TemporaryDirectory() as name, Net(Path(name)) as net:
        folder = Path(name)
        address = known.add_addresses(net, 1)[0]
        peers.listener(net)
        lanes = [known.echoes(0, address, LANE_MS)]
        with known.prober(net, lanes, 600) as (started, spool):
            loop = peers.ConnectLoop(net, [address], LANE_MS, folder, timeout_s=None)
            pipe, one_by_one = StalledPing(net, address), PingAfterPing(net, address)
            chance = random.Random(3)
            at_ns = started["start_mono"] + round((known.BASELINE_S + 1) * S)
            changes, unread = [], []
            for length in lengths:
                at_ns += round(chance.random() * LANE_MS * MS)
                end_ns = at_ns + length * S + round(chance.random() * LANE_MS * MS)
                changes += [(at_ns, address, True), (end_ns, address, False)]
                unread.append((at_ns, end_ns + length * S))
                at_ns = end_ns + (length + 2) * S
            pipe.stall(unread)
            truths = known.make(net, changes)
            time.sleep(lengths[-1] + 2)
            alone = one_by_one.end()
            lost, gaps = pipe.end()
            attempts = loop.attempts()
        recorded = spool.read_bytes()
        step_ns = truths[0].start_ns[0] + round(lengths[0] * S / 4)
        changed = folder / "stepped"
        changed.write_bytes(stepped(recorded, step_ns))
        wall = by_wall_clock(changed, truths)
        report = known.reports(lanes, recorded, started["start_mono"])[0]
        same = known.reports(lanes, changed.read_bytes(), started["start_mono"])[0] == report
    matches, invented = known.match(truths, report)
    tell(out, matches, [bad_ms(truths, attempts), *(sums_ms(truths, losses) for losses in (lost, gaps, alone)), wall])
    connected = sum(good for *_, good in attempts)
    out.say(f"connect loop: {connected} of {len(attempts)} attempts were good")
    word = "the same" if same else "OTHERS"
    out.say(
        f"wall clock: a step of {STEP_NS / 1e9:+.1f} s in the first outage; the prober's figures with it are {word}"
    )
    if not same:
        out.violated("a step of the wall clock changed the prober's figures")
    for match in matches:
        if match.refuted:
            out.violated(f"{match.truth} against {match.outage}")
    if invented:
        out.violated(f"outages that nobody made: {invented}")
    return out.end()


def bad_ms(truths: Sequence[Truth], attempts: Sequence[tuple[str, int, int, bool]]) -> list[float]:
    """Time in attempts that failed, per outage."""
    failed = [Loss(address, start, end - start) for address, start, end, good in attempts if not good]
    return sums_ms(truths, failed)


def sums_ms(truths: Sequence[Truth], losses: Sequence[Loss]) -> list[float]:
    """What the losses come to per outage; what is said up to its length after its end belongs to it."""
    found = [peers.by_outage([truth], losses, truth.middle_ns + S)[0] for truth in truths]
    return [(figure or 0) / MS for figure in found]


def tell(out: Output, matches: Sequence[known.Match], methods: Sequence[Sequence[float]]) -> None:
    """One row per outage: figures, and how often the truth each is."""
    rows = [[
        "truth s", "csw_probe [low, high]", "inside", "connect loop", "stalled ping, lost", "stalled ping, gap",
        "ping after ping", "wall clock",
    ]]  # fmt: skip
    for place, match in enumerate(matches):
        true_ms, outage = match.truth.middle_ns / MS, match.outage
        own = f"{outage.down_ns / 1e9:.3f} [{outage.low_ns / 1e9:.3f}, {outage.high_ns / 1e9:.3f}]" if outage else "-"
        figures = [f"{method[place] / 1000:.2f} (x{method[place] / true_ms:.2f})" for method in methods]
        rows.append([f"{true_ms / 1000:.3f}", own, "yes" if match.inside else "no", *figures])
    out.say("Seconds, and times the truth. connect loop: time in attempts that failed; lost: lost x interval, as ping")
    out.say("says it; gap: from reply to reply as the reader gets them; ping after ping: lost x 0.1 s")
    out.table(rows)


if __name__ == "__main__":
    sys.exit(main())
