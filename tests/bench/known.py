# SPDX-License-Identifier: Apache-2.0
"""Outages whose length is known, the real prober on them, and the workbench's own analysis of what it recorded.

All stamps are CLOCK_MONOTONIC of this machine, ns; namespaces made here share it.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from csworkbench.measurement.analysis import Analysis
from csworkbench.measurement.outage import Outage
from csworkbench.measurement.totals import LaneReport
from csworkbench.model import event as ev
from csworkbench.model.event import Body, Event, Phase
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.state import RunState, apply
from csworkbench.probing.spool import SpoolReader
from tests.probes.net import RUN, Net, lane

MS, S = 1_000_000, 1_000_000_000
VANTAGE = "near"
BASELINE_S = 2.0
CUT = Path(__file__).with_name("cut.py")


class Truth(NamedTuple):
    """One outage: stamps before and after the cut, before and after the healing."""

    address: str
    start_ns: tuple[int, int]
    end_ns: tuple[int, int]

    @property
    def shortest_ns(self) -> int:
        """It was not shorter than that."""
        return self.end_ns[0] - self.start_ns[1]

    @property
    def longest_ns(self) -> int:
        """It was not longer than that."""
        return self.end_ns[1] - self.start_ns[0]

    @property
    def middle_ns(self) -> int:
        """Its length, to half the stamps' distance."""
        return (self.shortest_ns + self.longest_ns) // 2


def address_of(number: int) -> str:
    """The far side's address for a lane."""
    return f"10.9.{1 + number // 250}.{1 + number % 250}"


def add_addresses(net: Net, count: int) -> list[str]:
    """That many addresses on the far side, and the way to them."""
    addresses = [address_of(number) for number in range(count)]
    net.ip("far", *(f"addr add {address}/32 dev v1" for address in addresses))
    net.ip("near", *(f"route add {address}/32 dev v0" for address in addresses))
    return addresses


def lengths_ms(count: int, least_ms: float, most_ms: float, chance: random.Random) -> list[float]:
    """As many short ones as long ones by ratio, in random order."""
    found = [least_ms * (most_ms / least_ms) ** ((place + chance.random()) / count) for place in range(count)]
    chance.shuffle(found)
    return found


def schedule(
    address: str, lengths: Sequence[float], start_ns: int, chance: random.Random
) -> list[tuple[int, str, bool]]:
    """Cuts and healings of one address with 1.5 to 2 s of peace before each."""
    changes, at_ns = [], start_ns
    for length in lengths:
        at_ns += round((1.5 + chance.random() / 2) * S)
        changes += [(at_ns, address, True), (at_ns + round(length * MS), address, False)]
        at_ns += round(length * MS)
    return changes


def make(net: Net, changes: list[tuple[int, str, bool]]) -> list[Truth]:
    """Make the outages on the far side; returns when the last has ended."""
    changes = sorted(changes)
    process = subprocess.Popen(
        [*net.words("far"), sys.executable, str(CUT), "v1"], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin and process.stdout
    try:
        assert process.stdout.readline() == "ready\n"
        process.stdin.write(json.dumps(changes) + "\n")
        process.stdin.flush()
        begun: dict[str, tuple[int, int]] = {}
        truths = []
        for _, address, down in changes:
            before_ns, after_ns = json.loads(process.stdout.readline())
            if down:
                begun[address] = before_ns, after_ns
            else:
                truths.append(Truth(address, begun.pop(address), (before_ns, after_ns)))
        return truths
    finally:
        process.kill()
        process.communicate()


def echoes(number: int, address: str, interval_ms: float) -> dict[str, Any]:
    """The plan's entry of a lane of echoes, each a new flow."""
    return lane(number, "icmp", address, every_ms=interval_ms, tmax_ms=1000, offset_ns=number * 300_000)


@contextmanager
def prober(net: Net, lanes: Sequence[dict[str, Any]], limit_s: float) -> Iterator[tuple[dict[str, Any], Path]]:
    """The probe program on these lanes: its first line, its spool. At the end it is asked to stop, and has drained."""
    running = net.probe(lanes, limit_s)
    yield running.report, running.path
    running.process.terminate()
    assert running.process.wait(timeout=20) == 0, "the prober failed"


def reports(lanes: Sequence[dict[str, Any]], spool: bytes, started_ns: int) -> dict[int, LaneReport]:
    """What the workbench makes of a spool: through its reader, its reducer and its analysis, as in every run."""
    reader = SpoolReader(VANTAGE, frozenset(entry["lane"] for entry in lanes), bytes.fromhex(RUN))
    bodies: list[Body] = [
        ev.VantageAdded(Vantage(VANTAGE, VantageKind.TENANT)),
        *(ev.LaneAdded(_lane(entry)) for entry in lanes),
        # The recorder is on the same clock.
        ev.ClockEcho(VANTAGE, started_ns, started_ns, started_ns, 0),
        *reader.feed(0, spool),
    ]
    assert reader.ended, "the prober has not ended"
    assert reader.gaps == reader.strange == 0
    state = RunState()
    apply(state, Event(1, started_ns, 0, ev.PhaseEntered(Phase.BASELINE)))
    apply(state, Event(2, started_ns + round(BASELINE_S * S), 0, ev.PhaseEntered(Phase.MEASURE)))
    for number, body in enumerate(bodies, 3):
        apply(state, Event(number, state.last_ns, 0, body))
    analysis = Analysis(state)
    analysis.finish()
    return {entry["lane"]: analysis.lane(entry["lane"]) for entry in lanes}


def _lane(entry: dict[str, Any]) -> Lane:
    return Lane(
        entry["lane"], Service.EGRESS, Prober.ICMP, VANTAGE, entry["target"], entry["interval_ns"], entry["tmax_ns"],
        entry["offset_ns"], entry["flow"], subject=entry["target"],
    )  # fmt: skip


class Match(NamedTuple):
    """A known outage and what a lane says of it; None: it saw nothing, `blind` says whether it could have."""

    truth: Truth
    outage: Outage | None
    blind: bool
    inside: bool
    """Length, onset and end of the truth, the stamps' distance included, lie within the outage's bounds."""
    refuted: bool
    """Whatever the truth is between its stamps, the bounds exclude it."""


def match(truths: Sequence[Truth], report: LaneReport) -> tuple[list[Match], list[Outage]]:
    """Each truth with its outage; and the outages that nobody made."""
    left = list(report.outages)
    found = []
    for truth in truths:
        mine = [o for o in left if o.onset[0] <= truth.end_ns[1] and o.end[1] >= truth.start_ns[0]]
        if len(mine) != 1:
            blind = any(b.start_ns <= truth.end_ns[1] and b.end_ns >= truth.start_ns[0] for b in report.blind)
            found.append(Match(truth, None, blind and not mine, inside=False, refuted=bool(mine) or not blind))
            left = [o for o in left if o not in mine]
            continue
        left.remove(mine[0])
        found.append(_held_against(truth, mine[0]))
    return found, left


def _held_against(truth: Truth, outage: Outage) -> Match:
    pairs = [
        ((truth.shortest_ns, truth.longest_ns), (outage.low_ns, outage.high_ns)),
        (truth.start_ns, outage.onset),
        (truth.end_ns, outage.end),
    ]
    inside = all(bounds[0] <= true[0] and true[1] <= bounds[1] for true, bounds in pairs)
    refuted = any(true[1] < bounds[0] or bounds[1] < true[0] for true, bounds in pairs)
    return Match(truth, outage, blind=False, inside=inside, refuted=refuted)
