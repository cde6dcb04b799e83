# SPDX-License-Identifier: Apache-2.0
"""A path whose truth is known, and the samples that an open-loop prober would make of it, in order of decision.

Pure and deterministic. All times are ns on the vantage's CLOCK_MONOTONIC.
"""

from dataclasses import dataclass
from random import Random

from csworkbench.measurement.outage import Baseline, LaneFold, Stretch, baseline_of
from csworkbench.model.sample import Outcome, Reason, Sample

MS = 1_000_000
S = 1000 * MS
TICK = 20 * MS  # the prober writes verdicts at most this late
T0 = 5000 * S

Span = tuple[int, int]


@dataclass(frozen=True)
class Truth:
    """`downs` drop whatever crosses the path; what reaches it at most `queue` before a down's end waits for that end.

    `rtt` to `rtt + jitter` is the round trip; `forward` of it lies before the path. `lost`, `unheard` and `late` are
    sample numbers: lost by chance, unknown by the prober's own error, sent late. `stopped` are SIGSTOPs of the prober.
    """

    downs: tuple[Span, ...] = ()
    queue: int = 0
    rtt: int = MS
    jitter: int = 0
    forward: float = 0.5
    lost: frozenset[int] = frozenset()
    unheard: frozenset[int] = frozenset()
    late: frozenset[int] = frozenset()
    stopped: tuple[Span, ...] = ()
    ahead: int = 0
    drain: float = 0.0


def probe(
    truth: Truth, count: int, interval: int = 100 * MS, tmax: int = S, seed: int = 0, first: int = 0
) -> list[Sample]:
    """The prober's verdicts in the order in which it would write them."""
    rng = Random(seed)
    decided = sorted(
        (_one(truth, seq, interval, tmax, rng) for seq in range(first, first + count)), key=lambda d: d[:3]
    )
    return [sample for *_, sample in decided]


def _one(truth: Truth, seq: int, interval: int, tmax: int, rng: Random) -> tuple[int, int, int, Sample]:
    due = T0 + seq * interval
    # The extremes come early and again and again, so that the baseline has seen them.
    rtt = truth.rtt + (0, truth.jitter, rng.randint(0, truth.jitter))[min(seq % 10, 2)]
    sent = due + rng.randint(0, MS // 10)
    for start, end in truth.stopped:
        if start <= due < end:
            if due <= end - interval // 2:
                return end, 0, seq, Sample(seq, due, 0, 0, Outcome.UNKNOWN, Reason.SELF_LATE, 0, 0)
            sent = end
    if seq in truth.late:
        return sent, 1, seq, Sample(seq, due, sent + interval * 6 // 10, 0, Outcome.UNKNOWN, Reason.SELF_LATE, 0, 0)
    if seq in truth.unheard:
        return sent, 1, seq, Sample(seq, due, sent, 0, Outcome.UNKNOWN, Reason.SELF_ERROR, 105, 0)
    received = 0 if seq in truth.lost else _received(truth, sent, rtt)
    if received and received - sent <= tmax:
        sample = Sample(seq, due, sent, received, Outcome.OK, Reason.NONE, 0, 0)
        return _written(truth, received), 1, seq, sample
    return _written(truth, sent + tmax + 1), 2, seq, Sample(seq, due, sent, 0, Outcome.FAIL, Reason.TIMEOUT, 0, 0)


def _received(truth: Truth, sent: int, rtt: int) -> int:
    there = sent + round(rtt * truth.forward)
    back = (sent + rtt - there) // 2  # from the path to the target and back to the path
    for start, end in truth.downs:
        if start <= there < end and end - there > truth.queue:
            return 0
        if there >= start and truth.queue:
            there = max(there, end + round((truth.ahead + there - end + truth.queue) * truth.drain))
    if any(start <= there + back < end for start, end in truth.downs):
        return 0
    return there + rtt - round(rtt * truth.forward)


def _written(truth: Truth, known: int) -> int:
    tick = -(-known // TICK) * TICK
    return next((end for start, end in truth.stopped if start <= tick < end), tick)


def baseline(truth: Truth, **kwargs: int) -> Baseline:
    """What a baseline of 50 samples, all answered, says of that path."""
    quiet = Truth(rtt=truth.rtt, jitter=truth.jitter, forward=truth.forward)
    return baseline_of(probe(quiet, 50, **kwargs))


def fold(samples: list[Sample], base: Baseline | None = None, interval: int = 100 * MS, tmax: int = S) -> LaneFold:
    """Samples folded to the end."""
    folded = LaneFold(interval, tmax, base.p99_ns if base else None)
    folded.feed(samples)
    folded.finish()
    return folded


def shape(folded: LaneFold) -> tuple[list[tuple[object, ...]], list[Span], dict[Outcome, int]]:
    """All that a fold holds, for comparison."""
    return [_stretch(s) for s in folded.stretches], folded.blind, dict(folded.counts)


def _stretch(s: Stretch) -> tuple[object, ...]:
    return (
        s.first_fail_ns, s.last_fail_ns, s.last_ok_ns, s.first_ok_ns, s.first_ok_rtt_ns, s.released_ns, s.lost,
        s.ok_before, dict(s.reasons),
    )  # fmt: skip
