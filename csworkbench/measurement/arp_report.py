# SPDX-License-Identifier: Apache-2.0
"""Router gap and ARP tail of each egress outage of a run, who answered for the gateway, and who held an old MAC."""

from dataclasses import dataclass

from csworkbench.model.lane import Lane, Prober, Service, VantageKind
from csworkbench.model.state import RunState, VantageState

from .analysis import Analysis
from .arp_split import Blurred, Part, split
from .gateway import DualOwners, dual_owners, held
from .outage import Outage, Span

BLIND_NS = 1_000_000_000  # of an outage: less only widens the bounds
SENTINEL_NOTE = "the sentinel: its asking heals its own entry, so its tail is about 0"
HEALED_NOTE = "healed by the channel: woken before it had recovered, so the tail is a lower bound"
ALOUD_NOTE = "a lower bound: a router that asks for another VM, which we talk to, is heard by all"
TALKED_TO_NOTE = "not quiet: our own traffic to it may have ended its tail"


@dataclass(frozen=True, slots=True)
class Split:
    """Router gap and ARP tail; both None when an outage cannot be split. `why`: why not, or what to know of them."""

    gap: Part | None = None
    tail: Part | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Stale:
    """A guest that held a MAC that no longer answered for the gateway, or none: (low, high) bounds, recorder ns."""

    vantage: str
    mac: int
    onset: Span
    end: Span


@dataclass(frozen=True, slots=True)
class EgressSplit:
    """The split of the VM with the longest egress downtime, over all its outages; `role`: e.g. `quiet vm10`."""

    split: Split
    vantage: str
    role: str


class ArpReport:
    """Figures of S11, as a function of a run's state and analysis as they are now: make another one later."""

    def __init__(self, state: RunState, analysis: Analysis) -> None:
        self._state, self._analysis = state, analysis
        self._stale: dict[str, list[Blurred]] = {}
        self._dual: DualOwners | None = None
        self._arp = next((s.lane for s in state.lanes.values() if s.lane.prober is Prober.ARP), None)

    def splittable(self, lane: Lane) -> bool:
        """Whether outages of that lane are divided: only new flows meet nothing but router and ARP."""
        return lane.service is Service.EGRESS and lane.headline

    def role(self, vantage: str) -> str:
        """`sentinel vm01`, `quiet vm10` or `vm05`."""
        known = self._state.vantages.get(vantage)
        if known is None:
            return vantage
        word = "sentinel " if known.vantage.sentinel else "quiet " if known.vantage.quiet else ""
        return f"{word}{vantage}"

    def egress(self) -> EgressSplit | None:
        """Of the lane that makes up the service's figure; None without an outage."""
        lanes = [s.lane for s in self._state.lanes.values() if self.splittable(s.lane)]
        return self._of_worst(lanes)

    def quiet(self) -> EgressSplit | None:
        """Of the quiet VM, whose word the tail is; None without one, or without an outage there."""
        lanes = [s.lane for s in self._state.lanes.values() if self.splittable(s.lane)]
        quiet = [lane for lane in lanes if (v := self._state.vantages.get(lane.vantage)) and v.vantage.quiet]
        return self._of_worst(quiet)

    def _of_worst(self, lanes: list[Lane]) -> EgressSplit | None:
        reports = [self._analysis.lane(lane.id) for lane in lanes]
        worst = max(reports, key=lambda r: (r.down_ns, r.high_ns, len(r.outages)), default=None)
        if worst is None or not worst.outages:
            return None
        vantage = worst.lane.vantage
        return EgressSplit(_together([self.split(o) for o in worst.outages]), vantage, self.role(vantage))

    def split(self, outage: Outage) -> Split:  # noqa: PLR0911 - one reason after the other
        """Of one outage of a lane that is `splittable`."""
        lane = self._state.lanes[outage.lane].lane
        if outage.open:
            return Split(why="it has no end" if not outage.end_ns else "it has no beginning")
        if self._arp is None:
            return Split(why="no sentinel: no VM asks for the gateway's MAC")
        sentinel = self._arp.vantage
        if self._gateway(lane.vantage) != self._gateway(sentinel):
            return Split(why=f"the sentinel {sentinel} is in another tier, and asks for that one's gateway")
        paths = [s.lane for s in self._state.lanes.values() if self.splittable(s.lane) and s.lane.vantage == sentinel]
        if not paths:
            return Split(why=f"the sentinel {sentinel} has no egress lane")
        if lane.vantage == sentinel:
            return self._own(outage, self._arp)
        watched = [self._arp, *paths]
        if any(self._analysis.seen_of_ns(one.id) < outage.end[1] for one in watched):
            return Split(why=f"the sentinel {sentinel} was not measured to its end")
        away, blind_ns = self._away(watched, outage)
        if blind_ns > BLIND_NS:
            return Split(why=f"the sentinel {sentinel} was blind for {blind_ns / 1e9:.1f} s of it")
        whole = self._blurred(lane, outage.onset, outage.end)
        stale = self._stale_of(lane.vantage)
        unseen_ns = max(one.interval_ns for one in watched)
        gap, tail, rest = split(outage.down_ns, whole, away, stale, unseen_ns, self._doubtful())
        if stale is None and tail.low_ns and not self._owner_changed(whole.outer[1]):
            return Split(why=f"the gateway kept its MAC: {tail.down_ns / 1e9:.2f} s of it have another cause than ARP")
        notes = [f"{rest.down_ns / 1e9:.2f} s more with the right MAC"] if rest.down_ns else []
        return Split(gap, tail, "; ".join([*notes, *self._doubts(lane.vantage, whole, tail)]))

    def owners(self) -> list[tuple[int, int]]:
        """(recorder ns, MAC) of each change of who answers."""
        return self._analysis.owners(self._arp.id) if self._arp is not None else []

    def dual_owners(self) -> DualOwners | None:
        """When two answered; None without a sentinel. Its stamps are the sentinel's."""
        if self._dual is None and self._arp is not None:
            state = self._state.lanes[self._arp.id]
            self._dual = dual_owners(state.samples, state.second_owners, self._arp.interval_ns)
        return self._dual

    def announcements(self) -> list[tuple[int, str, int]]:
        """Gratuitous ARP that was heard: (recorder ns, vantage, MAC), oldest first."""
        heard = [
            (self._analysis.align(s.lane.vantage, said.remote_ns), s.lane.vantage, said.mac)
            for s in self._state.lanes.values()
            if s.lane.prober is Prober.GARP
            for said in s.announced
        ]
        return sorted(heard)

    def stale(self) -> list[Stale]:
        """Which VMs held a MAC that no longer answered, and when, as far as their kernels' entries are read."""
        at = self._arp.target if self._arp is not None else ""
        looks = (s.lane for s in self._state.lanes.values() if s.lane.prober is Prober.NEIGHBOUR)
        names = dict.fromkeys(lane.vantage for lane in looks if lane.target == at)  # of the sentinel's own gateway
        return [one for name in names for one in self._stale_entries(name)]

    def _gateway(self, vantage: str) -> str:
        """That of its network, or of its tier of a VPC; empty when the run does not tell."""
        known, inventory = self._state.vantages.get(vantage), self._state.before
        if known is None or inventory is None:
            return ""
        return inventory.network_of(known.vantage.guest_ip).gateway

    def _own(self, outage: Outage, arp: Lane) -> Split:
        """Of the sentinel itself: at most what passed after the gateway had answered again."""
        answered = [o.end[0] for o in self._analysis.lane(arp.id).outages if o.onset[0] < outage.end[1]]
        changed = [at for at, _ in self.owners()[1:] if outage.onset[0] <= at <= outage.end[1]]
        back_ns = max([at for at in answered if at > outage.onset[0]], default=min(changed, default=outage.end[1]))
        high = min(max(outage.end[1] - back_ns, 0), outage.high_ns)
        low = max(outage.low_ns - high, 0)
        return Split(Part(outage.down_ns, low, outage.high_ns), Part(0, 0, high), SENTINEL_NOTE)

    def _away(self, lanes: list[Lane], outage: Outage) -> tuple[list[Blurred], int]:
        """When the sentinel had no answer from a router, or none from behind it; and for how long it saw nothing."""
        away: list[Blurred] = []
        blind_ns = 0
        for lane in lanes:
            report = self._analysis.lane(lane.id)
            away += [self._blurred(lane, o.onset, o.end) for o in report.outages]
            hidden = [
                (max(a, outage.start_ns), min(b, outage.end_ns)) for a, b in (blind.span for blind in report.blind)
            ]
            blind_ns = max(blind_ns, sum(b - a for a, b in hidden if b > a))
            away += [self._blurred(lane, blind.span, blind.span) for blind in report.blind]
        return away, blind_ns

    def _doubtful(self) -> list[Blurred]:
        """When two routers answered: which one the guest used, the sentinel cannot tell."""
        dual = self.dual_owners()
        if dual is None or self._arp is None:
            return []
        arp, align = self._arp, self._analysis.align
        spans = [[(align(arp.vantage, a), align(arp.vantage, b)) for a, b in pair] for pair in dual.spans]
        return [self._blurred(arp, onset, end) for onset, end in spans]

    def _blurred(self, lane: Lane, onset: Span, end: Span) -> Blurred:
        bound_ns = self._analysis.bound_ns(lane.vantage, self._analysis.to_remote(lane.vantage, end[0]))
        return Blurred(onset, end).widened(bound_ns)

    def _owner_changed(self, until_ns: int) -> bool:
        """By then; perhaps long before: the old router may go on serving who holds its MAC."""
        assert self._arp is not None  # noqa: S101 - the caller looked
        seconds = self._state.lanes[self._arp.id].second_owners
        at = [at for at, _ in self.owners()[1:]]
        at += [self._analysis.align(self._arp.vantage, second.remote_ns) for second in seconds]
        return any(one <= until_ns for one in at)

    def _stale_of(self, vantage: str) -> list[Blurred] | None:
        if not any(s.lane.prober is Prober.NEIGHBOUR and s.lane.vantage == vantage for s in self._state.lanes.values()):
            return None
        if vantage not in self._stale:
            self._stale[vantage] = [Blurred(one.onset, one.end) for one in self._stale_entries(vantage)]
        return self._stale[vantage]

    def _stale_entries(self, vantage: str) -> list[Stale]:
        """Each stretch in which its entry was not the MAC that answered, from the change of either of the two."""
        lane = next(
            s for s in self._state.lanes.values() if s.lane.prober is Prober.NEIGHBOUR and s.lane.vantage == vantage
        )
        owners, changes = self.owners(), held(lane.samples)
        if not owners or not changes or self._arp is None:
            return []
        bound_ns = self._analysis.bound_ns(vantage)
        turns: list[tuple[Span, int | None, int | None]] = []  # when, and the entry or the owner from then on
        for looks, mac in changes:
            before, after = (self._analysis.align(vantage, at) for at in looks)
            turns.append(((before - bound_ns, after + bound_ns), mac, None))
        own_ns = self._analysis.bound_ns(self._arp.vantage)
        for index, (at, mac) in enumerate(owners):
            before = self._last_answer_before(at) if index else at
            turns.append(((before - own_ns, at + own_ns), None, mac))
        entry, owner = changes[0][1], owners[0][1]
        found: list[Stale] = []
        since: tuple[Span, int] | None = None
        for moment, new_entry, new_owner in sorted(turns, key=lambda turn: turn[0][1]):
            entry = entry if new_entry is None else new_entry
            owner = owner if new_owner is None else new_owner
            if entry != owner and since is None:
                since = moment, entry
            elif entry == owner and since is not None:
                found.append(Stale(vantage, since[1], since[0], moment))
                since = None
        if since is not None:
            last_ns = self._analysis.seen_of_ns(lane.lane.id)
            found.append(Stale(vantage, since[1], since[0], (last_ns, last_ns)))
        return found

    def _last_answer_before(self, at_ns: int) -> int:
        """When the sentinel had its last answer before that one: the owner may have changed since."""
        assert self._arp is not None  # noqa: S101 - the caller looked
        at = self._analysis.to_remote(self._arp.vantage, at_ns)
        answered = [s.received_ns for s in self._state.lanes[self._arp.id].samples if 0 < s.received_ns < at - 1000]
        return self._analysis.align(self._arp.vantage, max(answered)) if answered else at_ns

    def _doubts(self, vantage: str, whole: Blurred, tail: Part) -> list[str]:
        if not tail.down_ns:
            return []
        known = self._state.vantages[vantage]
        if any(woken and whole.outer[0] < woken <= whole.outer[1] for _, woken in known.hushed):
            return [HEALED_NOTE]
        if not _was_hushed(known, whole.inner):
            return [TALKED_TO_NOTE]
        return [ALOUD_NOTE] if self._others_talked_to(vantage, whole.inner) else []

    def _others_talked_to(self, vantage: str, span: Span) -> bool:
        vantages = self._state.vantages
        if any(vantages[s.lane.vantage].vantage.kind is VantageKind.OUTSIDE for s in self._state.lanes.values()):
            return True
        tenants = [v for v in vantages.values() if v.vantage.kind is VantageKind.TENANT and v.vantage.name != vantage]
        return not all(_was_hushed(other, span) for other in tenants)


def _was_hushed(vantage: VantageState, span: Span) -> bool:
    """Whether nobody talked to it all that time."""
    return any(a <= span[0] and (not b or span[1] <= b) for a, b in vantage.hushed)


def _together(splits: list[Split]) -> Split:
    gaps, tails = [s.gap for s in splits if s.gap is not None], [s.tail for s in splits if s.tail is not None]
    whys = "; ".join(dict.fromkeys(s.why for s in splits if s.why))
    if len(gaps) < len(splits):
        return Split(why=next(s.why for s in splits if s.gap is None))
    none = Part(0, 0, 0)
    return Split(sum(gaps, none), sum(tails, none), whys)
