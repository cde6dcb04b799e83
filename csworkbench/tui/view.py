# SPDX-License-Identifier: Apache-2.0
"""What the screen looks at: the run's state, its analysis, and whether an engine is behind it."""

import json
from collections.abc import Callable, Iterable

from csworkbench.measurement.analysis import Analysis
from csworkbench.measurement.arp_report import ArpReport, EgressSplit
from csworkbench.measurement.cautions import cautions
from csworkbench.measurement.control import Control, Role, control_of
from csworkbench.measurement.outage import Outage
from csworkbench.measurement.totals import LaneReport, ServiceReport
from csworkbench.model.cloud import Router
from csworkbench.model.event import ChannelState, Event, InventorySeen, Phase
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.model.state import RunState, apply

from .playback import Playback
from .text import clean
from .times import TimeBase, day_time, zone_name


class RunView:
    """One run as its viewer sees it. `fold` takes events, `refresh` computes what the panels show.

    `clock` is the recording host's CLOCK_MONOTONIC in ns; it only moves the time marker, no figure depends on it.
    """

    def __init__(
        self, *, live: bool, where: str, read_only: bool, clock: Callable[[], int], playback: Playback | None = None
    ) -> None:
        self.live = live
        self.where = where
        self.read_only = read_only
        self.playback = playback
        self.base = TimeBase.RELATIVE
        self.keys: dict[str, str] = {}  # keys of one's own as they are shown, by action
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Forget all events: they will be told again from the first."""
        self.state = RunState()
        self.analysis = Analysis(self.state)
        self.lost = ""  # why the feed broke off; empty while it is whole
        self.ended = False  # the feed has told everything
        self.starting = False  # `start` has been sent, CHANGE has not been seen yet
        self.stopping = False
        self.exported = ""
        self.routers: dict[str, Router] = {}  # every router ever seen, as it was seen last
        self.reports: dict[int, LaneReport] = {}
        self.services: list[ServiceReport] = []
        self.outages: list[Outage] = []  # most important first
        self.egress_split: EgressSplit | None = None  # of the VM with the longest egress downtime
        self.cautions: list[str] = []  # once there is a verdict
        self._phases: dict[str, float] = {}
        self._controls: dict[tuple[int, int], Control] = {}  # by lane and number of vantages
        self._folded = 0
        self._computed = -1
        self._finished = False

    def fold(self, events: Iterable[Event]) -> None:
        """Take more of the run's events."""
        for event in events:
            apply(self.state, event)
            self._folded += 1
            if isinstance(event.body, InventorySeen):
                self.routers.update((r.id, r) for r in event.body.inventory.routers)

    def refresh(self) -> bool:
        """Compute the figures anew; False when nothing has come since the last time."""
        if self._computed == self._folded and self._finished == self.over:
            return False
        self._computed = self._folded
        if self.over and not self._finished:
            self.analysis.finish()
            self._finished = True
        else:
            self.analysis.update()
        self.reports = {lane_id: self.analysis.lane(lane_id) for lane_id in self.state.lanes}
        self.services = self.analysis.services()
        self.egress_split = ArpReport(self.state, self.analysis).egress()
        found = [outage for report in self.reports.values() for outage in report.outages]
        self.outages = sorted(found, key=self._importance)
        if self.state.verdict is not None:
            self.cautions = cautions(self.state, self.analysis)
        return True

    @property
    def over(self) -> bool:
        """True when no more events will come."""
        return self.ended or self.closed or bool(self.lost)

    @property
    def closed(self) -> bool:
        """True when the run has ended in order."""
        return self.state.closed is not None

    @property
    def running(self) -> bool:
        """True while an engine measures behind this viewer."""
        return self.live and not self.over and not self.closed

    @property
    def moving(self) -> bool:
        """True while the present moves: a live run, or a replay that has not come to its end."""
        return self.running or (self.playback is not None and not self.over)

    @property
    def now_ns(self) -> int:
        """The recording host's time while the run is live, the replay's while that goes on, else the last stamp."""
        if self.running:
            return max(self.state.last_ns, self._clock())
        if self.playback is not None and not self.over:
            return max(self.state.last_ns, self.playback.position_ns)
        return self.state.last_ns

    @property
    def change_ns(self) -> int | None:
        """When the change began."""
        return self.state.phase_ns(Phase.CHANGE)

    @property
    def anchor_ns(self) -> int:
        """What times on the screen are relative to: the change, before that the start of measuring."""
        state = self.state
        return next((at for p in (Phase.CHANGE, Phase.MEASURE) if (at := state.phase_ns(p))), state.started_ns)

    def clock(self, at_ns: int, digits: int = 2) -> str:
        """A time as a time of day, in UTC or the zone that was asked for."""
        return day_time(self.state.wall_ns(at_ns), digits, self.base.zone)

    @property
    def zone(self) -> str:
        """The name of that zone."""
        return zone_name(self.base, self.state.wall_ns(self.anchor_ns))

    def key(self, action: str, usual: str) -> str:
        """The key of an action as a text shows it, with room around it."""
        return f" {self.keys.get(action, usual)} "

    @property
    def notes(self) -> list[tuple[int, str]]:
        """The operators' remarks and the times that they are about, oldest first."""
        kept = ((acted.at_ns or at, acted.detail) for at, acted in self.state.actions if acted.action == "note")
        return sorted(kept, key=lambda note: note[0])

    def why_no_note(self) -> str:
        """Why no note can be kept now; empty when one can."""
        if not self.live:
            return "notes are kept while a run goes on; this one is recorded"
        return "the run is over" if not self.running else "this viewer is read-only" if self.read_only else ""

    @property
    def phase_since_ns(self) -> int:
        """When the present phase was entered."""
        return self.state.phases[-1][1] if self.state.phases else self.state.started_ns

    def planned_s(self, phase: str) -> float:
        """The scenario's length of `warmup`, `baseline`, `confirm` or `settle_limit` in seconds; 0 when unknown."""
        if not self._phases and self.state.opened is not None:
            self._phases = _phases_of(self.state.opened.scenario)
        return self._phases.get(phase, 0.0)

    @property
    def network(self) -> str:
        """The name of the network, VPC or system VM under test."""
        if self.state.inventory is not None:
            return self.state.inventory.name
        return self.state.opened.name if self.state.opened else ""

    @property
    def channels(self) -> tuple[int, int]:
        """(as they should be, all) channels to vantages whose prober has been started or is to be."""
        every = list(self.state.vantages.values())
        fine = (ChannelState.OPEN, ChannelState.CLOSED, ChannelState.QUIET)
        return sum(v.channel in fine for v in every), len(every)

    def control(self, lane: Lane) -> Control:
        """What a control lane asks."""
        vantages = self.state.vantages
        key = lane.id, len(vantages)
        if key not in self._controls:
            self._controls[key] = control_of(lane, {name: v.vantage for name, v in vantages.items()})
        return self._controls[key]

    @property
    def gateway_lane(self) -> Lane | None:
        """The lane that asks who owns the gateway address, if there is one."""
        return next((s.lane for s in self.state.lanes.values() if s.lane.prober is Prober.ARP), None)

    @property
    def has_samples(self) -> bool:
        """True as soon as any lane has said something."""
        return any(lane.samples for lane in self.state.lanes.values())

    def why_not_start(self) -> str:
        """Why the operation cannot be started now; empty when it can."""
        state = self.state
        left_s = self.seconds_left
        reasons: list[tuple[bool, str]] = [
            (not self.live, "this is a recorded run"),
            (bool(self.lost), "the engine is gone"),
            (self.closed or self.over or state.verdict is not None, "the run is over"),
            (self.read_only, "this viewer is read-only"),
            (state.phase is Phase.MEASURE, "this run only measures; there is nothing to start"),
            (state.phase in (Phase.CHANGE, Phase.SETTLE, Phase.COLLECT, Phase.DONE), "the change has been started"),
            (self.starting, "the start is on its way"),
            (state.phase is Phase.PREPARE, "still preparing"),
            (state.phase is Phase.WARMUP, "probes are warming up"),
            (state.phase is Phase.BASELINE, f"baseline still running, {left_s:.0f} s to go"),
            (state.planned is None, "no operation has been planned yet"),
        ]
        return next((why for applies, why in reasons if applies), "")

    @property
    def seconds_left(self) -> float:
        """Seconds to the end of the warm-up or baseline; 0 when not known or over."""
        name = {Phase.WARMUP: "warmup", Phase.BASELINE: "baseline"}.get(self.state.phase)
        if name is None:
            return 0.0
        return max(self.planned_s(name) - (self.now_ns - self.phase_since_ns) / 1e9, 0.0)

    def _importance(self, outage: Outage) -> tuple[bool, bool, bool, int, int]:
        lane = self.state.lanes[outage.lane].lane
        length = 0 if outage.open else -outage.down_ns  # what still grows would change places all the time
        return (not outage.open, outage.blip, not lane.headline, length, outage.start_ns)


def subject_of(lane: Lane, limit: int = 60) -> str:
    """Whom a lane tells about, fit for a terminal; never empty."""
    return clean(lane.subject, limit) or clean(lane.vantage, limit) or "?"


def lane_label(view: RunView, lane: Lane) -> str:
    """A lane's short name beside its service and subject; a control lane's says what it reaches."""
    if lane.service is not Service.CONTROL:
        return lane.label
    found = view.control(lane)
    if found.role is Role.LOOPBACK:
        return "itself"
    return f"to {found.peer}" if found.role is Role.PEER else f"to {lane.target}"


def _phases_of(scenario: str) -> dict[str, float]:
    """The scenario's phase lengths; nothing when the text is not what this version writes."""
    try:
        phases = json.loads(scenario)["phases"]
        return {str(k): float(v) for k, v in phases.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
