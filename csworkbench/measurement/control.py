# SPDX-License-Identifier: Apache-2.0
"""What the control lanes say: when an outage may not have been the router's (S7).

A control lane does not cross the router. When one is down, the vantage that it belongs to is a suspect. Only a lane
between two VMs on one network may point to the other VM instead: when control lanes between that one and a third VM
were down too, or its prober stood still, or when only the vantage's own other control lanes clear it. When both ends
have others against them, both are (it may be their network). An outage is ambiguous for as long as its vantage, or the
VM that it tells about, was a suspect. A control lane from outside that names another subject (a balancer's back end)
makes those outages ambiguous that have that subject.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import ip_address

from csworkbench.model.lane import Lane, Service, Vantage, VantageKind

from .blind import STOPPED, SUSPENDED
from .outage import Outage, Span
from .totals import LaneReport, intersect, length, merge


class Role(Enum):
    """What a control lane asks."""

    LOOPBACK = auto()
    PEER = auto()
    UNRELATED = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Control:
    """A control lane's role; `peer` is the vantage at its far end, or its address when that is none of ours."""

    role: Role
    peer: str = ""


def control_of(lane: Lane, vantages: Mapping[str, Vantage]) -> Control:
    """The role of a control lane, from its vantage and target."""
    if _loopback(lane.target):
        return Control(Role.LOOPBACK)
    own = vantages.get(lane.vantage)
    if own is not None and own.kind is VantageKind.OUTSIDE:
        foreign = lane.subject not in ("", lane.vantage)
        return Control(Role.OTHER if foreign else Role.UNRELATED)
    peer = next((v.name for v in vantages.values() if v.guest_ip == lane.target and v.name != lane.vantage), "")
    if not peer and lane.subject not in ("", lane.vantage):
        return Control(Role.PEER, lane.subject) if lane.subject in vantages else Control(Role.OTHER)
    return Control(Role.PEER, peer or lane.target)


class Controls:
    """The control lanes of a run. Build it anew when one of their reports has changed."""

    def __init__(
        self, reports: Sequence[LaneReport], vantages: Mapping[str, Vantage], blind: Mapping[str, Sequence[Span]]
    ) -> None:
        self._vantages = vantages
        self._blind = blind
        self._lanes = [(report, control_of(report.lane, vantages), _down(report)) for report in reports]
        self._broken = [(report.lane, control, downs) for report, control, downs in self._lanes if downs]

    def against(self, lane: Lane, outage: Outage) -> tuple[str, int]:
        """Why an outage is ambiguous and for how many ns of it; ("", 0) when no control lane says so."""
        if lane.service is Service.CONTROL:
            return "", 0
        concerned = {lane.vantage, lane.subject} - {""}
        why, spans = "", []
        for broken, control, downs in self._broken:
            common = intersect(downs, [outage.span])
            if common and concerned & self._suspects(broken, control, outage.span):
                why = why or self._said(broken, control)
                spans += common
        return why, min(length(merge(spans)), outage.down_ns)

    def _suspects(self, lane: Lane, control: Control, when: Span) -> set[str]:
        if control.role is Role.PEER:
            return self._of_two(lane.vantage, control.peer, when)
        return {lane.subject} if control.role is Role.OTHER else {lane.vantage}

    def _of_two(self, near: str, far: str, when: Span) -> set[str]:
        """Which end of a broken pair is to blame."""
        (near_bad, near_good), (far_bad, far_good) = (
            self._witnesses(one, other, when) for one, other in ((near, far), (far, near))
        )
        far_bad = far_bad or bool(intersect(merge(self._blind.get(far, ())), [when]))
        if near_bad and far_bad:
            return {near, far}
        return {far} if not near_bad and (far_bad or (near_good and not far_good)) else {near}

    def _witnesses(self, one: str, other: str, when: Span) -> tuple[bool, bool]:
        """(a control lane between that VM and a third one was down, one was up all the time)."""
        bad = good = False
        for report, control, downs in self._lanes:
            ends = {report.lane.vantage, control.peer}
            if control.role is not Role.PEER or one not in ends or other in ends:
                continue
            down = bool(intersect(downs, [when]))
            bad = bad or down
            good = good or (not down and report.ok > 0 and not intersect(merge(b.span for b in report.blind), [when]))
        return bad, good

    def _said(self, lane: Lane, control: Control) -> str:
        match control.role:
            case Role.LOOPBACK:
                return f"{lane.vantage} lost probes to itself"
            case Role.PEER:
                return f"{lane.vantage} did not reach {control.peer} beside the router either"
            case Role.UNRELATED:
                return f"{lane.vantage} did not reach {lane.target}, which is not behind the router, either"
            case Role.OTHER:
                return f"{lane.vantage} did not reach {lane.subject} beside the router either"


def stopped_spans(reports: Iterable[LaneReport]) -> dict[str, list[Span]]:
    """When each vantage's prober stood still."""
    found: dict[str, list[Span]] = {}
    for report in reports:
        found.setdefault(report.lane.vantage, []).extend(
            b.span for b in report.blind if b.cause in (STOPPED, SUSPENDED)
        )
    return found


def _down(report: LaneReport) -> list[Span]:
    return merge(outage.span for outage in report.outages)


def _loopback(target: str) -> bool:
    try:
        return ip_address(target).is_loopback
    except ValueError:
        return target == "localhost"
