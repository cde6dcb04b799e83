# SPDX-License-Identifier: Apache-2.0
"""What came first, and by how much: only as far as the clocks can tell (S8, S9, S14)."""

from collections.abc import Iterable
from dataclasses import dataclass

from csworkbench.model.state import JobState

from .outage import Outage, Span


@dataclass(frozen=True, slots=True)
class Distance:
    """How much later one thing was than another, ns: between `low_ns` and `high_ns`, which may be negative."""

    low_ns: int
    high_ns: int

    @property
    def middle_ns(self) -> int:
        """The point estimate."""
        return (self.low_ns + self.high_ns) // 2


def ordered(a: Span, b: Span) -> int | None:
    """-1 when a was before b, 1 when it was after, None when their bounds touch: then nobody can say.

    Both are (earliest, latest) on the recorder's clock with all bounds included (`widened`).
    """
    if a[1] < b[0]:
        return -1
    return 1 if a[0] > b[1] else None


def widened(span: Span, bound_ns: int) -> Span:
    """An edge with the alignment bound of its clock."""
    return span[0] - bound_ns, span[1] + bound_ns


def distance(later: Span, earlier: Span) -> Distance:
    """How much later the first was than the second."""
    return Distance(later[0] - earlier[1], later[1] - earlier[0])


def job_start(jobs: Iterable[JobState]) -> Span | None:
    """The bracket in which the first job was submitted; None before that."""
    return min(((j.changes[0].last_old_ns, j.changes[0].first_new_ns) for j in jobs if j.changes), default=None)


def job_end(jobs: Iterable[JobState]) -> Span | None:
    """The bracket in which the last job ended; None while one runs or there is none."""
    ends = [job.ended for job in jobs]
    if not ends or any(end is None for end in ends):
        return None
    return max((end.last_old_ns, end.first_new_ns) for end in ends if end is not None)


def after_job(outages: list[Outage], start: Span | None, end: Span | None) -> tuple[Distance | None, Distance | None]:
    """(first onset after the job's start, last end after the job's end); None where one of the two is not known."""
    if not outages:
        return None, None
    first, last = outages[0], outages[-1]
    onset = distance(widened(first.onset, first.clock_ns), start) if start and not _unbegun(first) else None
    over = distance(widened(last.end, last.clock_ns), end) if end and last.end_ns else None
    return onset, over


def _unbegun(outage: Outage) -> bool:
    """True when the lane had never been ok before it."""
    return outage.open and bool(outage.end_ns)
