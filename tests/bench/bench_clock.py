# SPDX-License-Identifier: Apache-2.0
"""Whether a vantage's clock really stands where the channel's echoes say (S8).

`python -m tests.bench.bench_clock [--full]`.

First the pure code: clocks with random offsets and drifts, echoes with random and asymmetric delays. Then real ones: a
tenant of the test cloud has a clock of its own (a time namespace), the SSH channel runs through a relay that holds
packets back, longer one way than the other. Goal: the true offset lies within the bounds, in every trial. And steps of
the realtime clock by 5 s change no figure.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from csworkbench.measurement.clock import DRIFT_PPM, Alignment
from csworkbench.model import event as ev
from csworkbench.model.event import Body, ClockEcho, Event
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.probing.agent import VantageAgent
from csworkbench.probing.bundle import build_bundle
from csworkbench.probing.connect import Dial, dial_through
from csworkbench.probing.plan import ProbePlan
from csworkbench.results.run_result import analyse
from csworkbench.results.summary import summarise
from tests.measurement.synthetic_run import Plan, SyntheticRun, folded

from .cloud import Cloud, Memory, cloud, run

PURE = 10_000
REAL, FULL_REAL = 12, 200
AT_ONCE = 4  # VMs, one trial each: it mostly waits for its echoes
DELAYS_MS = (0.0, 40.0)
ECHOES = 8
STEP_NS = 5_000_000_000


class Remote:
    """A clock with an offset and a drift; while its machine is suspended it stands still."""

    def __init__(self, chance: random.Random) -> None:
        self.now_ns = chance.randrange(0, 10**15)
        self._rate = 1 + chance.uniform(-DRIFT_PPM, DRIFT_PPM) / 1e6

    def run(self, host_ns: int) -> int:
        """So much later by the recorder's clock: what it shows."""
        self.now_ns += round(host_ns * self._rate)
        return self.now_ns


def pure(trials: int, seed: int) -> tuple[int, list[float]]:
    """How often the truth lay within the bounds at every moment, and the last bounds in ms. A fifth was suspended."""
    chance = random.Random(seed)
    within, bounds = 0, []
    for _ in range(trials):
        host_ns, remote, clock = 10**13, Remote(chance), Alignment()
        truth: list[tuple[int, int]] = []  # (recorder's clock, the vantage's)
        count = chance.randrange(1, 25)
        suspended = chance.randrange(1, count) if count > 1 and chance.random() < 0.2 else 0
        for number in range(count):
            for _ in range(2):  # between the echoes, on both sides of what may come between them
                pause_ns = chance.randrange(10**8, 10**9)
                host_ns += pause_ns
                truth.append((host_ns, remote.run(pause_ns)))
                if number == suspended and number and len(truth) % 2:
                    host_ns += chance.randrange(10**9, 10**11)
            there_ns, back_ns = (int(chance.expovariate(1 / 5e6)) + 50_000 for _ in range(2))
            clock.add(ClockEcho("vm", host_ns, host_ns + there_ns + back_ns, remote.run(there_ns), 0))
            remote.run(back_ns)
            host_ns += there_ns + back_ns
        offsets = [(clock.offset(remote_ns), at_ns - remote_ns) for at_ns, remote_ns in truth]
        within += all(low <= true_ns <= high for (low, high), true_ns in offsets)
        bounds.append(clock.bound_ns() / 1e6)
    return within, bounds


def delayed(dial: Dial, there_s: Callable[[], float], back_s: Callable[[], float]) -> Dial:
    """A dial through a relay that holds back what it passes on, each way as long as it is told; order is kept."""

    async def dialled(host: str, port: int) -> socket.socket:
        far = await dial(host, port)
        near, own = socket.socketpair()
        near.setblocking(False)
        relay = asyncio.create_task(_relay(own, far, there_s, back_s))
        _RELAYS.add(relay)
        relay.add_done_callback(_RELAYS.discard)
        return near

    return dialled


_RELAYS: set[asyncio.Task[None]] = set()


async def _relay(
    own: socket.socket, far: socket.socket, there_s: Callable[[], float], back_s: Callable[[], float]
) -> None:
    sides = [await asyncio.open_connection(sock=sock) for sock in (own, far)]
    ways = [
        asyncio.create_task(_hold(sides[0][0], sides[1][1], there_s)),
        asyncio.create_task(_hold(sides[1][0], sides[0][1], back_s)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for _, writer in sides:
            writer.close()


async def _hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: Callable[[], float]) -> None:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def pass_on() -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                return
            writer.write(data)

    passing = asyncio.create_task(pass_on())
    try:
        while data := await reader.read(65_536):
            waiting.put_nowait((loop.time() + delay_s(), data))
        waiting.put_nowait((0.0, b""))
        await passing
    finally:
        passing.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await passing


async def real(trials: int) -> tuple[int, list[float], list[float]]:
    """(trials with the truth within the bounds, bounds in ms, errors of the point estimate in ms)."""
    chance = random.Random(trials)
    async with cloud(AT_ONCE) as made:
        true_ns = [-await _clock_of(made, vm_name(vm)) for vm in range(AT_ONCE)]
        within, bounds, errors = 0, [], []
        for first in range(0, trials, AT_ONCE):
            vms = range(min(AT_ONCE, trials - first))
            for vm, echoes in zip(vms, await asyncio.gather(*(_trial(made, vm, chance) for vm in vms)), strict=True):
                clock = Alignment(echoes)
                at_ns = echoes[-1].remote_ns
                low, high = clock.offset(at_ns)
                within += low <= true_ns[vm] <= high
                bounds.append(clock.bound_ns(at_ns) / 1e6)
                errors.append(abs(clock.to_host_ns(at_ns) - at_ns - true_ns[vm]) / 1e6)
        return within, bounds, errors


def vm_name(vm: int) -> str:
    return f"vm{vm + 1:02d}"


async def _clock_of(made: Cloud, name: str) -> int:
    """By how much the kernel shifts that host's CLOCK_MONOTONIC from ours, ns: exactly."""
    text = await run(made.words("exec", name, "--", "cat", "/proc/self/timens_offsets"))
    words = next(line.split() for line in text.splitlines() if line.startswith("monotonic"))
    return int(words[1]) * 10**9 + int(words[2])


async def _trial(made: Cloud, vm: int, chance: random.Random) -> list[ClockEcho]:
    """The first ones of a channel whose two ways differ, with jitter of a fifth on each."""
    there_s, back_s = (chance.uniform(*DELAYS_MS) / 1000 for _ in range(2))
    enough = asyncio.Event()
    echoes: list[ClockEcho] = []

    def take(body: Body) -> None:
        if isinstance(body, ClockEcho):
            echoes.append(body)
            if len(echoes) >= ECHOES:
                enough.set()

    dial = delayed(
        dial_through(made.info["connect_socket"]),
        lambda: there_s * chance.uniform(0.8, 1.2),
        lambda: back_s * chance.uniform(0.8, 1.2),
    )
    agent = VantageAgent(vm_name(vm), made.route(vm, dial).open, build_bundle(), Memory(take))
    await agent.prepare()
    target = made.info["egress_target"]
    lane = Lane(0, Service.EGRESS, Prober.ICMP, vm_name(vm), target, 100_000_000, 10**9, flow="new")
    await agent.launch(ProbePlan(secrets.token_hex(16), 120.0, (lane,)))
    agent.follow()
    async with asyncio.timeout(60):
        await enough.wait()
    await agent.collect(20.0)
    return echoes


def stepped(step_ns: int) -> bool:
    """Whether a step of every vantage's realtime clock in the middle of a run leaves all figures as they are."""
    plan = Plan(vms=2, downs={0: ((9.0, 11.3),), 200: ((9.5, 10.5),)})
    events = SyntheticRun(plan).events()
    middle_ns = events[len(events) // 2].at_ns

    def moved() -> Iterable[Event]:
        for event in events:
            body = event.body
            if event.at_ns > middle_ns and isinstance(body, ev.ClockEcho | ev.RemoteClock):
                body = replace(body, remote_real_ns=body.remote_real_ns + step_ns)
            yield replace(event, body=body)

    return json.dumps(summarise(analyse(folded(events)))) == json.dumps(summarise(analyse(folded(moved()))))


def main() -> int:
    if os.getuid() != 0:
        print("bench_clock: needs root for the test cloud", file=sys.stderr)
        return 3
    seed = time.time_ns() if "--full" in sys.argv else 1
    began = time.monotonic()
    good, bounds = pure(PURE, seed)
    print(
        f"pure code: the truth within the bounds in {good} of {PURE} trials ({good / PURE:.4f}; goal 1); bound p50"
        f" {statistics.median(bounds):.2f} ms; {time.monotonic() - began:.1f} s (seed {seed})",
        flush=True,
    )
    steps = [stepped(step_ns) for step_ns in (STEP_NS, -STEP_NS)]
    print(f"realtime steps of +5 s and -5 s: {'no figure changed' if all(steps) else 'FIGURES CHANGED'}", flush=True)
    trials = FULL_REAL if "--full" in sys.argv else REAL
    within, widths, errors = asyncio.run(real(trials))
    print(
        f"channel with delays of {DELAYS_MS[0]:g} to {DELAYS_MS[1]:g} ms each way: the truth within the bounds in"
        f" {within} of {trials} trials ({within / trials:.3f}; goal 1); bound p50 {statistics.median(widths):.2f} ms,"
        f" error of the estimate p50 {statistics.median(errors):.2f}, worst {max(errors):.2f} ms"
    )
    print("goals met" if good == PURE and within == trials and all(steps) else "goals NOT met")
    return 0


if __name__ == "__main__":
    sys.exit(main())
