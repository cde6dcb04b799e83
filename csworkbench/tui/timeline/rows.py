# SPDX-License-Identifier: Apache-2.0
"""Which rows the timeline has: the marks, then lanes by service, folded to the worst VM of each kind of probe."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from csworkbench.model.lane import Lane, Service
from csworkbench.model.natural import natural
from csworkbench.model.state import LaneState
from csworkbench.tui.view import RunView, lane_label

MARK_ROWS = 5  # axis, phases, job, gateway and one to spare
SHORT = {Service.GATEWAY: "gateway"}
FIRST = (Service.EGRESS, Service.INGRESS)  # never folded away, and on top where there is little room
LOW_ROWS = 18  # fewer rows than this are too few for a row per kind of probe


class Kind(Enum):
    """What a row shows."""

    AXIS = auto()
    PHASES = auto()
    JOB = auto()
    EVENTS = auto()
    OWNERS = auto()
    LANE = auto()
    QUIET = auto()


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `number` of `of` counts event rows; `fold` is `folded`, `unfolded` or empty: nothing to fold.

    `digit` jumps to a service's first row. A QUIET row stands for all services in `label` that had no outage.
    """

    kind: Kind
    label: str = ""
    job: str = ""
    number: int = 0
    of: int = 1
    lane: int = -1
    service: Service | None = None
    fold: str = ""
    first: bool = True
    digit: int = 0

    @property
    def selectable(self) -> bool:
        """True when the row cursor may stand on it."""
        return self.kind is not Kind.AXIS and (self.kind is not Kind.EVENTS or self.number == 0)


class Rows:
    """Builds the rows; remembers which services are unfolded and which VM was worst, so that rows do not flicker."""

    def __init__(self) -> None:
        self.unfolded: set[Service] = set()
        self.quiet_shown = False
        self.wanted = ""  # only lanes whose words hold this; empty for all
        self._worst: dict[tuple[Service, str], int] = {}

    def toggle(self, row: Row) -> bool:
        """Fold or unfold what the row stands for; False where there is nothing to fold."""
        if row.kind is Kind.QUIET:
            self.quiet_shown = not self.quiet_shown
        elif row.service is None or not row.fold:
            return False
        else:
            self.unfolded ^= {row.service}
        return True

    def unfold_if_room(self, view: RunView, height: int) -> None:
        """Show every lane where the screen has a row for each; for the start, before anybody folds anything."""
        if len(view.state.lanes) + MARK_ROWS + event_rows(height) <= height:
            self.unfolded = set(Service)

    def build(self, view: RunView, event_rows: int, *, low: bool = False) -> list[Row]:
        """All rows, top to bottom. `low`: one row per service, and one for all services without an outage."""
        rows = [Row(Kind.AXIS), Row(Kind.PHASES, "phase")]
        rows += [Row(Kind.JOB, "job", job=job_id) for job_id in view.state.jobs] or [Row(Kind.JOB, "job")]
        rows += [Row(Kind.EVENTS, "events" if not i else "", number=i, of=event_rows) for i in range(event_rows)]
        gateway = view.gateway_lane
        if gateway is not None:
            rows.append(Row(Kind.OWNERS, "gateway MAC", lane=gateway.id))
        by_service: dict[Service, list[LaneState]] = {service: [] for service in Service}
        for state in view.state.lanes.values():
            if not self.wanted or self.wanted in _words(view, state.lane):
                by_service[state.lane.service].append(state)
        order = [s for s in Service if by_service[s]]
        quiet: list[Service] = []
        if low and not self.wanted:
            order.sort(key=lambda s: s not in FIRST)
            quiet = [s for s in order if s not in FIRST and s not in self.unfolded and _quiet(view, by_service[s])]
        folded = [] if self.quiet_shown or len(quiet) < 2 else quiet
        digit = 0
        for service in order:
            if service not in folded:
                digit += 1
                rows += self._service(view, service, by_service[service], low=low, digit=digit)
        if quiet and len(quiet) > 1:
            lanes = sum(len(by_service[s]) for s in quiet)
            text = f"{', '.join(SHORT.get(s, s.value) for s in quiet)} · {lanes} lanes"
            rows.append(Row(Kind.QUIET, text, fold="unfolded" if self.quiet_shown else "folded", digit=digit + 1))
        return rows

    def _service(
        self, view: RunView, service: Service, of_service: list[LaneState], *, low: bool, digit: int
    ) -> Iterator[Row]:
        kinds: dict[str, list[Lane]] = {}
        unfolded = service in self.unfolded or bool(self.wanted)
        shown_states = [s for s in of_service if unfolded or not (s.lane.heartbeat or s.left_out)]
        if low and not unfolded:
            shown_states = [s for s in shown_states if s.lane.headline] or shown_states
        for state in shown_states:
            kind = "" if low and not unfolded else _kind(view, state.lane, unfolded=unfolded)
            kinds.setdefault(kind, []).append(state.lane)
        foldable = len(of_service) > len(shown_states) or any(len(lanes) > 1 for lanes in kinds.values())
        fold = ("unfolded" if unfolded else "folded") if foldable and not self.wanted else ""
        first = True
        for kind, lanes in sorted(kinds.items(), key=lambda item: (not item[1][0].headline, item[0])):
            shown = sorted(lanes, key=lane_order) if unfolded else [self._choose(view, service, kind, lanes)]
            for lane in shown:
                yield Row(
                    Kind.LANE, SHORT.get(service, service.value), lane=lane.id, service=service, fold=fold, first=first,
                    digit=digit if first and digit <= 9 else 0,
                )  # fmt: skip
                first = False

    def _choose(self, view: RunView, service: Service, kind: str, lanes: list[Lane]) -> Lane:
        """The worst lane. While the kind is down, the one shown stays until another is worse by more than a sample."""
        ordered = sorted(lanes, key=lane_order)
        worst = max(ordered, key=lambda lane: _badness(view, lane))
        known = next((lane for lane in ordered if lane.id == self._worst.get((service, kind))), None)
        if known is not None:
            counting = any(view.reports[lane.id].open for lane in ordered if lane.id in view.reports)
            slack = known.interval_ns if counting else 0
            worst = known if _badness(view, worst) <= _badness(view, known) + slack else worst
        self._worst[service, kind] = worst.id
        return worst


def _kind(view: RunView, lane: Lane, *, unfolded: bool) -> str:
    """What is folded into one row; of the control lanes all, for one look tells whether any of them was down."""
    if lane.service is Service.CONTROL:
        return view.control(lane).role.name if unfolded else ""
    return f"{lane.prober}/{lane.flow}/{lane.headline}"


def _words(view: RunView, lane: Lane) -> str:
    """What a search looks at, in lower case."""
    return f"{lane.service.value} {lane_label(view, lane)} {lane.subject} {lane.vantage} {lane.target}".lower()


def _quiet(view: RunView, states: list[LaneState]) -> bool:
    """True for a service that has been up all the time."""
    reports = [view.reports.get(state.lane.id) for state in states if not (state.lane.heartbeat or state.left_out)]
    return not any(report is not None and report.outages for report in reports)


def _badness(view: RunView, lane: Lane) -> int:
    report = view.reports.get(lane.id)
    return report.down_ns if report is not None else 0


def lane_order(lane: Lane) -> tuple[tuple[int, str], ...]:
    """Order by the subject's name as people count: vm2 before vm10."""
    return natural(lane.subject or lane.vantage)


def event_rows(height: int) -> int:
    """How many rows the events get at that height."""
    return 1 if height < 16 else 2 if height < 30 else 3
