# SPDX-License-Identifier: Apache-2.0
"""A lane of a run held against what the test cloud's own witness saw of the same path. Pure; ns of the host's clock.

The two send their own packets, so they agree when no bound of one excludes what the other saw:

- each outage of the lane began and ended where, within both bounds, one of the witness's began and one ended;
- each outage of the witness that lasted longer than 1.5 intervals of the lane for certain is in the lane too, or the
  lane was blind then. Shorter ones may fall between two samples.

While two routers have the addresses, a path is not up or down: in the test cloud both have one public MAC, so the
switch sends each packet to the one that spoke last, and the answer leaves by the one that the tenant's ARP entry names;
only when the two are the same does it come back. Two flows a millisecond apart then fare differently, and a difference
that touches such a span says nothing about either prober.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from csworkbench.measurement.outage import Outage, Span
from csworkbench.measurement.totals import LaneReport

FOREVER = 2**61  # an outage that has not ended does so later than that


class Seen(NamedTuple):
    """An outage by the witness: where it began and ended, (low, high) each."""

    start: Span
    end: Span

    @property
    def certain_ns(self) -> int:
        """It lasted at least that long."""
        return self.end[0] - self.start[1]


class Agreement(NamedTuple):
    """One lane. `truth` is the witness's (low, high) total of the outages that the lane saw, `lane` the lane's."""

    truth: Span
    lane: Span
    down_ns: int
    outages: int
    short: int
    """Outages of the witness that fell between the lane's samples."""
    short_ns: int
    differences: tuple[str, ...]
    shared: tuple[str, ...]
    """Differences while two routers had the addresses."""


def seen_by(line: Mapping[str, Any], since_ns: int) -> list[Seen]:
    """A path's outages in a line of `lab truth` that had not ended by then."""
    found = []
    for outage in line["outages"]:
        end = outage["end_ns"] or (outage["start_ns"][1], 2 * FOREVER)
        if end[1] > since_ns:
            found.append(Seen(tuple(outage["start_ns"]), tuple(end)))
    return found


def compare(report: LaneReport, bound_ns: int, witness: Sequence[Seen], two: Sequence[Span] = ()) -> Agreement:
    """`bound_ns`: how far the lane's stamps may be off on the host's clock; `two`: when two routers were there."""
    differences: list[str] = []
    shared: list[str] = []
    truth = [0, 0]

    def differ(span: Span, text: str) -> None:
        (shared if any(_meet(span, other) for other in two) else differences).append(text)

    matched: set[Seen] = set()
    for outage in report.outages:
        onset, end = _widened(outage.onset, bound_ns), _widened(outage.end, bound_ns)
        over = [seen for seen in witness if _meet((seen.start[0], seen.end[1]), (onset[0], end[1]))]
        matched |= set(over)
        first = next((seen for seen in over if _meet(seen.start, onset)), None)
        last = next((seen for seen in reversed(over) if _meet(seen.end, end)), None)
        if not over:
            differ((onset[0], end[1]), f"the witness saw nothing of {_text(outage)}")
        elif first is None or last is None:
            what = " and ".join(name for name, found in (("onset", first), ("end", last)) if found is None)
            where = "; ".join(map(_span, over))
            differ((onset[0], end[1]), f"another {what} than {_text(outage)}: the witness's {where}")
        first, last = first or (over[0] if over else None), last or (over[-1] if over else None)
        if first is not None and last is not None:
            truth[0] += max(last.end[0] - first.start[1], 0)
            truth[1] += last.end[1] - first.start[0]
    missed = [seen for seen in witness if seen not in matched]
    short = []
    for seen in missed:
        blind = any(_meet(_widened(one.span, bound_ns), (seen.start[0], seen.end[1])) for one in report.blind)
        if 2 * seen.certain_ns > 3 * report.lane.interval_ns and not blind:
            differ((seen.start[0], seen.end[1]), f"the lane saw nothing of {_span(seen)}")
        else:
            short.append(seen)
    return Agreement(
        (truth[0], truth[1]),
        (report.low_ns, report.high_ns),
        report.down_ns,
        len(report.outages),
        len(short),
        sum(max(seen.certain_ns, 0) for seen in short),
        tuple(differences),
        tuple(shared),
    )


def _meet(left: Span, right: Span) -> bool:
    return left[0] <= right[1] and right[0] <= left[1]


def _widened(span: Span, by_ns: int) -> Span:
    return span[0] - by_ns, span[1] + by_ns


def _text(outage: Outage) -> str:
    return f"the lane's outage from {_ms(outage.onset)} to {_ms(outage.end)} ({outage.lost} lost, {outage.reason.text})"


def _span(seen: Seen) -> str:
    return f"{_ms(seen.start)} to {_ms(seen.end)}"


def _ms(span: Span) -> str:
    return f"{span[0] / 1e6:.1f}-{span[1] / 1e6:.1f} ms"
