# SPDX-License-Identifier: Apache-2.0
"""Samples of one path to its outages, one by one as they are settled; pure, all times in ns of one clock.

Written without a look at `csworkbench.measurement`: the two are held against each other.

A probe that was answered passed the path somewhere between its sending and its answer, a lost one found it broken
somewhere between its sending and the time at which an answer is usual. So, with the probes around an outage:

    start in [last ok sent, first lost handed over + usual round trip]    end in [last lost sent, first ok received]

Probes do not overtake each other on their way. An answer that took longer than is usual waited somewhere: it proves
nothing before it arrived.
"""

from __future__ import annotations

import heapq
from typing import Any, NamedTuple

SELF = "self"
"""Reason of a probe that the prober itself spoiled: neither ok nor lost."""
MOST_OUTAGES = 1000
"""Outages that are listed one by one; the totals hold all."""
_ADAPTS_OVER = 64


class Sample(NamedTuple):
    """One settled probe. `answered_ns` None: lost, or spoiled by ourselves, as `reason` says."""

    sent_ns: int
    """Just before it was handed to the kernel."""
    handed_ns: int
    """Just after the last packet of it was handed to the kernel."""
    answered_ns: int | None
    reason: str = "timeout"


class Outage(NamedTuple):
    """One outage with the bounds of both its ends; `end_ns` None: it had not ended."""

    start_ns: tuple[int, int]
    end_ns: tuple[int, int] | None
    reason: str
    down_ns: int
    """The estimate between the bounds."""
    low_ns: int
    high_ns: int


class Totals(NamedTuple):
    """All outages of a path together."""

    outages: int = 0
    down_ns: int = 0
    longest_ns: int = 0
    low_ns: int = 0
    high_ns: int = 0

    def plus(self, outage: Outage) -> Totals:
        """With one more."""
        return Totals(
            self.outages + 1,
            self.down_ns + outage.down_ns,
            max(self.longest_ns, outage.down_ns),
            self.low_ns + outage.low_ns,
            self.high_ns + outage.high_ns,
        )


class Fold:
    """Takes the samples of a path in the order of their sending; what was before the first answer does not count."""

    def __init__(self, period_ns: int) -> None:
        self.sent = self.lost = self.unknown = 0
        self.blind_ns = 0
        """Time without samples: gaps of more than two periods, less the period that belongs there."""
        self.answered = False
        self._period_ns = period_ns
        self._ended: list[Outage] = []
        self._totals = Totals()
        self._usual_ns = 0.0
        self._waited: list[int] = []
        """Arrival times, still ahead of the last sample, of answers that waited somewhere."""
        self._last_ok_ns = self._last_sent_ns = 0
        self._first_lost: Sample | None = None
        self._start_high_ns = self._last_lost_ns = 0

    def add(self, sample: Sample) -> None:
        """The next sample."""
        sent_ns, handed_ns, answered_ns, reason = sample
        if not self.answered:
            if answered_ns is None:
                return
            self.answered = True
            self._usual_ns = float(answered_ns - sent_ns)
            self._last_sent_ns = sent_ns
        gap_ns = sent_ns - self._last_sent_ns
        if gap_ns > 2 * self._period_ns:
            self.blind_ns += gap_ns - self._period_ns
        self._last_sent_ns = sent_ns
        while self._waited and self._waited[0] <= sent_ns:
            arrived_ns = heapq.heappop(self._waited)
            self._ok(arrived_ns, arrived_ns)
        if answered_ns is not None:
            self.sent += 1
            self._take_answer(sent_ns, answered_ns)
        elif reason == SELF:
            self.unknown += 1
            self.blind_ns += self._period_ns
        else:
            self.sent += 1
            self.lost += 1
            self._last_lost_ns = sent_ns
            if self._first_lost is None:
                self._first_lost = sample
                self._start_high_ns = handed_ns + self._longest_usual_ns

    def totals(self) -> Totals:
        """Up to the last sample, an outage that has not ended included."""
        unfinished = self._unfinished()
        return self._totals if unfinished is None else self._totals.plus(unfinished)

    def outages(self) -> list[Outage]:
        """The first ones; see `MOST_OUTAGES`."""
        unfinished = self._unfinished()
        return self._ended if unfinished is None else [*self._ended, unfinished]

    @property
    def _longest_usual_ns(self) -> int:
        return int(self._usual_ns) + self._period_ns

    def _take_answer(self, sent_ns: int, answered_ns: int) -> None:
        took_ns = answered_ns - sent_ns
        if took_ns <= self._longest_usual_ns:
            self._ok(sent_ns, answered_ns)
        else:
            heapq.heappush(self._waited, answered_ns)
        self._usual_ns += min(took_ns - self._usual_ns, self._period_ns) / _ADAPTS_OVER

    def _ok(self, at_ns: int, by_ns: int) -> None:
        """The path was seen to work between these two."""
        first = self._first_lost
        if first is not None:
            self._first_lost = None
            outage = self._outage(first, at_ns, by_ns, (self._last_lost_ns, by_ns))
            self._totals = self._totals.plus(outage)
            if len(self._ended) < MOST_OUTAGES:
                self._ended.append(outage)
        self._last_ok_ns = at_ns

    def _unfinished(self) -> Outage | None:
        if self._first_lost is None:
            return None
        known_ns = self._waited[0] if self._waited else self._last_sent_ns
        end = (self._last_lost_ns, known_ns) if self._waited else None
        return self._outage(self._first_lost, known_ns, known_ns, end)

    def _outage(self, first: Sample, ok_ns: int, by_ns: int, end: tuple[int, int] | None) -> Outage:
        start = (self._last_ok_ns, self._start_high_ns)
        down_ns = (self._last_lost_ns + ok_ns - start[0] - first.sent_ns) // 2
        low_ns = max(0, self._last_lost_ns - start[1])
        return Outage(start, end, first.reason, down_ns, low_ns, by_ns - start[0])


def report(fold: Fold, shift_ns: int) -> dict[str, Any]:
    """What `lab truth` prints of a path; `shift_ns` is taken off every stamp."""
    totals = fold.totals()
    return {
        "sent": fold.sent,
        "lost": fold.lost,
        "down_ms": _ms(totals.down_ns),
        "longest_ms": _ms(totals.longest_ns),
        "low_ms": _ms(totals.low_ns),
        "high_ms": _ms(totals.high_ns),
        "blind_ms": _ms(fold.blind_ns),
        "unknown": fold.unknown,
        "count": totals.outages,
        "outages": [
            {
                "start_ns": [at - shift_ns for at in outage.start_ns],
                "end_ns": None if outage.end_ns is None else [at - shift_ns for at in outage.end_ns],
                "reason": outage.reason,
            }
            for outage in fold.outages()
        ],
    }


def _ms(ns: int) -> float:
    return round(ns / 1e6, 3)
