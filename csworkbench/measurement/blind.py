# SPDX-License-Identifier: Apache-2.0
"""Stretches in which nobody saw anything, and why (S6, S10). A lost channel is none: the records come later."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from csworkbench.model.lane import Lane
from csworkbench.model.sample import Reason
from csworkbench.model.state import VantageState

from .outage import BLIND_INTERVALS, MISSING, NOT_SENT, SETTLING_NS, BlindStretch, Span
from .reasons import cause_text

STOPPED = "prober stopped"
SUSPENDED = "machine suspended"
NOT_COLLECTED = "data not collected"
LATE = "late"


@dataclass(frozen=True, slots=True)
class Blind:
    """One blind stretch on the recorder's clock, ns. `samples` were due in it, about."""

    start_ns: int
    end_ns: int
    cause: str
    samples: int

    @property
    def span(self) -> Span:
        """(start, end)."""
        return self.start_ns, self.end_ns


def cause_of(stretch: BlindStretch, lane: Lane) -> str:
    """The commonest cause; a prober that stood still also spoils what was on its way, so that one goes first."""
    if stretch.causes[Reason.SELF_LATE, NOT_SENT]:
        return STOPPED
    if not stretch.causes:
        return NOT_COLLECTED
    reason, detail = min(stretch.causes, key=lambda c: (-stretch.causes[c], c))
    if (reason, detail) == MISSING:
        return NOT_COLLECTED
    return LATE if reason is Reason.SELF_LATE else cause_text(reason, detail, lane.prober)


def between_sessions(stretch: BlindStretch, vantage: VantageState | None) -> str:
    """Why a later prober of that vantage began within the stretch; empty when none did."""
    for started in vantage.sessions[1:] if vantage is not None else ():
        if stretch.start_ns <= started.remote_start_ns + started.shift_ns <= stretch.end_ns:
            return started.why
    return ""


def unseen_end(lane: Lane, seen_ns: int, until_ns: int, vantage: VantageState | None) -> Blind | None:
    """The time from a finished run's last sample in a lane to the end of measuring; None when that is as it must be.

    Both on the recorder's clock, ns.
    """
    if until_ns - seen_ns <= lane.tmax_ns + SETTLING_NS + BLIND_INTERVALS * lane.interval_ns:
        return None
    collected = vantage.collected if vantage is not None else None
    whole = collected is not None and not collected.missing
    cause = f"prober ended: {collected.ended[:80]}" if collected is not None and whole else NOT_COLLECTED
    return Blind(seen_ns, until_ns, cause, (until_ns - seen_ns) // lane.interval_ns)


def notable(lane: Lane, blinds: Iterable[Blind]) -> list[Blind]:
    """Those in which an outage may have gone unseen: longer than a few intervals."""
    return [blind for blind in blinds if blind.end_ns - blind.start_ns > BLIND_INTERVALS * lane.interval_ns]


def clipped(blinds: Sequence[Blind], from_ns: int) -> list[Blind]:
    """What of them lies after a time, in order."""
    kept = (Blind(max(b.start_ns, from_ns), b.end_ns, b.cause, b.samples) for b in blinds if b.end_ns > from_ns)
    return sorted(kept, key=lambda blind: (blind.start_ns, blind.end_ns))
