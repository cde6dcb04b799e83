# SPDX-License-Identifier: Apache-2.0
"""An outage of egress is router gap + ARP tail (S11): arithmetic of stretches whose ends are known within bounds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .outage import Span
from .totals import intersect, length, merge


@dataclass(frozen=True, slots=True)
class Blurred:
    """A stretch of time that began within `onset` and ended within `end`; (low, high) each, recorder's clock, ns."""

    onset: Span
    end: Span

    def widened(self, bound_ns: int) -> "Blurred":
        """The same on a clock that may be off by so much, either way."""
        onset, end = ((low - bound_ns, high + bound_ns) for low, high in (self.onset, self.end))
        return Blurred(onset, end)

    @property
    def inner(self) -> Span:
        """What certainly belongs to it; empty when the second is not greater."""
        return self.onset[1], self.end[0]

    @property
    def outer(self) -> Span:
        """What may belong to it."""
        return self.onset[0], self.end[1]

    @property
    def middle(self) -> Span:
        """The middles of its bounds."""
        return sum(self.onset) // 2, sum(self.end) // 2


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an outage with its bounds, ns; none is negative."""

    down_ns: int
    low_ns: int
    high_ns: int

    def __add__(self, other: "Part") -> "Part":
        """Parts of two outages together."""
        return Part(self.down_ns + other.down_ns, self.low_ns + other.low_ns, self.high_ns + other.high_ns)


def split(
    down_ns: int,
    outage: Blurred,
    away: Iterable[Blurred],
    stale: Sequence[Blurred] | None = None,
    unseen_ns: int = 0,
    doubtful: Iterable[Blurred] = (),
) -> tuple[Part, Part, Part]:
    """(router gap, ARP tail, rest) of an outage that lasted `down_ns`; their lengths add up to it.

    `away`: when nobody routed, as the sentinel saw it. `stale`: when the guest had no MAC or another one than the
    owner's; where nobody has looked (None) all that is not gap is tail, and the rest is 0. Clock bounds are in all of
    them already. Ends of the two that may be one moment are taken for one. `unseen_ns`: a gap so short may fall between
    two samples of the sentinel; what may be no tail at all, and is less than two of these, is taken for gap.
    `doubtful`: when the guest may have had another router than the sentinel; taken for gap; the bounds leave it open.
    """
    away = list(away)
    perhaps = [*away, *doubtful]
    gap_low = _common([b.inner for b in away], outage.inner)
    gap_high = min(_common([b.outer for b in perhaps], outage.outer) + unseen_ns, outage.outer[1] - outage.outer[0])
    left_low = _without(outage.inner, [b.outer for b in perhaps])
    left_high = _without(outage.outer, [b.inner for b in away])
    left_middle = _without(outage.middle, [_snapped(b, outage) for b in perhaps])
    tail_low, tail_high, tail = length(left_low), length(left_high), min(length(left_middle), down_ns)
    gap = down_ns - tail  # not the other way round: `down_ns` is another clock's
    if stale is not None:
        tail_low = length(intersect(left_low, merge(b.inner for b in stale)))
        tail_high = length(intersect(left_high, merge(b.outer for b in stale)))
        tail = min(length(intersect(left_middle, merge(_snapped(b, outage) for b in stale))), tail)
    tail_low = max(tail_low - unseen_ns, 0)
    if not tail_low and tail < 2 * unseen_ns:
        tail = max(tail - max(gap_high - gap, 0), 0)
    tail = min(max(tail, tail_low), tail_high, down_ns)
    rest = 0 if stale is None else max(down_ns - gap - tail, 0)
    gap = down_ns - tail - rest
    rest_high = 0 if stale is None else max(length(left_high) - tail_low, rest)
    return (
        Part(gap, min(gap_low, gap), max(gap_high, gap)),
        Part(tail, min(tail_low, tail), max(tail_high, tail)),
        Part(rest, 0, rest_high),
    )


def _snapped(one: Blurred, outage: Blurred) -> Span:
    """Its middles, with the outage's own where both may be the same moment."""
    start = outage.middle[0] if _touch(one.onset, outage.onset) else one.middle[0]
    end = outage.middle[1] if _touch(one.end, outage.end) else one.middle[1]
    return start, end


def _touch(left: Span, right: Span) -> bool:
    return left[0] <= right[1] and right[0] <= left[1]


def _common(spans: Iterable[Span], within: Span) -> int:
    return length(intersect(merge(spans), merge([within])))


def _without(span: Span, holes: Iterable[Span]) -> list[Span]:
    """What is left of a span."""
    left, at = [], span[0]
    for start, end in merge(holes):
        if start > at:
            left.append((at, min(start, span[1])))
        at = max(at, end)
    left.append((at, span[1]))
    return merge(left)
