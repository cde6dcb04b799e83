# SPDX-License-Identifier: Apache-2.0
"""What may be started now, and why what waits waits. A function of plan, state and time; it starts nothing itself."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from csworkbench.model.event import Verdict
from csworkbench.model.operation import FITTING, Operation

from .plan import CampaignPlan, Caps
from .record import Target, stamp
from .state import OCCUPYING, SETTLED, CampaignState, Status, TargetState

AGAIN = frozenset(
    {str(v) for v in (Verdict.FAILED, Verdict.FAILED_AND_RECOVERED, Verdict.CHANGED_NOTHING, Verdict.NOT_MEASURABLE)}
)
"""Verdicts after which the same may be tried again. An outage that goes on is for a person."""
OTHERWISE = AGAIN - {str(Verdict.NOT_MEASURABLE)}
"""Verdicts after which the fallback is tried: not where nothing was operated."""
Group = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Schedule:
    """`start`: what may be started now, in this order. `waits`: for each other waiting target, why.

    `wave`: the one whose turn it is, None at the end. `look_again`: when time alone changes something.
    """

    start: tuple[Target, ...] = ()
    waits: Mapping[str, str] = field(default_factory=dict)
    wave: int | None = None
    look_again: datetime | None = None


def schedule(plan: CampaignPlan, state: CampaignState, now: datetime, doubt: str = "") -> Schedule:
    """What the plan allows now. `doubt`: what may be over its budget, and nobody can tell yet: nothing starts then."""
    waiting = state.of(Status.WAITING)
    wave = min((t.target.wave for t in state.targets.values() if t.status not in SETTLED), default=None)
    if not waiting or wave is None:
        return Schedule(wave=wave)
    why, again = _held(plan, state, wave, now)
    why = why or doubt
    if why:
        return Schedule((), {t.target.id: why for t in waiting}, wave, again)
    start: list[Target] = []
    waits: dict[str, str] = {}
    busy = Counter(group for t in state.of(*OCCUPYING) for group in groups(t.target))
    taken = len(state.of(*OCCUPYING))
    # What has been tried before comes first: its network may be half way.
    for target in sorted(waiting, key=lambda t: not t.attempts):
        if target.target.wave != wave:
            waits[target.target.id] = f"{name_of_wave(wave)} comes first"
        elif taken >= plan.caps.total:
            waits[target.target.id] = f"{taken} at work, as many as the plan allows"
        elif full := _full(plan.caps, target.target, busy):
            waits[target.target.id] = full
        else:
            start.append(target.target)
            busy.update(groups(target.target))
            taken += 1
    return Schedule(tuple(start), waits, wave, plan.window.closes(now) if plan.window else None)


def name_of_wave(wave: int) -> str:
    """For people: wave 0 is the canary."""
    return "the canary" if wave == 0 else f"wave {wave}"


def groups(target: Target) -> set[Group]:
    """What a target takes a place in: its zone, pod, hosts and account, as far as they are known."""
    found = {("zone", target.zone), ("pod", target.pod), ("account", target.account)}
    return {(kind, name) for kind, name in found | {("host", host) for host in target.hosts} if name}


def cap_of(caps: Caps, kind: str) -> int:
    """How many at the same time within one zone, pod, host or account; 0: as many as there are."""
    found: int = getattr(caps, kind)
    return found


def _full(caps: Caps, target: Target, busy: Counter[Group]) -> str:
    for kind, name in sorted(groups(target)):
        cap = cap_of(caps, kind)
        if cap and busy[kind, name] >= cap:
            return f"{busy[kind, name]} at work in {kind} {name}, as many as the plan allows"
    return ""


def _held(  # noqa: PLR0911 - one reason each
    plan: CampaignPlan, state: CampaignState, wave: int, now: datetime
) -> tuple[str, datetime | None]:
    """(why nothing at all may be started now, until when)."""
    if state.closed is not None:
        return "the campaign is closed", None
    if why := stop_reason(plan, state):
        return f"stopped: {why}", None
    if state.paused is not None:
        return "paused", None
    if plan.canary.confirm and wave > 0 and 0 in state.waves and not state.canary_confirmed:
        return "the canary is done: look at it, then say `go-on`", None
    soaked = _soaked(plan, state, wave)
    if soaked is not None and now < soaked:
        return f"soaking until {stamp(soaked)}", soaked
    if plan.window is not None and not plan.window.is_open(now):
        opens = plan.window.opens(now)
        return f"the window opens at {stamp(opens)}", opens
    return "", None


def _soaked(plan: CampaignPlan, state: CampaignState, wave: int) -> datetime | None:
    """When the pause after the wave before is over; None where there is none. A wave that has begun does not wait."""
    if any(t.attempts for t in state.wave(wave)):
        return None
    before = [n for n in state.waves if n < wave]
    ends = [t.settled for t in state.wave(before[-1]) if t.settled and t.attempts] if before else []
    if not ends:
        return None
    return max(ends) + timedelta(seconds=plan.canary.soak if before[-1] == 0 else plan.soak)


def stop_reason(plan: CampaignPlan, state: CampaignState) -> str:
    """Why nothing more may be started, by the stop rule or a person; empty while nothing speaks against it."""
    body = state.stopped.body if state.stopped is not None else None
    if body is not None:
        return str(getattr(body, "why", "")) or "by a person"
    for kind, limit in (("over_budget", plan.stop.over_budget), ("unknown", plan.stop.unknown)):
        found = [t for t in state.trouble if t.kind == kind]
        if limit and len(found) >= limit:
            names = ", ".join(dict.fromkeys(state.targets[t.target].target.name for t in found[:3]))
            return f"{names}: {found[0].text}" if len(found) == 1 else f"{len(found)} {kind.replace('_', ' ')}: {names}"
    failed = [t for t in _failed(state) if next_try(plan, t) is None]
    if plan.stop.failed and len(failed) >= plan.stop.failed:
        names = ", ".join(f"{t.target.name} {t.result.verdict if t.result else 'failed'}" for t in failed[:3])
        return names if len(failed) == 1 else f"{len(failed)} failed: {names}"
    return ""


def _failed(state: CampaignState) -> Iterator[TargetState]:
    """Those that failed since somebody last went on."""
    for target in state.of(Status.FAILED):
        if target.settled is not None and (state.went_on is None or target.settled > state.went_on):
            yield target


def next_try(plan: CampaignPlan, target: TargetState) -> Operation | None:
    """What the plan has for a failed target: the same once more, then its fallback; None when nothing is left."""
    result, newest = target.result, target.newest
    if target.status is not Status.FAILED or result is None or newest is None or result.verdict not in AGAIN:
        return None
    tried = [a.operation for a in target.attempts if a.ended is not None]
    if newest.operation == target.target.operation and tried.count(newest.operation) <= plan.retries:
        return newest.operation
    fallback = plan.fallback
    if fallback is None or fallback in tried or result.verdict not in OTHERWISE:
        return None
    return fallback if target.target.kind in FITTING[fallback.names[0]] else None
