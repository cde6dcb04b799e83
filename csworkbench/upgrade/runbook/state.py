# SPDX-License-Identifier: Apache-2.0
"""Journal entries folded into what has become of each step. Pure and total: any entries in any order make a state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from .entry import Did, Entry
from .model import Result, Runbook, Step


class Status(StrEnum):
    """What has become of a step. `BEGUN`: started, and its end is not known."""

    PENDING = "pending"
    BEGUN = "begun"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    OUT = "does not apply"


class Outcome(StrEnum):
    """What has become of the whole."""

    OPEN = "open"
    FAILED = "failed"  # a step failed and nothing leads round it: a person decides
    DONE = "done"
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"


SETTLED = frozenset({Status.DONE, Status.SKIPPED})

_NEXT: dict[Did, tuple[frozenset[Status], Status]] = {
    Did.STARTED: (frozenset({Status.PENDING, Status.BEGUN, Status.FAILED}), Status.BEGUN),
    Did.DONE: (frozenset({Status.PENDING, Status.BEGUN, Status.FAILED}), Status.DONE),
    Did.SKIPPED: (frozenset({Status.PENDING, Status.BEGUN, Status.FAILED}), Status.SKIPPED),
    Did.FAILED: (frozenset({Status.PENDING, Status.BEGUN, Status.FAILED}), Status.FAILED),
    Did.AGAIN: (frozenset({Status.BEGUN, Status.DONE, Status.SKIPPED, Status.FAILED}), Status.PENDING),
}


@dataclass(frozen=True, slots=True)
class StepState:
    """A step's status and its entries, oldest first."""

    status: Status = Status.PENDING
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """Every step by id; `rolled_from` is the step whose failure began the way back, empty before that.

    `resumed`: each time that somebody went on with it.
    """

    runbook: Runbook
    steps: Mapping[str, StepState] = field(default_factory=dict)
    opened: Entry | None = None
    resumed: tuple[Entry, ...] = ()
    last: Entry | None = None
    rolled_from: str = ""

    def of(self, step: Step) -> StepState:
        """The state of a step; `OUT` when its condition is settled otherwise."""
        found = self.steps.get(step.id, StepState())
        if found.status is Status.PENDING and self._out(step):
            return replace(found, status=Status.OUT)
        return found

    def _out(self, step: Step) -> bool:
        if step.when is None:
            return False
        before = self.runbook.step(step.when.step)
        if before is None:
            return True
        status = self.of(before).status
        return status not in (Status.PENDING, Status.BEGUN) and status.value != step.when.result.value

    def waits(self, step: Step) -> bool:
        """True while the step's condition asks for one that has not ended."""
        before = self.runbook.step(step.when.step) if step.when else None
        return before is not None and self.of(before).status in (Status.PENDING, Status.BEGUN)

    @property
    def branch(self) -> tuple[Step, ...]:
        """The steps that are being walked: forward, or back."""
        failed = self.runbook.step(self.rolled_from)
        return self.runbook.steps if failed is None else self.runbook.way_back(failed)

    def told(self, step: Step) -> str:
        """The status in words; a step of a branch that is not walked is not pending."""
        status = self.of(step).status
        return "not walked" if status is Status.PENDING and step not in self.branch else status.value

    def settled(self, step: Step) -> bool:
        """True when the walk goes on after it: done, skipped, out, or failed with a later step for that case."""
        status = self.of(step).status
        if status is Status.FAILED:
            return any(
                s.when is not None and (s.when.step, s.when.result) == (step.id, Result.FAILED) for s in self.branch
            )
        return status in SETTLED or status is Status.OUT

    @property
    def current(self) -> Step | None:
        """The step whose turn it is; None at the end."""
        return next((step for step in self.branch if not self.settled(step)), None)

    @property
    def outcome(self) -> Outcome:
        """What has become of the whole."""
        step = self.current
        if self.rolled_from:
            return Outcome.ROLLING_BACK if step is not None else Outcome.ROLLED_BACK
        if step is None:
            return Outcome.DONE
        return Outcome.FAILED if self.of(step).status is Status.FAILED else Outcome.OPEN


def fold(state: State, entry: Entry) -> State:
    """The state after one more entry. What cannot follow is ignored: a finished step stays finished."""
    if entry.did is Did.OPENED:
        if state.opened is None:
            return replace(state, opened=entry, last=entry)
        return replace(state, resumed=(*state.resumed, entry), last=entry)
    step = state.runbook.step(entry.step)
    if step is None:
        return state
    found = state.steps.get(step.id, StepState())
    status = found.status
    if entry.did is Did.ROLLBACK:
        if state.rolled_from or status is not Status.FAILED or not state.runbook.way_back(step):
            return state
        state = replace(state, rolled_from=step.id)
    elif entry.did is not Did.EVIDENCE:
        allowed, after = _NEXT[entry.did]
        if status not in allowed:
            return state
        status = after
    steps = {**state.steps, step.id: StepState(status, (*found.entries, entry))}
    return replace(state, steps=steps, last=entry)


def replay(runbook: Runbook, entries: Iterable[Entry]) -> State:
    """The state after all of them."""
    state = State(runbook)
    for entry in entries:
        state = fold(state, entry)
    return state
