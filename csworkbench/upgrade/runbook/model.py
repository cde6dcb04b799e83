# SPDX-License-Identifier: Apache-2.0
"""What a runbook says is to be done."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Scalar = str | int | bool
NO_ROLLBACK = "none"
CLOUD = "{cloud}"
"""In the words of a command: the name of the cloud that the runbook is walked against."""


class Kind(StrEnum):
    """Who does a step: a person, an API check, or a command of csworkbench."""

    MANUAL = "manual"
    CHECK = "check"
    COMMAND = "command"


class Result(StrEnum):
    """What a condition may ask about an earlier step."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class When:
    """A step applies only when an earlier step of its branch ended so."""

    step: str
    result: Result = Result.DONE


@dataclass(frozen=True, slots=True)
class Check:
    """What the rows of one list command must be like. `where` picks rows; the rest must hold for those."""

    command: str
    params: Mapping[str, Scalar] = field(default_factory=dict)
    where: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    every: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    none: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    release: Mapping[str, str] = field(default_factory=dict)
    one_value_of: str = ""
    at_least: int = 0
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `commands` are for a person to copy, `run` are csworkbench's own words, `accept` its good exit codes.

    `rollback`: the roll-back step to begin with when this one fails; empty for the first, `none` when nothing has been
    changed yet.
    """

    id: str
    title: str
    kind: Kind = Kind.MANUAL
    text: str = ""
    commands: tuple[str, ...] = ()
    expects: str = ""
    check: Check | None = None
    run: tuple[str, ...] = ()
    accept: tuple[int, ...] = (0,)
    when: When | None = None
    rollback: str = ""


@dataclass(frozen=True, slots=True)
class Runbook:
    """The steps in order, and those that lead back."""

    name: str
    steps: tuple[Step, ...]
    rollback: tuple[Step, ...] = ()
    about: str = ""
    source: str = ""

    def __iter__(self) -> Iterator[Step]:
        yield from self.steps
        yield from self.rollback

    def step(self, step_id: str) -> Step | None:
        """By its id, from either branch."""
        return next((step for step in self if step.id == step_id), None)

    def way_back(self, failed: Step) -> tuple[Step, ...]:
        """The roll-back steps after `failed`; none when it says so or there are none."""
        if failed.rollback == NO_ROLLBACK:
            return ()
        ids = [step.id for step in self.rollback]
        return self.rollback[ids.index(failed.rollback) if failed.rollback in ids else 0 :]
