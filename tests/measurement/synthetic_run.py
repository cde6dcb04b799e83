# SPDX-License-Identifier: Apache-2.0
"""A whole run as events, made from truths per lane. Pure and deterministic; other tests may build on it.

The host's clock reads HOST at the start; each tenant's has an offset and a drift of its own. Times of a `Plan` are
seconds since the start.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from csworkbench.model import event as ev
from csworkbench.model.event import Event, Phase
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.sample import Outcome, Sample
from csworkbench.model.state import RunState, apply
from tests.measurement.ground_truth import MS, T0, S, Span, Truth, probe

HOST = 90_000 * S
WALL = 1_795_183_391 * S
NEW_MAC, OLD_MAC = 0x0200119C0007, 0x02004F2A0001


@dataclass(frozen=True)
class Plan:
    """`downs` by lane number; `change` None: the run only measures. `length` is when the probers stop."""

    vms: int = 3
    baseline: float = 1.0
    change: float | None = 8.0
    settle: float = 14.0
    length: float = 20.0
    downs: dict[int, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    truth: Truth = field(default_factory=Truth)
    mac_change: float = 10.0
    verdict: ev.Verdict = ev.Verdict.RESTARTED
    scenario: str = '{"budget": {"egress": 10.0}}'
    missing: int = 0


class SyntheticRun:
    """Lanes: egress ICMP from vm i (id i), gateway ARP from vm 0 (id 100), ingress SYN from outside (id 200 + i)."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan = plan or Plan()

    def names(self) -> list[str]:
        """The tenants."""
        return [f"vm{i:02d}" for i in range(self.plan.vms)]

    def lanes(self) -> list[Lane]:
        """All lanes."""
        found = [
            Lane(i, Service.EGRESS, Prober.ICMP, n, "203.0.113.9", 100 * MS, S, i * MS, "new", subject=n)
            for i, n in enumerate(self.names())
        ]
        if found:
            found.append(Lane(100, Service.GATEWAY, Prober.ARP, "vm00", "10.1.1.1", 100 * MS, S, subject="vm00"))
        found += [
            Lane(
                200 + i,
                Service.INGRESS,
                Prober.SYN,
                "outside",
                f"203.0.113.{i}",
                100 * MS,
                900 * MS,
                port=22,
                subject=n,
            )
            for i, n in enumerate(self.names())
        ]
        return found

    def remote(self, vantage: str, host_ns: int) -> int:
        """What the vantage's clock reads at that host time: offset by hours, 30 ppm fast or slow."""
        if vantage == "outside":
            return host_ns
        number = self.names().index(vantage)
        ppm = 30 if number % 2 else -30
        return host_ns - HOST + (number + 2) * 3600 * S + (host_ns - HOST) * ppm // 1_000_000

    def samples(self, lane: Lane) -> list[tuple[int, Sample]]:
        """(host time of the verdict, sample) of one lane."""
        # On the lane's own time scale T0 is the start of the run; then each stamp goes to the vantage's clock.
        downs: tuple[Span, ...] = tuple(
            (T0 + round(a * S), T0 + round(b * S)) for a, b in self.plan.downs.get(lane.id, ())
        )
        truth = replace(self.plan.truth, downs=downs)
        count = round(self.plan.length * S / lane.interval_ns)
        told = []
        latest = HOST
        for sample in probe(truth, count, lane.interval_ns, lane.tmax_ns, seed=lane.id):
            host = [HOST + stamp - T0 if stamp else 0 for stamp in sample[1:4]]
            known = host[2] or (host[1] + lane.tmax_ns if sample.outcome is Outcome.FAIL else max(host))
            latest = max(latest, known)
            stamps = [self.remote(lane.vantage, h) if h else 0 for h in host]
            value = 0
            if lane.prober is Prober.ARP and sample.outcome is Outcome.OK:
                value = NEW_MAC if host[1] >= HOST + self.plan.mac_change * S else OLD_MAC
            told.append(
                (latest, sample._replace(intended_ns=stamps[0], sent_ns=stamps[1], received_ns=stamps[2], value=value))
            )
        return told

    def bodies(self) -> Iterator[tuple[int, ev.Body]]:
        """(host ns, body), not in order."""
        plan = self.plan

        def at(seconds: float) -> int:
            return HOST + round(seconds * S)

        yield at(0), ev.RunOpened("20261120-140311-synthetic", "synthetic", "0.1.0", "lab", "restart", plan.scenario)
        yield at(0), ev.PhaseEntered(Phase.PREPARE)
        yield at(0.01), ev.VantageAdded(Vantage("outside", VantageKind.OUTSIDE))
        for i, name in enumerate(self.names()):
            yield at(0.01), ev.VantageAdded(Vantage(name, VantageKind.TENANT, "203.0.113.1", 22, f"10.1.1.{i}", i == 0))
        for lane in self.lanes():
            yield at(0.02), ev.LaneAdded(lane)
        for name in ("outside", *self.names()):
            yield at(0.03), ev.ProberStarted(name, 7, self.remote(name, at(0)), WALL, "raw sockets", "abc")
            for second in range(int(plan.length) + 1):
                # The channel is cut from 1 s before to 3 s after the change; the way out takes longer than back.
                if plan.change is None or not plan.change - 1 < second < plan.change + 3:
                    sent = at(second + 0.04)
                    remote = self.remote(name, sent + 500_000)
                    yield sent + 700_000, ev.ClockEcho(name, sent, sent + 700_000, remote, WALL + remote)
            yield at(plan.length + 2), ev.SpoolCollected(name, 999, plan.missing, "asked to stop")
        yield at(0.05), ev.PhaseEntered(Phase.WARMUP)
        yield at(plan.baseline), ev.PhaseEntered(Phase.BASELINE)
        if plan.change is None:
            yield at(5.0), ev.PhaseEntered(Phase.MEASURE)
        else:
            yield at(plan.change), ev.PhaseEntered(Phase.CHANGE, "restart")
            yield at(plan.change + 0.2), self.job(ev.JobStatus.PENDING, plan.change)
            yield at(plan.settle), self.job(ev.JobStatus.SUCCEEDED, plan.settle - 0.25)
            yield at(plan.settle), ev.PhaseEntered(Phase.SETTLE)
        yield at(plan.length + 1), ev.PhaseEntered(Phase.COLLECT)
        yield at(plan.length + 3), ev.VerdictReached(plan.verdict, False, ("all rules are active",))
        yield at(plan.length + 3), ev.PhaseEntered(Phase.DONE)
        yield at(plan.length + 3), ev.RunClosed(0)
        for lane in self.lanes():
            for host, sample in self.samples(lane):
                yield host + 50 * MS, ev.SamplesArrived(lane.id, (sample,))

    def job(self, status: ev.JobStatus, since: float) -> ev.JobChanged:
        """A transition seen 250 ms after `since`."""
        start = HOST + round(since * S)
        return ev.JobChanged("8a3c", "restartNetwork", status, start, start + 250 * MS)

    def events(self, extra: Iterable[tuple[float, ev.Body]] = ()) -> list[Event]:
        """The whole run in order; `extra` bodies at seconds since the start."""
        told = [*self.bodies(), *((HOST + round(s * S), body) for s, body in extra)]
        return [
            Event(i, at, WALL + at - HOST, body) for i, (at, body) in enumerate(sorted(told, key=lambda t: t[0]), 1)
        ]

    def state(self) -> RunState:
        """All of it folded."""
        return folded(self.events())


def folded(events: Iterable[Event]) -> RunState:
    """Events folded into a state."""
    state = RunState()
    for event in events:
        apply(state, event)
    return state


def budget(**limits: float) -> str:
    """The scenario text of a run with that budget."""
    return json.dumps({"budget": limits})
