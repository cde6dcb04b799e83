# SPDX-License-Identifier: Apache-2.0
"""How long it will still take, from the campaign's own runs; before any has ended, from the plan's phases."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from .plan import CampaignPlan
from .schedule import Group, cap_of, groups
from .state import ACTIVE, SETTLED, Attempt, CampaignState, Status, TargetState

GUESS_S = 90.0  # from the first call to the last lane that is up again, before anything is known
HISTORY = 30  # of the newest runs


@dataclass(frozen=True, slots=True)
class Estimate:
    """`settled` of `total` targets; `left_s` None while nobody can tell: paused, stopped, or a decision is due.

    `run_s`: how long one run takes, seconds; `runs`: of how many that is known, 0 when it is a guess.
    """

    settled: int
    total: int
    running: int
    run_s: float
    runs: int
    left_s: float | None
    ends: datetime | None


def estimate(plan: CampaignPlan, state: CampaignState, now: datetime) -> Estimate:
    """Of what is left: each wave by its tightest cap, the pauses between waves, and the hours of the window."""
    lengths = [_length_s(a) for _, a in state.runs() if a.over is not None and a.ended is not None]
    phases = plan.scenario.phases
    guess = phases.warmup + phases.calibrate + phases.baseline + phases.confirm + GUESS_S
    run_s = median(lengths[-HISTORY:]) if lengths else guess
    left_s = _left_s(plan, state, now, run_s)
    ends = None if left_s is None else _within_window(plan, now, left_s)
    return Estimate(
        settled=len(state.of(*SETTLED)),
        total=len(state.targets),
        running=len(state.of(*ACTIVE)),
        run_s=run_s,
        runs=len(lengths),
        left_s=None if ends is None else (ends - now).total_seconds(),
        ends=ends,
    )


def _length_s(attempt: Attempt) -> float:
    """By the run's own times where they are known: nobody may have been there when it ended."""
    ended = attempt.ended
    if ended is not None and ended.began is not None and ended.ended is not None:
        return (ended.ended - ended.began).total_seconds()
    return ((attempt.over or attempt.begun) - attempt.begun).total_seconds()


def _left_s(plan: CampaignPlan, state: CampaignState, now: datetime, run_s: float) -> float | None:
    if state.paused is not None or state.stopped is not None or state.of(Status.UNKNOWN):
        return None
    total = 0.0
    waves: dict[int, list[TargetState]] = {}
    for target in state.targets.values():
        if target.status not in SETTLED:
            waves.setdefault(target.target.wave, []).append(target)
    for place, (number, targets) in enumerate(sorted(waves.items())):
        waiting = [t for t in targets if t.status is Status.WAITING]
        running = [
            max(0.0, run_s - (now - t.attempts[-1].begun).total_seconds()) for t in targets if t.status in ACTIVE
        ]
        rounds = _rounds(plan, waiting)
        # Those that run give way one after the other: what waits begins when the first of them has ended.
        total += max(max(running, default=0.0), min(running, default=0.0) + rounds * run_s)
        if place < len(waves) - 1:
            total += plan.canary.soak if number == 0 else plan.soak
    return total


def _rounds(plan: CampaignPlan, waiting: list[TargetState]) -> int:
    """How many times a run's length the waiting ones take at least."""
    if not waiting:
        return 0
    members: Counter[Group] = Counter(group for t in waiting for group in groups(t.target))
    tightest = [-(-number // cap) for (kind, _), number in members.items() if (cap := cap_of(plan.caps, kind))]
    return max(-(-len(waiting) // plan.caps.total), *tightest, 1)


def _within_window(plan: CampaignPlan, now: datetime, left_s: float) -> datetime | None:
    """When so many seconds of work are done, if work goes on in the window only; None beyond a year."""
    if plan.window is None or left_s <= 0:
        return now + timedelta(seconds=left_s)
    at, left = now, left_s
    for _ in range(400):
        at = plan.window.opens(at)
        closes = plan.window.closes(at)
        if closes is None:
            return None
        if left <= (closes - at).total_seconds():
            return at + timedelta(seconds=left)
        left -= (closes - at).total_seconds()
        at = closes
    return None
