# SPDX-License-Identifier: Apache-2.0
"""From the samples of one lane to outages with bounds (S1, S2, S4, S6)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from csworkbench.model.sample import Outcome, Reason, Sample

BLIP_SAMPLES = 2  # an outage of fewer lost samples than this is a blip
SETTLING_NS = 250_000_000  # how much later than Tmax a verdict may be written
BLIND_INTERVALS = 3


@dataclass(slots=True)
class Stretch:
    """One outage in the vantage's own clock, ns.

    `last_ok_ns` is 0 when the lane had never been ok before, `first_ok_ns` is 0 while it is open; `ok_before`
    counts the ok samples since the stretch before it.
    """

    first_fail_ns: int
    last_fail_ns: int
    last_ok_ns: int
    first_ok_ns: int = 0
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
    """What the lane looked like before the change: round trips in ns, and losses."""

    sent: int
    lost: int
    median_ns: int
    p99_ns: int

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
    return Baseline(len(trips) + lost, lost, trips[len(trips) // 2], trips[(len(trips) * 99 + 99) // 100 - 1])


class LaneFold:
    """Folds the samples of one lane, in any order of arrival, into stretches.

    Evidence is ordered by time: the send stamp, except for `ok(delayed)`, an answer that took longer than `delayed_ns`
    and so waited in a queue; it proves the path only at its receive time (S2). A sample is folded once every earlier
    one must have had its verdict, which is Tmax plus SETTLING_NS behind the newest; `finish` folds the rest.
    """

    def __init__(self, interval_ns: int, tmax_ns: int, delayed_ns: int | None = None) -> None:
        self._interval_ns = interval_ns
        self._hold_ns = tmax_ns + SETTLING_NS
        self._delayed_ns = delayed_ns
        self._heap: list[tuple[int, int, Sample]] = []
        self._newest_ns = 0
        self._last_ok_ns = 0
        self._last_seen_ns = 0
        self._last_known_ns = 0
        self._oks = 0
        self.stretches: list[Stretch] = []
        self.blind: list[tuple[int, int]] = []
        self.counts: Counter[Outcome] = Counter()
        self.last_evidence_ns = 0

    def feed(self, samples: Iterable[Sample]) -> None:
        """Take more samples; folds those that are ripe."""
        for sample in samples:
            at_ns = self._evidence_ns(sample)
            heappush(self._heap, (at_ns, sample.seq, sample))
            self._newest_ns = max(self._newest_ns, sample.at_ns, sample.received_ns)
        while self._heap and self._heap[0][0] <= self._newest_ns - self._hold_ns:
            self._fold(*heappop(self._heap)[::2])

    def finish(self) -> None:
        """Fold what is left: no more samples will come."""
        while self._heap:
            self._fold(*heappop(self._heap)[::2])

    def _evidence_ns(self, sample: Sample) -> int:
        delayed = self._delayed_ns is not None and sample.outcome is Outcome.OK and sample.rtt_ns > self._delayed_ns
        return sample.received_ns if delayed else sample.at_ns

    def _fold(self, at_ns: int, sample: Sample) -> None:
        self.counts[sample.outcome] += 1
        self._note_blindness(at_ns, sample)
        if sample.outcome is Outcome.UNKNOWN:
            return
        current = self.stretches[-1] if self.stretches and not self.stretches[-1].first_ok_ns else None
        self.last_evidence_ns = max(self.last_evidence_ns, at_ns)
        if sample.outcome is Outcome.OK:
            self._last_ok_ns = max(self._last_ok_ns, at_ns)
            self._oks += 1
            if current is not None:
                current.first_ok_ns = at_ns
            return
        if current is None:
            current = Stretch(at_ns, at_ns, self._last_ok_ns, ok_before=self._oks)
            self.stretches.append(current)
        self._oks = 0
        current.last_fail_ns = max(current.last_fail_ns, at_ns)
        current.lost += 1
        current.reasons[sample.reason] += 1

    def _note_blindness(self, at_ns: int, sample: Sample) -> None:
        """A stretch without samples, or of unknown ones, is blind: neither up nor down."""
        gap = self._last_seen_ns and at_ns - self._last_seen_ns > BLIND_INTERVALS * self._interval_ns
        if gap or sample.outcome is Outcome.UNKNOWN:
            start = self._last_known_ns or at_ns
            if self.blind and self.blind[-1][0] == start:
                self.blind[-1] = (start, at_ns)
            else:
                self.blind.append((start, at_ns))
        self._last_seen_ns = max(self._last_seen_ns, at_ns)
        if sample.outcome is not Outcome.UNKNOWN:
            self._last_known_ns = max(self._last_known_ns, at_ns)


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage of a lane with its bounds.

    `onset` and `end` are (low, high) on the recorder's monotonic clock; `start_ns` and `end_ns` their middles (`end_ns`
    0 while open). Durations come from the vantage's own clock, so clock alignment never enters them (S2).
    """

    lane: int
    start_ns: int
    end_ns: int
    onset: tuple[int, int]
    end: tuple[int, int]
    down_ns: int
    low_ns: int
    high_ns: int
    lost: int
    reason: Reason
    blip: bool
    open: bool


def durations(stretch: Stretch, median_rtt_ns: int, last_evidence_ns: int) -> tuple[int, int, int]:
    """(middle, low, high) length in ns (S2). An open outage is bounded by what has been seen so far."""
    low = max(stretch.last_fail_ns - stretch.first_fail_ns - median_rtt_ns, 0)
    begin_low = stretch.last_ok_ns or stretch.first_fail_ns
    end_high = stretch.first_ok_ns or max(last_evidence_ns, stretch.last_fail_ns)
    high = max(end_high - begin_low, low)
    middle = (stretch.last_fail_ns + end_high - begin_low - stretch.first_fail_ns) // 2
    return min(max(middle, low), high), low, high
