# SPDX-License-Identifier: Apache-2.0
"""Who answers for the gateway, when two do, and which MAC a guest holds. All stamps are the vantage's own, ns."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from csworkbench.model.event import SecondOwner
from csworkbench.model.sample import Outcome, Sample

from .outage import Span

RETURNS_WITHIN = 5  # samples: an owner that is back so soon has never gone
NO_MAC = 0


@dataclass(frozen=True, slots=True)
class DualOwners:
    """When two machines answered for one address: (onset, end) with bounds each, and the length, ns."""

    spans: tuple[tuple[Span, Span], ...]
    down_ns: int
    low_ns: int
    high_ns: int


def dual_owners(samples: Sequence[Sample], seconds: Collection[SecondOwner], interval_ns: int) -> DualOwners:
    """From who-has requests that two answered, and from answers that alternate between two MACs."""
    asked = sorted((s for s in samples if s.outcome is Outcome.OK), key=lambda s: s.sent_ns)
    numbers = {second.seq for second in seconds}
    dual = [sample.seq in numbers for sample in asked]
    last: dict[int, int] = {}
    for place, sample in enumerate(asked):
        before = last.get(sample.value)
        if before is not None and 1 < place - before <= RETURNS_WITHIN:
            dual[before : place + 1] = [True] * (place + 1 - before)
        last[sample.value] = place
    spans: list[tuple[Span, Span]] = []
    place = 0
    while place < len(asked):
        if not dual[place]:
            place += 1
            continue
        first = place
        while place < len(asked) and dual[place]:
            place += 1
        begins, ends = asked[first].sent_ns, asked[place - 1].sent_ns
        spans.append(
            (
                (asked[first - 1].sent_ns if first else begins - interval_ns, begins),
                (ends, asked[place].sent_ns if place < len(asked) else ends + interval_ns),
            )
        )
    low = sum(end[0] - onset[1] for onset, end in spans)
    high = sum(end[1] - onset[0] for onset, end in spans)
    return DualOwners(tuple(spans), (low + high) // 2, low, high)


def held(samples: Iterable[Sample]) -> list[tuple[Span, int]]:
    """Which MAC a guest's kernel holds: ((last look before, first look), MAC) of each change; NO_MAC for none.

    Samples are those of a `neighbour` lane; unknown ones say nothing.
    """
    found: list[tuple[Span, int]] = []
    before = 0
    for sample in sorted((s for s in samples if s.outcome is not Outcome.UNKNOWN), key=lambda s: s.at_ns):
        mac = sample.value if sample.outcome is Outcome.OK else NO_MAC
        if not found or found[-1][1] != mac:
            found.append(((before or sample.at_ns, sample.at_ns), mac))
        before = sample.at_ns
    return found
