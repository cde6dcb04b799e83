# SPDX-License-Identifier: Apache-2.0
"""Outages of exactly known length: is each found, does the truth lie in the bounds, how far off are other tools.

`python -m tests.bench.bench_outages [--full] [--to DIR]`. Many lanes at once over a veth pair; nftables drops a lane's
echoes between stamps of CLOCK_MONOTONIC. The real probe program records, the workbench's reader and analysis judge;
`ping -O`, `fping` and a loop that connects look at the same outages. Exit code 1: an outage was missed or invented, or
the truth lies outside of the bounds.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import known, peers
from tests.bench.known import MS, Match, S
from tests.bench.output import Output, words
from tests.probes.net import Net


class Load(NamedTuple):
    """Lanes of one interval and the outages of each."""

    interval_ms: int
    lanes: int
    outages: int
    least_ms: float
    goal_ms: float
    """Distance of the bounds."""


MOST_MS = 5000
LOADS = [Load(10, 10, 10, 50, 25), Load(100, 10, 5, 250, 210)]
FULL = [Load(10, 20, 50, 50, 25), Load(100, 20, 25, 250, 210)]
MIDPOINT_GOAL = 0.2  # intervals, the mean of a hundred or more
SLACK_NS = 1100 * MS  # a peer's last word on an outage comes within its timeout


class Found(NamedTuple):
    """Per load: the known outages with the lane's, and how many the lane invented. Per peer: the first load's, ns."""

    matches: list[list[Match]]
    invented: list[int]
    peers: dict[str, list[int | None]]
    scheduler: str
    """What the prober got when it asked for a punctual one; peers do not ask."""


def measure(net: Net, loads: Sequence[Load], folder: Path, seed: int) -> Found:
    """Make the outages of all lanes together, under the eyes of everybody."""
    chance = random.Random(seed)
    addresses = known.add_addresses(net, sum(load.lanes for load in loads))
    lanes: list[dict[str, Any]] = []
    groups = []
    for load in loads:
        mine = range(len(lanes), len(lanes) + load.lanes)
        groups.append(mine)
        lanes += [known.echoes(number, addresses[number], load.interval_ms) for number in mine]
    watched = [addresses[number] for number in groups[0]]
    peers.listener(net)
    with known.prober(net, lanes, 600) as (started, spool):
        asked = (net, watched, loads[0].interval_ms, folder)
        ping = peers.Ping(*asked)
        others: list[peers.Fping | peers.ConnectLoop] = [peers.Fping(*asked), peers.ConnectLoop(*asked)]
        start_ns = started["start_mono"] + round(known.BASELINE_S * S)
        changes: list[tuple[int, str, bool]] = []
        for load, numbers in zip(loads, groups, strict=True):
            for number in numbers:
                lengths = known.lengths_ms(load.outages, load.least_ms, MOST_MS, chance)
                changes += known.schedule(addresses[number], lengths, start_ns, chance)
        truths = known.make(net, changes)
        time.sleep(SLACK_NS / 1e9 + 0.3)
        said = {ping.name: ping.losses(), "  the same pings, reply to reply (-D)": ping.gaps()}
        said |= {other.name: other.losses() for other in others}
    found = known.reports(lanes, spool.read_bytes(), started["start_mono"])
    matches, invented = [], []
    for numbers in groups:
        of_load: list[Match] = []
        strange = 0
        for number in numbers:
            held, left = known.match([t for t in truths if t.address == addresses[number]], found[number])
            of_load += held
            strange += len(left)
        matches.append(of_load)
        invented.append(strange)
    first = [match.truth for match in matches[0]]
    told = {name: peers.by_outage(first, losses, SLACK_NS) for name, losses in said.items()}
    return Found(matches, invented, told, started["scheduler"])


def judge(out: Output, load: Load, matches: Sequence[Match], invented: int) -> None:
    """The prober's part."""
    count = len(matches)
    pairs = [(match.truth, match.outage) for match in matches if match.outage is not None]
    refuted = [match for match in matches if match.refuted]
    stamps_ns = max(match.truth.longest_ns - match.truth.shortest_ns for match in matches)
    out.say(
        f"{load.interval_ms} ms: {count} outages of {load.least_ms / 1000:g}-{MOST_MS / 1000:g} s,"
        f" their lengths known to {stamps_ns / 1e3:.0f} us at worst"
    )
    blind = sum(match.blind for match in matches)
    out.say(f"  found {len(pairs)} of {count}; missed while the prober stood still: {blind}; nobody made: {invented}")
    outside = sum(match.outage is not None for match in refuted)
    inside = sum(match.inside for match in matches)
    out.say(
        f"  length, onset or end outside the bounds: {outside} of {len(pairs)}; all inside, stamps too: {inside}"
        f"; a bound between the two stamps of a change: {len(pairs) - inside - outside}"
    )
    widths = sorted((outage.high_ns - outage.low_ns) / MS for _, outage in pairs)
    median, goal = widths[len(widths) // 2], load.goal_ms
    out.say(
        f"  bounds apart: median {median:.2f} ms, p99 {widths[len(widths) * 99 // 100]:.2f}, widest {widths[-1]:.2f};"
        f" within {goal:g} ms: {sum(w <= goal for w in widths)} of {len(widths)};"
        f" median / two intervals: {median / 2 / load.interval_ms:.3f}"
    )
    off = [(outage.down_ns - truth.middle_ns) / MS for truth, outage in pairs]
    plain, expected = statistics.fmean(map(abs, off)), load.interval_ms / 3
    out.say(
        f"  midpoint: mean {statistics.fmean(off):+.2f} ms (goal {MIDPOINT_GOAL * load.interval_ms:g});"
        f" without sign {plain:.2f} ms, {plain / expected:.2f} of what two random phases give ({expected:.2f} ms)"
    )
    for match in refuted:
        out.violated(f"{match.truth} against {match.outage}")
    if invented:
        out.violated(f"{invented} outages that nobody made")


def compare(out: Output, matches: Sequence[Match], others: dict[str, list[int | None]]) -> None:
    """Everybody's errors on the same outages."""
    mine: list[int | None] = [match.outage.down_ns if match.outage else None for match in matches]
    own = [abs(e) for e in errors(matches, mine)]
    rows = [
        ["ms off the truth", "found", "mean", "mean, no sign", "p50", "p99", "worst", "x csw_probe", "states bounds"]
    ]
    for name, figures in {"csw_probe": mine, **others}.items():
        off = errors(matches, figures)
        plain = sorted(abs(e) for e in off)
        if not plain:
            rows.append([name, f"0 of {len(matches)}", *["-"] * 7])
            continue
        mean = statistics.fmean(plain)
        rows.append([
            name, f"{len(off)} of {len(matches)}", f"{statistics.fmean(off) / MS:+.2f}", f"{mean / MS:.2f}",
            f"{plain[len(plain) // 2] / MS:.2f}", f"{plain[len(plain) * 99 // 100] / MS:.2f}", f"{plain[-1] / MS:.2f}",
            f"{mean / statistics.fmean(own):.1f}", "yes" if name == "csw_probe" else "no",
        ])  # fmt: skip
    out.table(rows)


def errors(matches: Sequence[Match], figures: Sequence[int | None]) -> list[int]:
    """Figure less truth, ns, where there is a figure."""
    return [
        figure - match.truth.middle_ns for match, figure in zip(matches, figures, strict=True) if figure is not None
    ]


def main() -> int:
    """The exit code."""
    given = words("bench_outages", ["nft", "ping", "fping"])
    out = Output("bench_outages", given.to)
    loads = FULL if given.full else LOADS
    with tempfile.TemporaryDirectory() as folder, Net(Path(folder)) as net:
        found = measure(net, loads, Path(folder), seed=1)
    for load, matches, invented in zip(loads, found.matches, found.invented, strict=True):
        judge(out, load, matches, invented)
    out.say()
    out.say(f"The same {len(found.matches[0])} outages at {loads[0].interval_ms} ms by others, all running together")
    out.say(f"(the prober asked for a real-time scheduler: {found.scheduler}; the others do not ask)")
    compare(out, found.matches[0], found.peers)
    return out.end()


if __name__ == "__main__":
    sys.exit(main())
