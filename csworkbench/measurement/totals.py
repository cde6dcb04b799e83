# SPDX-License-Identifier: Apache-2.0
"""Totals per service and per run (S14). Lanes are never added up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from csworkbench.model.lane import Lane, Service

from .blind import Blind
from .order import Distance
from .outage import Baseline, Outage, Span


@dataclass(frozen=True, slots=True)
class LaneReport:
    """One lane's figures, ns. `outages` are those that count for the run; `open` while nothing has ended the last.

    `blind` is what it did not see in the time that counts. `onset_after_job` is from the first job's start to the first
    onset, `end_after_job` from the last job's end to the last outage's end; None without a job or an outage.
    """

    lane: Lane
    sent: int
    ok: int
    fail: int
    unknown: int
    outages: list[Outage]
    blind: list[Blind]
    baseline: Baseline | None
    down_ns: int
    low_ns: int
    high_ns: int
    longest_ns: int
    by_loss_ns: int
    intermittent: bool
    open: bool
    onset_after_job: Distance | None = None
    end_after_job: Distance | None = None

    @property
    def blind_ns(self) -> int:
        """For how long it saw nothing."""
        return length(merge(b.span for b in self.blind))

    @property
    def ambiguous_ns(self) -> int:
        """How much of its downtime may not be the router's (S7)."""
        return sum(o.ambiguous_ns for o in self.outages)

    @property
    def ambiguous(self) -> str:
        """Why, of the longest such outage; empty when none is."""
        doubtful = [o for o in self.outages if o.ambiguous]
        return max(doubtful, key=lambda o: o.ambiguous_ns).ambiguous if doubtful else ""


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """One service over its headline lanes, ns. `worst` is the subject of the lane down longest, empty if none was.

    `outages`, `by_loss_ns`, `ambiguous_ns` and the distances to the job are those of that lane; `open` while a lane is
    still down. `blind_ns` is that of the lane that saw least. A VM's downtime is that of its worst lane: `median_vm_ns`
    is the median over the `vms`, of which `vms_hit` had an outage.
    """

    service: Service
    down_ns: int
    low_ns: int
    high_ns: int
    longest_ns: int
    median_ns: int
    outages: int
    worst: str
    hit: int
    lanes: int
    open: bool
    any_down_ns: int
    all_down_ns: int
    by_loss_ns: int = 0
    intermittent: bool = False
    ambiguous: str = ""
    ambiguous_ns: int = 0
    blind_ns: int = 0
    vms: int = 0
    vms_hit: int = 0
    median_vm_ns: int = 0
    onset_after_job: Distance | None = None
    end_after_job: Distance | None = None


@dataclass(frozen=True, slots=True)
class RunTotals:
    """One run over the headline lanes of its services, ns: S14's union and intersection.

    `any_down_ns`: some lane was down. `all_services_down_ns`: each service was, for one VM at least. `all_down_ns`:
    every lane was, at the same time. `hit` of `services` had an outage.
    """

    any_down_ns: int
    all_services_down_ns: int
    all_down_ns: int
    services: int
    hit: int


def merge(spans: Iterable[Span]) -> list[Span]:
    """Union of spans as a sorted list without overlaps."""
    merged: list[Span] = []
    for start, end in sorted(s for s in spans if s[1] > s[0]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def length(spans: Iterable[Span]) -> int:
    """Total length of spans that do not overlap."""
    return sum(end - start for start, end in spans)


def intersect(left: Sequence[Span], right: Sequence[Span]) -> list[Span]:
    """What two merged lists of spans have in common."""
    common = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            common.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return common


def down_spans(report: LaneReport) -> list[Span]:
    """When the lane was down, on the recorder's clock; an open outage reaches as far as has been seen."""
    return merge((o.start_ns, o.end_ns or o.end[1]) for o in report.outages)


def service_report(service: Service, reports: Sequence[LaneReport]) -> ServiceReport:
    """Fold the headline lanes of one service. `reports` must not be empty."""
    worst = max(reports, key=lambda r: (r.down_ns, r.high_ns, len(r.outages)))
    vms: dict[str, list[LaneReport]] = {}
    for report in reports:
        vms.setdefault(report.lane.subject or report.lane.vantage, []).append(report)
    spans = [down_spans(r) for r in reports]
    return ServiceReport(
        service=service,
        down_ns=worst.down_ns,
        low_ns=worst.low_ns,
        high_ns=worst.high_ns,
        longest_ns=worst.longest_ns,
        median_ns=_median([r.down_ns for r in reports]),
        outages=len(worst.outages),
        worst=worst.lane.subject if worst.outages else "",
        hit=sum(bool(r.outages) for r in reports),
        lanes=len(reports),
        open=any(r.open for r in reports),
        any_down_ns=length(merge(span for lane in spans for span in lane)),
        all_down_ns=length(_common(spans)),
        by_loss_ns=worst.by_loss_ns,
        intermittent=worst.intermittent,
        ambiguous=worst.ambiguous,
        ambiguous_ns=worst.ambiguous_ns,
        blind_ns=max(r.blind_ns for r in reports),
        vms=len(vms),
        vms_hit=sum(any(r.outages for r in lanes) for lanes in vms.values()),
        median_vm_ns=_median([max(r.down_ns for r in lanes) for lanes in vms.values()]),
        onset_after_job=worst.onset_after_job,
        end_after_job=worst.end_after_job,
    )


def run_totals(services: Sequence[Sequence[LaneReport]]) -> RunTotals:
    """Fold the headline lanes of all services; one sequence of reports for each."""
    spans = [[down_spans(report) for report in reports] for reports in services if reports]
    any_of = [merge(span for lane in lanes for span in lane) for lanes in spans]
    return RunTotals(
        any_down_ns=length(merge(span for service in any_of for span in service)),
        all_services_down_ns=length(_common(any_of)),
        all_down_ns=length(_common([lane for lanes in spans for lane in lanes])),
        services=len(spans),
        hit=sum(any(r.outages for r in reports) for reports in services),
    )


def _median(values: Sequence[int]) -> int:
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) // 2


def _common(lists: Sequence[Sequence[Span]]) -> list[Span]:
    """What all of them have in common; nothing when there are none."""
    common = list(lists[0]) if lists else []
    for other in lists[1:]:
        common = intersect(common, other)
    return common
