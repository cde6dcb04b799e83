# SPDX-License-Identifier: Apache-2.0
"""The channel is cut for a while: what is missing afterwards, and how soon the live view is back.

`python -m tests.bench.bench_channel [--full]`.

A tenant of the test cloud probes 8 lanes at 100 Hz; `lab break ingress` drops both directions of its SSH channel in
the router. The view is back when a sample arrives that was sent after the path had returned: by then all that was
sent meanwhile has been read. Goals (S10): nothing missing, back within 1 s.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time

from csworkbench.measurement.clock import Alignment
from csworkbench.model import event as ev
from csworkbench.model.event import Body
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.probing.agent import VantageAgent
from csworkbench.probing.bundle import build_bundle
from csworkbench.probing.plan import ProbePlan

from .cloud import Memory, cloud, run

LANES, INTERVAL_NS = 8, 10_000_000
CUTS_S, FULL_S = (10, 10), (10, 10, 10, 10, 10, 120)
GOAL_S = 1.0


class View:
    """When each sample was seen, on both clocks; the newest only, which is what a live view shows."""

    def __init__(self) -> None:
        self.clock = Alignment()
        self.seen: list[tuple[int, int]] = []  # (host ns of arrival, remote ns of the newest sample's sending)
        self.news = asyncio.Event()

    def take(self, body: Body) -> None:
        if isinstance(body, ev.ClockEcho):
            self.clock.add(body)
        elif isinstance(body, ev.SamplesArrived):
            self.seen.append((time.monotonic_ns(), max(sample.sent_ns for sample in body.samples)))
            self.news.set()

    async def back(self, since_ns: int) -> float:
        """Seconds from that host stamp until a sample that was sent after it arrived."""
        async with asyncio.timeout(60):
            while True:
                for arrived_ns, sent_ns in self.seen:
                    if arrived_ns > since_ns and sent_ns and self.clock.to_host_ns(sent_ns) > since_ns:
                        return (arrived_ns - since_ns) / 1e9
                self.news.clear()
                await self.news.wait()


async def bench(cuts_s: tuple[int, ...]) -> bool:
    async with cloud(1) as made:
        view = View()
        journal = Memory(view.take)
        agent = VantageAgent("vm01", made.route(0).open, build_bundle(), journal)
        await agent.prepare()
        target = made.info["egress_target"]
        lanes = tuple(
            Lane(n, Service.EGRESS, Prober.ICMP, "vm01", target, INTERVAL_NS, 10**9, INTERVAL_NS * n // LANES,
                 "same" if n % 2 else "new") for n in range(LANES)
        )  # fmt: skip
        await agent.launch(ProbePlan(secrets.token_hex(16), 3600.0, lanes))
        agent.follow()
        slowest = 0.0
        for seconds in cuts_s:
            await asyncio.sleep(3)
            view.seen.clear()
            cut = json.loads(await run(made.words("break", "ingress", "--ms", str(seconds * 1000))))
            back_s = await view.back(cut["end_ns"][1])
            first_s = (min(at for at, _ in view.seen if at > cut["end_ns"][1]) - cut["end_ns"][1]) / 1e9
            slowest = max(slowest, back_s)
            print(
                f"cut of {seconds:4d} s: the view was back {back_s:.2f} s after the path ({back_s / GOAL_S:.2f} of the"
                f" goal of {GOAL_S:g} s), the first of what was missed after {first_s:.2f} s",
                flush=True,
            )
        collected = await agent.collect(60.0)
        lost = sum(isinstance(b, ev.ChannelChanged) and b.state is ev.ChannelState.LOST for b in journal.bodies)
        print(f"{collected.records} records, {collected.missing} missing (goal 0); channels lost and re-opened {lost}")
        return not collected.missing and slowest <= GOAL_S


def main() -> int:
    if os.getuid() != 0:
        print("bench_channel: needs root for the test cloud", file=sys.stderr)
        return 3
    met = asyncio.run(bench(FULL_S if "--full" in sys.argv else CUTS_S))
    print("goals met" if met else "goals NOT met")
    return 0


if __name__ == "__main__":
    sys.exit(main())
