# SPDX-License-Identifier: Apache-2.0
"""A parallel restart as an engine would tell it, made from model events: for tests and for looking at screens.

10 VMs with a clock of their own each; egress, gateway ARP and ingress lanes; a job, events, a MAC change with a second
owner for a moment, one lane whose prober stalls, one that is blind. Deterministic.
"""

import json
from collections.abc import Iterator
from dataclasses import replace

from csworkbench.model import event as ev
from csworkbench.model.cloud import Forwarding, Inventory, Network, Router, Vm
from csworkbench.model.event import ChannelState, Event, JobStatus, Level, Phase, Verdict
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.sample import Outcome, Reason, Sample

S = 1_000_000_000
OLD_MAC, NEW_MAC = 0x02004F2A0001, 0x0200119C0007
WALL = 1_795_183_391 * S
BASELINE_AT, READY_AT, CONFIRM_S = 4.0, 9.0, 4.0
CHANGE_LASTS = 13.0  # from the change to the end of the job
HOSTILE = (
    "vm\x1b[31m-red", "[bold]markup[/bold]", "\u202eevil", "\u540d\u524d\u306e\u9577\u3044" * 8, "x" * 300, "vm\n06",
    "a\u0337\u0322\u0358", "\u200b", "vm-9\\", "\U0001f642[/]vm",
)  # fmt: skip
CALLS = ("POST restartNetwork id=6f1e cleanup=true makeredundant=false livepatch=false",)


class Story:
    """The run's events in order of time; the change begins `change_s` after the run was opened.

    `t0_ns` is the host's monotonic time at the beginning. `names` are the VMs' names.
    """

    def __init__(
        self,
        t0_ns: int = 1000 * S,
        change_s: float = 12.0,
        names: tuple[str, ...] = (),
        interactive: bool = True,
        controls: bool = False,
    ) -> None:
        self.t0_ns = t0_ns
        self.change_s = change_s
        self.names = names or tuple(f"vm{i:02d}" for i in range(1, 11))
        self.interactive = interactive
        self.controls = controls  # control lanes as well; that of vm04 to vm05 is down while vm04 loses egress
        self.lanes = list(self._lanes())

    @property
    def end_s(self) -> float:
        """When the last event falls."""
        return self.change_s + CHANGE_LASTS + CONFIRM_S + 3

    def events(self) -> list[Event]:
        """The whole run."""
        return self.number([*self.before(), *self.after(), *self.samples(2.0, self.measured_s)])

    def until_ready(self) -> list[Event]:
        """The run up to the question, one second into it."""
        return self.number([*self.before(), *self.samples(2.0, READY_AT + 1)])

    @property
    def measured_s(self) -> float:
        """When the probes end."""
        return self.change_s + CHANGE_LASTS + CONFIRM_S

    def number(self, bodies: list[tuple[float, ev.Body]], first: int = 1) -> list[Event]:
        """Bodies with their times (s) as events in order."""
        ordered = sorted(bodies, key=lambda item: item[0])
        return [
            Event(first + i, self.t0_ns + int(at * S), WALL + int(at * S), body) for i, (at, body) in enumerate(ordered)
        ]

    def offset_ns(self, vantage: str) -> int:
        """The vantage's clock minus the host's."""
        return 0 if vantage == "outside" else (1 + self.names.index(vantage)) * 3600 * S

    def routers(self, at_s: float) -> tuple[Router, ...]:
        """The routers as the API shows them."""
        change = self.change_s
        old = Router("r42", "r-42-VM", "Running", version="4.19.1", requires_upgrade=True)
        new = Router("r57", "r-57-VM", "Running" if at_s > change + 5 else "Starting", version="4.22.0")
        if at_s < change + 1.5:
            return (old,)
        if at_s < change + 7.5:
            return (old, new) if at_s < change + 6.5 else (Router("r42", "r-42-VM", "Stopping", version="4.19.1"), new)
        return (new,)

    def inventory(self, at_s: float) -> Inventory:
        """The network as the API shows it."""
        vms = tuple(Vm(f"v{i}", n, "Running", f"10.1.1.{10 + i}") for i, n in enumerate(self.names))
        ips = tuple(f"203.0.113.{10 + i}" for i in range(len(self.names)))
        forwardings = tuple(Forwarding(ip, 22, 22, "tcp", v.id, "Active") for ip, v in zip(ips, vms, strict=True))
        state = "Restarting" if self.change_s < at_s < self.change_s + CHANGE_LASTS else "Implemented"
        network = Network("6f1e", "probe-net", state, "Isolated", "10.1.1.0/24", "10.1.1.1")
        return Inventory("4.22.0.0", network, self.routers(at_s), vms, ips, ips[0], forwardings, len(ips), 1)

    def before(self) -> Iterator[tuple[float, ev.Body]]:
        """Preparing, warm-up, baseline: everything up to the question."""
        scenario = {"phases": {"warmup": 2.0, "baseline": 5.0, "confirm": CONFIRM_S, "settle_limit": 600.0}}
        yield 0.0, ev.RunOpened(
            "20261120-140311-parallel", "parallel restart of an isolated network", "0.1.0", "lab 4.22",
            "restart cleanup=true", json.dumps(scenario), self.interactive,
        )  # fmt: skip
        yield 0.0, ev.PhaseEntered(Phase.PREPARE)
        yield 0.1, ev.Notice(Level.INFO, "Starting the test cloud: 10 tenants, profile 4.22, scale 0.1")
        yield 0.9, ev.Notice(Level.INFO, "The test cloud is up: API at http://127.0.0.1:8096/client/api")
        yield 1.0, ev.Notice(Level.INFO, "Reading the inventory of network probe-net")
        yield 1.1, ev.InventorySeen(self.inventory(0))
        yield 1.2, ev.OperationPlanned(
            "restart cleanup=true", "network probe-net",
            "A new router replaces r-42-VM; 10 VMs lose egress and ingress for some seconds.", CALLS,
        )  # fmt: skip
        ours_s = (WALL - self.t0_ns) / S  # what the offset would be with no difference between the two clocks
        yield 1.2, ev.ServerClock(ours_s - 0.4, ours_s + 0.3)
        yield 1.3, ev.VantageAdded(Vantage("outside", VantageKind.OUTSIDE))
        for i, name in enumerate(self.names):
            at = 1.4 + i * 0.05
            vantage = Vantage(name, VantageKind.TENANT, "203.0.113.10", 22, f"10.1.1.{10 + i}", i == 0)
            yield at, ev.VantageAdded(vantage)
            yield at, ev.Notice(Level.INFO, f"Pushing probes {i + 1}/{len(self.names)}")
        for lane in self.lanes:
            yield 2.0, ev.LaneAdded(lane)
        for name in ("outside", *self.names):
            remote = self.t0_ns + 2 * S + self.offset_ns(name)
            yield 2.0, ev.ChannelChanged(name, ChannelState.OPEN)
            yield 2.0, ev.ProberStarted(name, 100, remote, WALL, "packet socket", "abc")
            yield 2.0, ev.ClockEcho(name, self.t0_ns + 2 * S, self.t0_ns + 2 * S + 800_000, remote + 400_000, WALL)
        yield 2.0, ev.PhaseEntered(Phase.WARMUP)
        yield BASELINE_AT, ev.PhaseEntered(Phase.BASELINE)
        yield READY_AT, ev.PhaseEntered(Phase.READY, "the baseline is good")
        yield READY_AT, ev.Notice(Level.INFO, "The baseline is good: 0 of 2,450 samples lost")

    def after(self) -> Iterator[tuple[float, ev.Body]]:
        """The change and all that follows."""
        c = self.change_s
        yield c, ev.OperatorActed("start", "confirmed")
        yield c, ev.PhaseEntered(Phase.CHANGE, "confirmed by the operator")
        yield c + 0.1, self._job(JobStatus.PENDING, c + 0.02, c + 0.1)
        yield c + 0.3, ev.Notice(Level.INFO, "restartNetwork was accepted as job 8a3c")
        yield from self._cloud_events()
        for k in range(1, 30):
            yield c + k * 0.5, ev.InventorySeen(self.inventory(c + k * 0.5))
        for name in self.names:
            yield c + 7.0, ev.ChannelChanged(name, ChannelState.LOST, "no answer")
            yield c + 9.6, ev.ChannelChanged(name, ChannelState.OPEN)
        for k in range(40):
            yield (
                c + 5.6 + k * 0.01,
                ev.SecondOwner(self.gateway.id, 0, self.stamp(self.names[0], c + 5.6 + k * 0.01), OLD_MAC),
            )
        end = c + CHANGE_LASTS
        yield end, self._job(JobStatus.SUCCEEDED, end - 0.25, end)
        yield end, ev.PhaseEntered(Phase.SETTLE, "the job succeeded")
        done = self.measured_s
        yield done + 1.3, ev.PhaseEntered(Phase.COLLECT)
        for name in ("outside", *self.names):
            yield done + 1.5, ev.SpoolCollected(name, 5000, 0, "time was up")
        reasons = ("Router r-57-VM replaced r-42-VM; all 10 forwarding rules are active.",)
        yield done + 2.0, ev.VerdictReached(Verdict.RESTARTED, False, reasons)
        yield done + 2.0, ev.PhaseEntered(Phase.DONE)
        yield done + 2.1, ev.RunClosed(0)

    @property
    def gateway(self) -> Lane:
        """The lane that asks for the gateway's MAC."""
        return next(lane for lane in self.lanes if lane.prober is Prober.ARP)

    def stamp(self, vantage: str, at_s: float) -> int:
        """A time of the story on a vantage's clock."""
        return self.t0_ns + int(at_s * S) + self.offset_ns(vantage)

    def samples(self, from_s: float, until_s: float) -> Iterator[tuple[float, ev.Body]]:
        """Verdicts on all samples due in a stretch, each at the time at which it falls."""
        for lane in self.lanes:
            interval = lane.interval_ns / S
            first = round((from_s - 2.0) / interval)
            for seq in range(first, round((until_s - 2.0) / interval)):
                at_s = 2.0 + seq * interval
                found = self._sample(lane, seq, at_s)
                if found is not None:
                    told = 0.02 if found.outcome is Outcome.OK else lane.tmax_ns / S
                    yield min(at_s + told, self.measured_s), ev.SamplesArrived(lane.id, (found,))

    def _sample(self, lane: Lane, seq: int, at_s: float) -> Sample | None:
        sent = self.stamp(lane.vantage, at_s)
        index = self.names.index(lane.subject)
        since = at_s - self.change_s
        if index == 4 and 1.0 <= since < 2.2 and lane.vantage != "outside":
            return Sample(seq, sent, sent, 0, Outcome.UNKNOWN, Reason.SELF_LATE, 0, 0)
        if index == 5 and 2.5 <= since < 3.6 and lane.vantage != "outside":
            return None  # blind
        if lane.service is Service.CONTROL:
            down = lane.vantage == self.names[3] and lane.target == f"10.1.1.{10 + 4}" and 6.0 <= since < 8.5
            reason, detail = (Reason.UNREACHABLE, 0x0301) if since > 8 else (Reason.TIMEOUT, 0)
            if down:
                return Sample(seq, sent, sent, 0, Outcome.FAIL, reason, detail, 0)
            return Sample(seq, sent, sent, sent + 300_000, Outcome.OK, Reason.NONE, 0, 0)
        start, length = {Prober.ICMP: (6.6, 1.4), Prober.ARP: (6.5, 0.9)}.get(lane.prober, (6.6, 2.3))
        length += index * 0.04 + (3.5 if lane.flow == "same" else 0.0)
        down = start <= since < start + length
        if lane.prober is Prober.ICMP and index == 2 and 9.5 <= since < 10.6:
            down = seq % 2 == 0  # every other one is lost
        if down:
            return Sample(seq, sent, sent, 0, Outcome.FAIL, Reason.TIMEOUT, 0, 0)
        mac = OLD_MAC if since < 5.8 else NEW_MAC
        value = mac if lane.prober is Prober.ARP else 0
        return Sample(seq, sent, sent, sent + 900_000, Outcome.OK, Reason.NONE, 0, value)

    def _job(self, status: JobStatus, old_s: float, new_s: float) -> ev.JobChanged:
        old, new = (self.t0_ns + int(t * S) for t in (old_s, new_s))
        return ev.JobChanged("8a3c", "restartNetwork", status, old, new)

    def _cloud_events(self) -> Iterator[tuple[float, ev.Body]]:
        told = (
            (0.3, "NETWORK.RESTART", "Started", "Restarting network probe-net"),
            (2.0, "ROUTER.CREATE", "Completed", "Created router r-57-VM"),
            (5.2, "ROUTER.START", "Completed", "Started router r-57-VM"),
            (7.6, "ROUTER.DESTROY", "Completed", "Destroyed router r-42-VM"),
            (12.8, "NETWORK.RESTART", "Completed", "Network probe-net has been restarted"),
        )
        for i, (since, kind, state, text) in enumerate(told):
            at = self.change_s + since
            yield at + 0.8, ev.CloudEventSeen(f"e{i}", kind, "INFO", state, text, WALL // S + int(at))

    def _lanes(self) -> Iterator[Lane]:
        tenth, tmax, target = S // 10, S, "203.0.113.200"
        for i, name in enumerate(self.names):
            public = f"203.0.113.{10 + i}"
            egress = Lane(i * 10 + 1, Service.EGRESS, Prober.ICMP, name, target, tenth, tmax, flow="new", subject=name)
            yield egress
            if i < 2:
                yield replace(egress, id=i * 10 + 2, flow="same", headline=False)
            ingress = Lane(
                i * 10 + 3, Service.INGRESS, Prober.SYN, "outside", public, tenth, tmax, port=22, subject=name
            )
            yield ingress
            if self.controls:
                peer = f"10.1.1.{10 + (i + 1) % len(self.names)}"
                itself = Lane(i * 10 + 1001, Service.CONTROL, Prober.ICMP, name, "127.0.0.1", tenth, tmax, subject=name)
                yield itself
                yield replace(itself, id=i * 10 + 1002, target=peer)
            if i == 0:
                yield Lane(9, Service.GATEWAY, Prober.ARP, name, "10.1.1.1", tenth, tmax, subject=name)
                yield replace(ingress, id=8, prober=Prober.BANNER, interval_ns=S, headline=False)
