# SPDX-License-Identifier: Apache-2.0
"""A run in the making: what is known about it before it is started, and who tells."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from csworkbench.model.event import LaneLeftOut, OperationPlanned
from csworkbench.model.scenario import Scenario
from csworkbench.upgrade.choices import Choice
from csworkbench.upgrade.facts import Finding

from .feed import Feed

Progress = Callable[[str], None]


class PlanError(Exception):
    """What was asked for cannot be done; the message is one line for people: what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class TenantWay:
    """A tenant VM and the way to its sshd in words; `left_out` says why there is none."""

    name: str
    address: str
    way: str = ""
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a scenario comes to on this cloud. `planned` is the operation, `refused` why it cannot be done.

    `lanes` are (service, how many) as they are when every tenant gives all rights; `missing` is what has to be filled
    in; `given` tells, by field, what counts where the scenario says nothing.
    """

    target: str
    tenants: tuple[TenantWay, ...]
    outside: str
    lanes: tuple[tuple[str, int], ...]
    left_out: tuple[LaneLeftOut, ...]
    findings: tuple[Finding, ...]
    planned: OperationPlanned | None = None
    refused: str = ""
    missing: tuple[str, ...] = ()
    given: tuple[tuple[str, str], ...] = ()

    @property
    def reached(self) -> int:
        """Tenants with a way to them."""
        return sum(not tenant.left_out for tenant in self.tenants)


class Ground(Protocol):
    """A target as its cloud showed it."""

    def survey(self, scenario: Scenario) -> Survey:
        """What this scenario would come to; asks nobody."""
        ...

    async def try_logins(self, scenario: Scenario, progress: Progress) -> dict[str, str]:
        """Log in to each tenant that has a way, and out again: why it did not work, by name; empty where it did."""
        ...


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that was started, or goes on: its feed, its export, and how to let go of it."""

    feed: Feed
    name: str
    export: Callable[[], Awaitable[str]]
    close: Callable[[], Awaitable[None]]


class Planner(Protocol):
    """Plans and starts runs on one cloud; composed by the command line."""

    def draft(self, choice: Choice, name: str) -> Scenario:
        """A scenario for a choice, with what was filled in last time. `name`: what the target is called."""
        ...

    async def ground(self, scenario: Scenario, choices: Sequence[Choice], progress: Progress) -> Ground:
        """Ask the cloud for the scenario's target, and what each choice would call. Raises CloudLost."""
        ...

    def checked(self, scenario: Scenario) -> Scenario:
        """The scenario when a file of it would be accepted. Raises PlanError."""
        ...

    def load(self, file: str) -> Scenario:
        """A scenario file for this cloud. Raises PlanError."""
        ...

    def save(self, scenario: Scenario, file: str, *, overwrite: bool) -> str:
        """Write a scenario file and say where. Raises PlanError; also when it is there and may not be overwritten."""
        ...

    async def start(self, scenario: Scenario, *, force: bool) -> OpenRun:
        """Start its engine as a process of its own. `force`: although a check says stop. Raises PlanError."""
        ...

    def live(self) -> OpenRun | None:
        """The newest run that goes on, or None."""
        ...
