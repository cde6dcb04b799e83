# SPDX-License-Identifier: Apache-2.0
"""From the samples of one lane to outages with bounds (S1, S2, S4, S6)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import pairwise

from csworkbench.model.sample import Outcome, Reason, Sample

BLIP_SAMPLES = 2  # an outage of fewer lost samples than this is a blip
SETTLING_NS = 250_000_000  # how much later than Tmax a verdict may be written
BLIND_INTERVALS = 3

Span = tuple[int, int]


@dataclass(slots=True)
class Stretch:
    """One outage in the vantage's own clock, ns.

    `last_ok_ns` is 0 when the lane had never been ok before, `first_ok_ns` is 0 while nothing has ended it;
    `first_ok_rtt_ns` is the round trip after it in which the answer came (0 when `first_ok_ns` is the receive time);
    `ok_before` counts the ok samples since the stretch before it.
    """

    first_fail_ns: int
    last_fail_ns: int
    last_ok_ns: int
    first_ok_ns: int = 0
    first_ok_rtt_ns: int = 0
    lost: int = 0
    ok_before: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)

    @property
    def open(self) -> bool:
        """True while no ok sample has ended it, or none came before it."""
        return not self.first_ok_ns or not self.last_ok_ns

    @property
    def blip(self) -> bool:
        """True for fewer lost samples than an outage needs to be called one."""
        return self.lost < BLIP_SAMPLES

    @property
    def reason(self) -> Reason:
        """The commonest reason, the lower number on a tie."""
        return min(self.reasons, key=lambda r: (-self.reasons[r], r), default=Reason.NONE)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the lane looked like before the change: known samples, losses, and round trips in ns."""

    sent: int
    lost: int
    median_ns: int
    p99_ns: int
    least_ns: int = 0

    @property
    def measurable(self) -> bool:
        """S13: more than 2 lost samples and more than 1 % block the start. So does a lane that was never ok."""
        return self.sent > self.lost and not (self.lost > 2 and self.lost > 0.01 * self.sent)


def baseline_of(samples: Iterable[Sample]) -> Baseline:
    """Summarise the samples of the baseline phase; unknown samples do not count."""
    trips, lost = [], 0
    for sample in samples:
        if sample.outcome is Outcome.OK:
            trips.append(sample.rtt_ns)
        elif sample.outcome is Outcome.FAIL:
            lost += 1
    trips.sort()
    if not trips:
        return Baseline(lost, lost, 0, 0)
    return Baseline(len(trips) + lost, lost, trips[len(trips) // 2], trips[(len(trips) * 99 + 99) // 100 - 1], trips[0])


class LaneFold:
    """Folds the samples of one lane, as their verdicts fall, into stretches.

    Evidence is ordered by time: the send stamp, except for `ok(delayed)`, an answer whose round trip exceeds the
    baseline's p99 by more than one interval and so waited in a queue; it proves the path only at its receive time
    (S2). A sample is folded once every earlier one must have had its verdict, which is Tmax plus SETTLING_NS behind
    the newest; `finish` folds the rest. A verdict that comes later still is counted, but moves no edge. The result
    depends on the order of the samples, never on how they were cut into calls.
    """

    def __init__(self, interval_ns: int, tmax_ns: int, p99_ns: int | None = None) -> None:
        self._interval_ns = interval_ns
        self._hold_ns = tmax_ns + SETTLING_NS
        self._p99_ns = p99_ns
        self._heap: list[tuple[int, int, Sample]] = []
        self._newest_ns = 0
        self._last_ok_ns = 0
        self._last_seen_ns = 0
        self._last_known_ns = 0
        self._oks = 0
        self.stretches: list[Stretch] = []
        self.blind: list[Span] = []
        self._counts = [0] * len(Outcome)
        self.last_evidence_ns = 0

    @property
    def counts(self) -> Counter[Outcome]:
        """How many samples have been folded, by outcome."""
        return Counter({outcome: count for outcome, count in zip(Outcome, self._counts, strict=True) if count})

    def feed(self, samples: Iterable[Sample]) -> None:
        """Take more samples; folds those that are ripe."""
        heap = self._heap
        for sample in samples:
            heappush(heap, (self._evidence_ns(sample), sample.seq, sample))
            if sample.sent_ns:  # one never sent is written ahead of verdicts that are still due (S6)
                self._newest_ns = max(self._newest_ns, sample.sent_ns, sample.received_ns)
            ripe_ns = self._newest_ns - self._hold_ns
            while heap and heap[0][0] <= ripe_ns:
                at_ns, _, ripe = heappop(heap)
                self._fold(at_ns, ripe)

    def finish(self) -> None:
        """Fold what is left: no more samples will come."""
        while self._heap:
            at_ns, _, ripe = heappop(self._heap)
            self._fold(at_ns, ripe)

    def _delayed(self, sample: Sample) -> bool:
        if self._p99_ns is None or sample.outcome is not Outcome.OK:
            return False
        return sample.rtt_ns > self._p99_ns + self._interval_ns

    def _evidence_ns(self, sample: Sample) -> int:
        return sample.received_ns if self._delayed(sample) else sample.at_ns

    def _fold(self, at_ns: int, sample: Sample) -> None:
        outcome = sample.outcome
        self._counts[outcome] += 1
        self._note_blindness(sample)
        if outcome is Outcome.UNKNOWN or at_ns < self.last_evidence_ns:
            return
        self.last_evidence_ns = at_ns
        current = self.stretches[-1] if self.stretches and not self.stretches[-1].first_ok_ns else None
        if outcome is Outcome.OK:
            delayed = self._delayed(sample)
            # A delayed one left the queue a usual round trip before it came in: not later can it speak for the path.
            self._last_ok_ns = max(self._last_ok_ns, at_ns - (self._p99_ns or 0) if delayed else at_ns)
            self._oks += 1
            if current is not None:
                current.first_ok_ns = at_ns
                current.first_ok_rtt_ns = 0 if delayed else sample.rtt_ns
            return
        if current is None:
            current = Stretch(at_ns, at_ns, self._last_ok_ns, ok_before=self._oks)
            self.stretches.append(current)
        self._oks = 0
        current.last_fail_ns = at_ns
        current.lost += 1
        current.reasons[sample.reason] += 1

    def _note_blindness(self, sample: Sample) -> None:
        """A stretch without samples, or of unknown ones, is blind: neither up nor down."""
        at_ns = sample.at_ns
        if self._gap_before(at_ns) or sample.outcome is Outcome.UNKNOWN:
            start = self._last_known_ns or at_ns
            if self.blind and self.blind[-1][0] == start:
                self.blind[-1] = (start, max(at_ns, self.blind[-1][1]))
            else:
                self.blind.append((start, at_ns))
        self._last_seen_ns = max(self._last_seen_ns, at_ns)
        if sample.outcome is not Outcome.UNKNOWN:
            self._last_known_ns = max(self._last_known_ns, at_ns)

    def _gap_before(self, at_ns: int) -> bool:
        allowed_ns = BLIND_INTERVALS * self._interval_ns
        if not self._last_seen_ns or at_ns - self._last_seen_ns <= allowed_ns:
            return False
        # Delayed ones sent in between wait for their receive time: there were samples, so nobody was blind.
        sent = sorted(s.at_ns for _, _, s in self._heap if self._last_seen_ns < s.at_ns < at_ns)
        return any(b - a > allowed_ns for a, b in pairwise([self._last_seen_ns, *sent, at_ns]))


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage of a lane with its bounds.

    `onset` and `end` are (low, high) on the recorder's monotonic clock, to which the alignment bound of the vantage's
    clock adds; `start_ns` and `end_ns` are their middles (`end_ns` 0 while nothing has ended it). Durations come from
    the vantage's own clock, so clock alignment never enters them (S2). `open` is an outage that no ok sample bounds on
    one of its sides (S1).
    """

    lane: int
    start_ns: int
    end_ns: int
    onset: Span
    end: Span
    down_ns: int
    low_ns: int
    high_ns: int
    lost: int
    reason: Reason
    blip: bool
    open: bool


def edges(stretch: Stretch, baseline: Baseline | None, last_evidence_ns: int, step_ns: int = 0) -> tuple[Span, Span]:
    """Where a stretch began and where it ended: (low, high) each, vantage clock, ns (S2).

    The onset is up to one round trip after the first lost sample was sent: its answer may have been what was lost. The
    end is after the first ok sample was sent by as much as that one may have waited on its way, which is what its round
    trip exceeds the baseline's least. An open outage is bounded by what has been seen so far.
    Where stamps are early by up to `step_ns`, a round trip holds more than the packet's own way, so all of it counts.
    """
    end_high = stretch.first_ok_ns or max(last_evidence_ns, stretch.last_fail_ns)
    if step_ns:
        end_high += stretch.first_ok_rtt_ns + step_ns
    elif baseline is not None:
        end_high += max(stretch.first_ok_rtt_ns - baseline.least_ns, 0)
    onset = (stretch.first_fail_ns, stretch.first_fail_ns)
    if stretch.last_ok_ns:
        onset = (
            stretch.last_ok_ns,
            min(stretch.first_fail_ns + step_ns + (baseline.p99_ns if baseline else 0), end_high),
        )
    return onset, (stretch.last_fail_ns, end_high)


def durations(onset: Span, end: Span) -> tuple[int, int, int]:
    """(middle, low, high) length in ns of an outage with these edges; none is negative."""
    low, high = max(end[0] - onset[1], 0), max(end[1] - onset[0], 0)
    return min(max((sum(end) - sum(onset)) // 2, low), high), low, high
