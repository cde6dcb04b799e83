# SPDX-License-Identifier: Apache-2.0
"""S14: worst, median, hit, union and intersection against brute force on a grid."""

from dataclasses import replace
from itertools import pairwise
from statistics import median

from hypothesis import given, settings
from hypothesis import strategies as st

from csworkbench.measurement.outage import Outage
from csworkbench.measurement.totals import LaneReport, intersect, length, merge, service_report
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.model.sample import Reason

GRID = 60
SPANS = st.lists(st.tuples(st.integers(0, GRID), st.integers(0, GRID)).map(sorted).map(tuple), max_size=5)


def cells(spans: list[tuple[int, int]]) -> set[int]:
    return {i for start, end in spans for i in range(start, end)}


def report(number: int, spans: list[tuple[int, int]], open_at: int | None = None) -> LaneReport:
    """A lane that was down then; `open_at`: and has been down since, as far as has been seen (GRID)."""
    outages = [
        Outage(number, a, b, (a, a), (b, b), b - a, b - a, b - a, b - a, Reason.TIMEOUT, False, False) for a, b in spans
    ]
    if open_at is not None:
        span = (open_at, GRID)
        outages.append(
            Outage(number, open_at, 0, span, (GRID, GRID), GRID - open_at, 0, 0, 1, Reason.TIMEOUT, True, True)
        )
    lane = Lane(number, Service.EGRESS, Prober.ICMP, f"vm{number}", "t", 1, 1, flow="new", subject=f"vm{number}")
    down = sum(o.down_ns for o in outages)
    longest = max((o.down_ns for o in outages), default=0)
    return LaneReport(
        lane, GRID, 0, 0, 0, outages, [], None, down, down, down, longest, down, False, open_at is not None
    )


@given(SPANS, SPANS)
@settings(max_examples=150)
def test_s14_union_and_intersection_against_a_grid(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    both = intersect(merge(left), merge(right))
    assert cells(both) == cells(left) & cells(right)
    assert length(both) == len(cells(left) & cells(right))
    union = merge([*left, *right])
    assert cells(union) == cells(left) | cells(right)
    assert length(union) == len(cells(left) | cells(right))
    assert all(a[1] < b[0] for a, b in pairwise(union))


@given(st.lists(st.tuples(SPANS, st.none() | st.integers(0, GRID - 1)), min_size=1, max_size=5))
@settings(max_examples=120)
def test_s14_a_service_against_brute_force(lanes: list[tuple[list[tuple[int, int]], int | None]]) -> None:
    merged = [([s for s in merge(spans) if open_at is None or s[1] < open_at], open_at) for spans, open_at in lanes]
    reports = [report(i, spans, open_at) for i, (spans, open_at) in enumerate(merged)]
    down = [cells(spans) | (set(range(o, GRID)) if o is not None else set()) for spans, o in merged]
    found = service_report(Service.EGRESS, reports)
    assert found.down_ns == max(map(len, down)), "the worst lane, never the sum"
    assert abs(found.median_ns - median(map(len, down))) <= 0.5
    assert found.hit == sum(map(bool, down))
    assert found.lanes == len(lanes)
    assert found.any_down_ns == len(set.union(*down))
    assert found.all_down_ns == len(set.intersection(*down))
    assert found.open == any(o is not None for _, o in merged)
    assert (found.worst == "") == (found.hit == 0)
    if found.worst:
        worst = reports[int(found.worst[2:])]
        assert (found.down_ns, found.longest_ns, found.outages) == (worst.down_ns, worst.longest_ns, len(worst.outages))


def test_s14_an_outage_of_no_known_length_still_names_its_lane() -> None:
    quiet, hit = report(0, []), report(1, [])
    blip = Outage(1, 5, 0, (5, 5), (5, 5), 0, 0, 0, 1, Reason.TIMEOUT, True, True)
    found = service_report(Service.EGRESS, [quiet, replace(hit, outages=[blip])])
    assert (found.worst, found.hit, found.outages) == ("vm1", 1, 1)
