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
HELD_NS = 5_000_000_000  # no queue holds packets for longer: Linux gives up on a who-has after 3 s

Span = tuple[int, int]
Cause = tuple[Reason, int]  # why, and the sample's detail: ICMP type * 256 + code, an errno, what the prober says
NOT_SENT = -1  # the detail of a sample that its prober was too late to send at all
MISSING = (Reason.NONE, 0)  # the cause of blindness where there are no records


@dataclass(slots=True)
class Stretch:
    """One outage in the vantage's own clock, ns.

    `last_ok_ns` is 0 when the lane had never been ok before, `first_ok_ns` is 0 while nothing has ended it;
    `first_ok_rtt_ns` is the round trip after it in which the answer came (0 when `first_ok_ns` is the receive time);
    `released_ns` is 0, or before the end for certain: answers that had waited then came in together.
    `ok_before` counts the ok samples since the stretch before it; `unknown` those that nobody knows of, from the last
    ok before to the first ok after; `unseen_ns` is how long nobody looked between two of its lost samples.
    """

    first_fail_ns: int
    last_fail_ns: int
    last_ok_ns: int
    first_ok_ns: int = 0
    first_ok_rtt_ns: int = 0
    released_ns: int = 0
    lost: int = 0
    ok_before: int = 0
    causes: Counter[Cause] = field(default_factory=Counter)
    unknown: Counter[Cause] = field(default_factory=Counter)
    unseen_ns: int = 0

    @property
    def reasons(self) -> Counter[Reason]:
        """How many samples were lost for each reason."""
        counted: Counter[Reason] = Counter()
        for (reason, _), count in self.causes.items():
            counted[reason] += count
        return counted

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
        reasons = self.reasons
        return min(reasons, key=lambda r: (-reasons[r], r), default=Reason.NONE)


@dataclass(slots=True)
class BlindStretch:
    """A stretch in which a lane saw nothing, vantage clock, ns; `causes` counts samples, those that are missing too."""

    start_ns: int
    end_ns: int
    causes: Counter[Cause] = field(default_factory=Counter)


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
        self.last_seen_ns = 0
        self._last_known_ns = 0
        self._first_out: Span = (0, 0)  # sent and received, of the answer that ended the newest stretch
        self._apart_ns = 0  # how long before or after that one another was sent that waited with it
        self._oks = 0
        self._unknown: Counter[Cause] = Counter()
        self.stretches: list[Stretch] = []
        self.blinds: list[BlindStretch] = []
        self._counts = [0] * len(Outcome)
        self.last_evidence_ns = 0

    @property
    def counts(self) -> Counter[Outcome]:
        """How many samples have been folded, by outcome."""
        return Counter({outcome: count for outcome, count in zip(Outcome, self._counts, strict=True) if count})

    @property
    def blind(self) -> list[Span]:
        """When the lane saw nothing: (start, end) each."""
        return [(stretch.start_ns, stretch.end_ns) for stretch in self.blinds]

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
        if outcome is Outcome.UNKNOWN:
            self._unknown[_cause(sample)] += 1
            return
        if at_ns < self.last_evidence_ns:
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
                current.unknown += self._unknown
                self._first_out, self._apart_ns = (sample.sent_ns, sample.received_ns), 0
            elif delayed and self.stretches:
                self._released(self.stretches[-1], sample)
            self._unknown.clear()
            return
        if current is None:
            current = Stretch(at_ns, at_ns, self._last_ok_ns, ok_before=self._oks)
            self.stretches.append(current)
        self._oks = 0
        if at_ns - current.last_fail_ns > BLIND_INTERVALS * self._interval_ns:
            current.unseen_ns += at_ns - current.last_fail_ns
        current.last_fail_ns = at_ns
        current.lost += 1
        current.causes[sample.reason, sample.detail] += 1
        current.unknown += self._unknown
        self._unknown.clear()

    def _released(self, stretch: Stretch, sample: Sample) -> None:
        """One more that had waited: how far apart they came in says how fast the queue was emptied.

        The first was let out a round trip before it came in. Before it the queue can have held others, of at most
        HELD_NS, that had to go first at that pace. An interval is left for what is not as even as that.
        """
        sent_ns, received_ns = self._first_out
        apart_ns = abs(sample.sent_ns - sent_ns)
        if apart_ns <= self._apart_ns or sample.sent_ns >= stretch.first_ok_ns:
            return
        self._apart_ns, trip_ns = apart_ns, self._p99_ns or 0
        others_ns = HELD_NS * (abs(sample.received_ns - received_ns) + trip_ns) // apart_ns
        out_ns = min(sample.received_ns, received_ns) - trip_ns
        stretch.released_ns = out_ns - self._interval_ns - others_ns

    def _note_blindness(self, sample: Sample) -> None:
        """A stretch without samples, or of unknown ones, is blind: neither up nor down."""
        at_ns, unknown, gap = sample.at_ns, sample.outcome is Outcome.UNKNOWN, self._gap_before(sample.at_ns)
        if gap or unknown:
            start = self._last_known_ns or at_ns
            if not self.blinds or self.blinds[-1].start_ns != start:
                self.blinds.append(BlindStretch(start, at_ns))
            blind = self.blinds[-1]
            blind.end_ns = max(at_ns, blind.end_ns)
            if gap:
                blind.causes[MISSING] += (at_ns - self.last_seen_ns) // self._interval_ns - 1
            if unknown:
                blind.causes[_cause(sample)] += 1
        self.last_seen_ns = max(self.last_seen_ns, at_ns)
        if sample.outcome is not Outcome.UNKNOWN:
            self._last_known_ns = max(self._last_known_ns, at_ns)

    def _gap_before(self, at_ns: int) -> bool:
        allowed_ns = BLIND_INTERVALS * self._interval_ns
        if not self.last_seen_ns or at_ns - self.last_seen_ns <= allowed_ns:
            return False
        # Delayed ones sent in between wait for their receive time: there were samples, so nobody was blind.
        sent = sorted(s.at_ns for _, _, s in self._heap if self.last_seen_ns < s.at_ns < at_ns)
        return any(b - a > allowed_ns for a, b in pairwise([self.last_seen_ns, *sent, at_ns]))


def _cause(sample: Sample) -> Cause:
    return sample.reason, sample.detail if sample.sent_ns else NOT_SENT


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage of a lane with its bounds.

    `onset` and `end` are (low, high) on the recorder's monotonic clock, to which the alignment bound of the vantage's
    clock adds; `start_ns` and `end_ns` are their middles (`end_ns` 0 while nothing has ended it). Durations come from
    the vantage's own clock, so clock alignment never enters them (S2). `open` is an outage that no ok sample bounds on
    one of its sides (S1).

    `causes` are (reason, detail, samples), the commonest first, `unknown` the same of samples that nobody knows of in
    and around it; `late` of its lost samples were answered after Tmax. `clock_ns` is the alignment bound at its edges.
    `ambiguous` says why it may not be the router's, empty when nothing speaks for that; `ambiguous_ns` is for how long.
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
    causes: tuple[tuple[Reason, int, int], ...] = ()
    unknown: tuple[tuple[Reason, int, int], ...] = ()
    late: int = 0
    clock_ns: int = 0
    ambiguous: str = ""
    ambiguous_ns: int = 0

    @property
    def span(self) -> Span:
        """All the time in which it may have been, on the recorder's clock, the alignment bound included."""
        return self.onset[0] - self.clock_ns, self.end[1] + self.clock_ns


def edges(stretch: Stretch, baseline: Baseline | None, last_evidence_ns: int, step_ns: int = 0) -> tuple[Span, Span]:
    """Where a stretch began and where it ended: (low, high) each, vantage clock, ns (S2).

    The onset is up to one round trip after the first lost sample was sent: its answer may have been what was lost. The
    end is after the first ok sample was sent by as much as that one may have waited on its way, which is what its round
    trip exceeds the baseline's least. It is not before the last lost sample was sent, nor before a queue was emptied in
    which answers had waited. An open outage is bounded by what has been seen so far.
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
    return onset, (min(max(stretch.last_fail_ns, stretch.released_ns), end_high), end_high)


def durations(onset: Span, end: Span, unseen_ns: int = 0) -> tuple[int, int, int]:
    """(middle, low, high) length in ns of an outage with these edges; none is negative.

    For `unseen_ns` nobody looked between two lost samples: it may have been up, so that counts for high only.
    """
    low, high = max(end[0] - onset[1] - unseen_ns, 0), max(end[1] - onset[0], 0)
    return min(max((sum(end) - sum(onset)) // 2, low), high), low, high
