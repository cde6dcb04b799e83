# SPDX-License-Identifier: Apache-2.0
"""Totals per service and per run (S14). Lanes are never added up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from csworkbench.model.lane import Lane, Service

from .outage import Baseline, Outage, Span


@dataclass(frozen=True, slots=True)
class LaneReport:
    """One lane's figures, ns. `outages` are those that count for the run; `open` while nothing has ended the last."""

    lane: Lane
    sent: int
    ok: int
    fail: int
    unknown: int
    outages: list[Outage]
    blind: list[Span]
    baseline: Baseline | None
    down_ns: int
    low_ns: int
    high_ns: int
    longest_ns: int
    by_loss_ns: int
    intermittent: bool
    open: bool


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """One service over its headline lanes, ns. `worst` is the subject of the lane down longest, empty if none was.

    `outages` are those of that lane; `open` while a lane is still down.
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
    downs = sorted(r.down_ns for r in reports)
    spans = [down_spans(r) for r in reports]
    everywhere = spans[0]
    for other in spans[1:]:
        everywhere = intersect(everywhere, other)
    return ServiceReport(
        service=service,
        down_ns=worst.down_ns,
        low_ns=worst.low_ns,
        high_ns=worst.high_ns,
        longest_ns=worst.longest_ns,
        median_ns=(downs[(len(downs) - 1) // 2] + downs[len(downs) // 2]) // 2,
        outages=len(worst.outages),
        worst=worst.lane.subject if worst.outages else "",
        hit=sum(bool(r.outages) for r in reports),
        lanes=len(reports),
        open=any(r.open for r in reports),
        any_down_ns=length(merge(span for lane in spans for span in lane)),
        all_down_ns=length(everywhere),
    )
