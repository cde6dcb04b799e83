# SPDX-License-Identifier: Apache-2.0
"""CampaignState and its one reducer. What cannot follow is ignored: a finished target stays finished."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from csworkbench.model.event import Verdict
from csworkbench.model.operation import Operation

from . import record as rec
from .record import Entry, Target


class Status(StrEnum):
    """What has become of a target. `UNKNOWN`: its engine died in the change; a person decides."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


ACTIVE = frozenset({Status.STARTING, Status.RUNNING})
OCCUPYING = ACTIVE | {Status.UNKNOWN}
"""Those whose routers may be in the middle of an operation."""
SETTLED = frozenset({Status.DONE, Status.FAILED, Status.SKIPPED})
UNDECIDED = frozenset({Status.WAITING, Status.FAILED, Status.SKIPPED, Status.UNKNOWN})
"""Those of which a person may say that they are skipped, or operated (again)."""
GOOD = frozenset({str(Verdict.MEASURED), str(Verdict.RESTARTED), str(Verdict.UPGRADED)})


@dataclass(slots=True)
class Attempt:
    """One run of a target."""

    run: str
    operation: Operation
    begun: datetime
    pid: int = 0
    breaches: list[rec.Breached] = field(default_factory=list)
    ended: rec.Ended | None = None
    over: datetime | None = None  # when the campaign knew that it had ended, however it did
    why: str = ""  # why it came to no verdict

    @property
    def over_budget(self) -> bool:
        """Whether a service was down for longer than its budget, as far as is known."""
        return bool(self.breaches) or (self.ended is not None and self.ended.over_budget)


@dataclass(slots=True)
class TargetState:
    """A target and all its attempts, oldest first. `operation` is that of the next or newest one."""

    target: Target
    operation: Operation
    status: Status = Status.WAITING
    attempts: list[Attempt] = field(default_factory=list)
    settled: datetime | None = None
    why: str = ""  # why it is skipped, waits again, or is unknown

    @property
    def newest(self) -> Attempt | None:
        """The attempt that goes on, or the last one."""
        return self.attempts[-1] if self.attempts else None

    @property
    def result(self) -> rec.Ended | None:
        """The newest verdict."""
        return next((a.ended for a in reversed(self.attempts) if a.ended is not None), None)

    @property
    def retries(self) -> int:
        """Attempts after the first; those that operated nothing do not count."""
        return max(0, sum(a.ended is not None or a.over is None for a in self.attempts) - 1)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the stop rule counts: `kind` is a key of StopRule."""

    kind: str
    target: str
    run: str
    at: datetime
    text: str


@dataclass(slots=True)
class CampaignState:
    """Everything known of a campaign. Only `apply` changes it. `trouble` is what happened since somebody went on."""

    seq: int = 0
    last: datetime | None = None
    opened: rec.Opened | None = None
    opened_at: datetime | None = None
    targets: dict[str, TargetState] = field(default_factory=dict)
    paused: Entry | None = None
    stopped: Entry | None = None
    went_on: datetime | None = None
    canary_confirmed: bool = False
    trouble: list[Trouble] = field(default_factory=list)
    actions: list[Entry] = field(default_factory=list)
    closed: rec.Closed | None = None

    def of(self, *statuses: Status) -> list[TargetState]:
        """The targets in these states, in their order."""
        return [t for t in self.targets.values() if t.status in statuses]

    @property
    def settled(self) -> bool:
        """True when nothing is left to do."""
        return all(t.status in SETTLED for t in self.targets.values())

    def wave(self, number: int) -> list[TargetState]:
        """The targets of one wave."""
        return [t for t in self.targets.values() if t.target.wave == number]

    @property
    def waves(self) -> list[int]:
        """The numbers of all waves."""
        return sorted({t.target.wave for t in self.targets.values()})

    def find(self, text: str) -> list[TargetState]:
        """By id, name, or the beginning of an id."""
        exact = [t for t in self.targets.values() if text in (t.target.id, t.target.name)]
        return exact or [t for t in self.targets.values() if text and t.target.id.startswith(text)]

    def runs(self) -> Iterator[tuple[TargetState, Attempt]]:
        """All attempts."""
        for target in self.targets.values():
            for attempt in target.attempts:
                yield target, attempt


def apply(state: CampaignState, entry: Entry) -> None:
    """Fold one entry into the state. One that was folded already changes nothing."""
    if entry.seq <= state.seq:
        return
    state.seq, state.last = entry.seq, entry.at
    match entry.body:
        case rec.Opened() as opened:
            if state.opened is None:
                state.opened, state.opened_at = opened, entry.at
                state.targets = {t.id: TargetState(t, t.operation) for t in opened.targets}
        case rec.Resumed():
            state.actions.append(entry)
        case rec.Paused():
            state.paused = entry
            state.actions.append(entry)
        case rec.Stopped():
            state.stopped = entry
            state.actions.append(entry)
        case rec.WentOn():
            state.paused = state.stopped = None
            state.went_on = entry.at
            state.trouble.clear()
            canary = state.wave(0)
            state.canary_confirmed |= bool(canary) and all(t.status in SETTLED for t in canary)
            state.actions.append(entry)
        case rec.Closed() as closed:
            state.closed = closed
        case body:
            target = state.targets.get(body.target)
            if target is not None:
                _apply_to(state, target, entry)


def _apply_to(state: CampaignState, target: TargetState, entry: Entry) -> None:
    match entry.body:
        case rec.Starting(_, run, operation):
            if target.status is Status.WAITING:
                target.status, target.operation = Status.STARTING, operation
                target.attempts.append(Attempt(run, operation, entry.at))
        case rec.Skipped(who, _, why):
            if target.status in UNDECIDED:
                target.status, target.settled = Status.SKIPPED, entry.at
                target.why = f"{why} ({who})" if why else who
                state.actions.append(entry)
        case rec.Retried(_, _, why, operation):
            if target.status in UNDECIDED:
                target.status, target.settled, target.why = Status.WAITING, None, why
                target.operation = operation or target.operation
                state.closed = None
                state.actions.append(entry)
        case _:
            _apply_to_run(state, target, entry)


def _apply_to_run(state: CampaignState, target: TargetState, entry: Entry) -> None:
    """What befell the newest run; of an older one nothing is to come."""
    attempt = target.newest
    body = entry.body
    if attempt is None or getattr(body, "run", "") != attempt.run or attempt.ended is not None:
        return
    match body:
        case rec.Started(_, _, pid):
            if target.status in ACTIVE:
                target.status, attempt.pid = Status.RUNNING, pid
        case rec.Breached() as breach:
            attempt.breaches.append(breach)
            text = f"{breach.service} has been down {breach.down_s:.2f} s, its budget is {breach.limit_s:g} s"
            _count(state, Trouble("over_budget", target.target.id, attempt.run, entry.at, text))
        case rec.Ended() as ended:
            if target.status in OCCUPYING:
                attempt.ended, attempt.over = ended, entry.at
                good = ended.verdict in GOOD
                target.status, target.settled, target.why = Status.DONE if good else Status.FAILED, entry.at, ""
                if ended.over_budget:
                    text = next((r for r in ended.reasons if "budget" in r), "over budget")
                    _count(state, Trouble("over_budget", target.target.id, attempt.run, entry.at, text))
        case rec.Requeued(_, _, why):
            if target.status in ACTIVE:
                target.status, target.why = Status.WAITING, why
                attempt.over, attempt.why = entry.at, why
        case rec.Unclear(_, _, why):
            if target.status in ACTIVE:
                target.status, target.why = Status.UNKNOWN, why
                attempt.over, attempt.why = entry.at, why
                _count(state, Trouble("unknown", target.target.id, attempt.run, entry.at, why))
        case _:
            pass


def _count(state: CampaignState, trouble: Trouble) -> None:
    if all((t.kind, t.run) != (trouble.kind, trouble.run) for t in state.trouble):
        state.trouble.append(trouble)


def replay(entries: Iterable[Entry]) -> CampaignState:
    """The state after all of them."""
    state = CampaignState()
    for entry in entries:
        apply(state, entry)
    return state
