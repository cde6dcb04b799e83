# SPDX-License-Identifier: Apache-2.0
"""Outages close together as episodes, and the second estimator (S3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from .outage import Stretch

APART_NS = 1_000_000_000
APART_SAMPLES = 5
INTERMITTENT_BELOW = 0.9


@dataclass(frozen=True, slots=True)
class Episode:
    """Outages less than 1 s (or 5 samples, whichever is longer) apart, taken together; vantage clock, ns.

    `loss` is lost samples over known samples inside; `by_loss_ns` is lost x actual mean spacing (RFC 6201's frame-loss
    method), to stand beside the sum of the outages' own lengths.
    """

    first_fail_ns: int
    last_fail_ns: int
    outages: int
    lost: int
    loss: float
    by_loss_ns: int

    @property
    def intermittent(self) -> bool:
        """True when fewer than 90 % of the samples inside were lost."""
        return self.loss < INTERMITTENT_BELOW


def episodes(stretches: Sequence[Stretch], interval_ns: int) -> list[Episode]:
    """Group a lane's stretches, which must be in order."""
    apart_ns = max(APART_NS, APART_SAMPLES * interval_ns)
    groups: list[list[Stretch]] = []
    for stretch in stretches:
        if groups and stretch.first_fail_ns - groups[-1][-1].last_fail_ns < apart_ns:
            groups[-1].append(stretch)
        else:
            groups.append([stretch])
    return [_episode(group, interval_ns) for group in groups]


def _episode(group: list[Stretch], interval_ns: int) -> Episode:
    first, last = group[0].first_fail_ns, group[-1].last_fail_ns
    lost = sum(s.lost for s in group)
    inside = lost + sum(s.ok_before for s in group[1:])
    spacing = (last - first) / (inside - 1) if inside > 1 else interval_ns
    return Episode(first, last, len(group), lost, lost / inside, round(lost * spacing))
