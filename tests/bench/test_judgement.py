# SPDX-License-Identifier: Apache-2.0
"""The judges of the benchmarks can say no."""

from dataclasses import replace

import pytest

from csworkbench.measurement.blind import Blind
from csworkbench.measurement.outage import Outage, Span
from csworkbench.measurement.totals import LaneReport
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.model.sample import Reason
from tests.bench.agreement import Seen, compare
from tests.bench.known import MS, S, Truth, match
from tests.bench.peers import Loss, by_outage

LANE = Lane(0, Service.EGRESS, Prober.ICMP, "vm01", "203.0.113.10", 100 * MS, S)


def outage(onset: Span, end: Span) -> Outage:
    """Bounds in ms."""
    low, high = (end[0] - onset[1]) * MS, (end[1] - onset[0]) * MS
    began, ended = ((a * MS, b * MS) for a, b in (onset, end))
    middles = sum(began) // 2, sum(ended) // 2
    length = (low + high) // 2, low, high
    return Outage(0, *middles, began, ended, *length, lost=9, reason=Reason.TIMEOUT, blip=False, open=False)


def report(*outages: Outage, blind: tuple[Span, ...] = ()) -> LaneReport:
    """A lane with these outages."""
    spans = [Blind(a * MS, b * MS, "the prober stopped", 1) for a, b in blind]
    high = sum(o.high_ns for o in outages)
    return LaneReport(LANE, 99, 90, 9, 0, list(outages), spans, None, 0, 0, high, 0, 0, intermittent=False, open=False)


def truth(start: Span, end: Span) -> Truth:
    """In ms."""
    return Truth("10.9.1.1", (start[0] * MS, start[1] * MS), (end[0] * MS, end[1] * MS))


def seen(start: Span, end: Span) -> Seen:
    """In ms."""
    return Seen((start[0] * MS, start[1] * MS), (end[0] * MS, end[1] * MS))


MEASURED = outage((1000, 1100), (2000, 2100))


@pytest.mark.parametrize(
    ("start", "end", "inside", "refuted"),
    [
        ((1050, 1051), (2050, 2051), True, False),
        ((999, 1001), (2050, 2051), False, False),
        ((1120, 1121), (2050, 2051), False, True),
        ((1050, 1051), (1990, 1991), False, True),
    ],
)
def test_a_truth_is_inside_between_or_outside(start: Span, end: Span, inside: bool, refuted: bool) -> None:
    [found], left = match([truth(start, end)], report(MEASURED))
    assert (found.inside, found.refuted, left) == (inside, refuted, [])


def test_what_was_missed_and_what_was_invented() -> None:
    [missed], invented = match([truth((5000, 5001), (6000, 6001))], report(MEASURED))
    assert missed.refuted
    assert invented == [MEASURED]
    [blind], _ = match([truth((5000, 5001), (6000, 6001))], report(blind=((4900, 6100),)))
    assert (blind.blind, blind.refuted) == (True, False)


def test_two_outages_taken_for_one_are_refuted() -> None:
    both = [truth((1050, 1051), (1200, 1201)), truth((1900, 1901), (2050, 2051))]
    found, _ = match(both, report(MEASURED))
    assert all(one.refuted for one in found)


def test_a_lane_and_the_witness() -> None:
    lane = report(MEASURED)
    assert compare(lane, 0, [seen((1040, 1050), (2040, 2050))]).differences == ()
    assert compare(lane, 0, [seen((1040, 1050), (1900, 1990))]).differences
    assert compare(lane, 20 * MS, [seen((1040, 1050), (1900, 1990))]).differences == ()
    assert compare(lane, 0, []).differences
    assert compare(report(), 0, [seen((0, 1), (200, 201))]).differences
    assert compare(report(), 0, [seen((0, 1), (120, 201))]).differences == ()
    assert compare(report(blind=((0, 300),)), 0, [seen((0, 1), (200, 201))]).differences == ()


def test_what_two_routers_do_is_told_apart() -> None:
    found = compare(report(MEASURED), 0, [], [(900 * MS, 1000 * MS)])
    assert (found.differences, len(found.shared)) == ((), 1)
    assert compare(report(MEASURED), 0, [], [(3000 * MS, 4000 * MS)]).differences


def test_a_peers_losses_go_to_their_outage() -> None:
    one = truth((1000, 1001), (2000, 2001))
    losses = [Loss("10.9.1.1", at * MS, 10 * MS) for at in (850, 950, 1500, 2500, 4000)]
    assert by_outage([one, replace_address(one)], losses, 600 * MS) == [30 * MS, None]


def replace_address(one: Truth) -> Truth:
    """The same outage elsewhere."""
    return one._replace(address="10.9.1.2")


def test_a_lane_that_is_open_is_compared_too() -> None:
    ended = replace(MEASURED, end_ns=0, open=True)
    assert compare(report(ended), 0, [seen((1040, 1050), (2050, 2**62))]).differences == ()
