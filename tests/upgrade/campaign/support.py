# SPDX-License-Identifier: Apache-2.0
"""Small campaigns, and a conductor that does what the schedule says with runs that end as they are told."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from csworkbench.model.operation import LivePatch, Operation, Restart
from csworkbench.model.scenario import Scenario
from csworkbench.upgrade.campaign import CampaignPlan, CampaignState, Status, Target, apply, next_try, schedule
from csworkbench.upgrade.campaign import record as rec

START = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
RESTART, PATCH = Operation(restart=Restart(cleanup=True)), Operation(live_patch=LivePatch())
SCENARIO = Scenario("upgrade", network="any", budget={"egress": 10.0})


def plan(**changes: object) -> CampaignPlan:
    """A plan with some keys changed."""
    return CampaignPlan("small", SCENARIO, **changes)  # type: ignore[arg-type]


def targets(waves: Iterable[int], operation: Operation = RESTART, **changes: object) -> tuple[Target, ...]:
    """One target for each, in that wave; zone, pod, host and account in turn."""
    return tuple(
        Target(
            f"id-{n:02}", "network", f"net-{n:02}", wave, operation, routers=(f"r-{n}-VM",), zone=f"zone{n % 2}",
            pod=f"pod{n % 3}", hosts=(f"host{n % 4}",), account=f"account{n % 5}",
            **changes,  # type: ignore[arg-type]
        )
        for n, wave in enumerate(waves, 1)
    )  # fmt: skip


def ended(target: str, run: str, verdict: str = "upgraded", over_budget: bool = False, code: int = 0) -> rec.Ended:
    """A run's end."""
    return rec.Ended(target, run, verdict, over_budget, code, services=(rec.Figures("egress", 1.4, 1.3, 1.5),))


@dataclass(slots=True)
class Fake:
    """A campaign whose journal is a list. `now` moves by hand."""

    plan: CampaignPlan
    state: CampaignState = field(default_factory=CampaignState)
    journal: list[rec.Entry] = field(default_factory=list)
    now: datetime = START
    runs: int = 0

    def open(self, of: tuple[Target, ...]) -> "Fake":
        """Its first entry."""
        self.write(rec.Opened("me", self.plan.name, "lab", of))
        return self

    def write(self, *bodies: rec.Body) -> None:
        """Entries at `now`."""
        for body in bodies:
            entry = rec.Entry(len(self.journal) + 1, self.now, body)
            self.journal.append(entry)
            apply(self.state, entry)

    def later(self, seconds: float) -> None:
        """Time passes."""
        self.now += timedelta(seconds=seconds)

    def start(self) -> list[str]:
        """Start what may be started; the targets' ids."""
        found = [t.id for t in schedule(self.plan, self.state, self.now).start]
        for target in found:
            self.runs += 1
            run = f"run-{self.runs}"
            self.write(rec.Starting(target, run, self.state.targets[target].operation), rec.Started(target, run, 1))
        return found

    def running(self) -> list[tuple[str, str]]:
        """(target, run) of what goes on."""
        return [(t.target.id, t.attempts[-1].run) for t in self.state.of(Status.STARTING, Status.RUNNING)]

    def end(self, target: str, verdict: str = "upgraded", over_budget: bool = False) -> None:
        """Its newest run ends; what the plan has for a failed one is asked for."""
        self.write(ended(target, self.state.targets[target].attempts[-1].run, verdict, over_budget))
        again = next_try(self.plan, self.state.targets[target])
        if again is not None:
            self.write(rec.Retried("plan", target, "again", again))

    def walk(self, verdict: Callable[[str], str] = lambda _: "upgraded") -> Iterator[list[str]]:
        """Each round of starts, until nothing may be started any more."""
        while started := self.start():
            yield started
            self.later(60)
            for target, _ in self.running():
                self.end(target, verdict(target))
