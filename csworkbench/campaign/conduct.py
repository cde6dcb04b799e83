# SPDX-License-Identifier: Apache-2.0
"""Conducting a campaign: starts what the schedule allows, follows what runs, and writes down all of it first."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

from csworkbench.model.scenario import Scenario
from csworkbench.results.run_result import RunResult
from csworkbench.upgrade.campaign import record as rec
from csworkbench.upgrade.campaign.commands import Refused, entry_for
from csworkbench.upgrade.campaign.folder import CampaignFolder, numbered
from csworkbench.upgrade.campaign.outcome import exit_code
from csworkbench.upgrade.campaign.plan import CampaignPlan
from csworkbench.upgrade.campaign.schedule import Schedule, next_try, schedule, stop_reason
from csworkbench.upgrade.campaign.state import ACTIVE, CampaignState, Status, TargetState, apply

from .child import Child, Launcher, run_name
from .control import ControlServer
from .follow import Following, ended, operated, read_result

TICK_S = 1.0
RESUMED_S = 5.0  # between two looks at runs whose engine died: somebody may have resumed them
LOST_STARTS = 2  # a run that is gone before its change is begun again so often
BY_PLAN = "the plan"


class Leaving(Enum):
    """How far an interrupt has got: no new starts, then none is waited for."""

    NO = auto()
    FINISHING = auto()
    DETACHED = auto()


@dataclass(slots=True)
class Conductor:
    """One process's part in a campaign. It holds the folder's lock; `say` hears of each entry that it writes."""

    plan: CampaignPlan
    folder: CampaignFolder
    state: CampaignState
    launcher: Launcher
    scenario_of: Callable[[CampaignPlan, TargetState], Scenario]
    who: str
    say: Callable[[rec.Entry], None] = lambda _: None
    hold: Callable[[str], None] = lambda _: None  # hears why starts are held, and with nothing that they are not
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock_ns: Callable[[], int] = time.monotonic_ns
    _runs: dict[str, Following] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _leaving: Leaving = Leaving.NO
    _broken: BaseException | None = None
    _looked_s: float = 0.0
    _doubts: dict[str, str] = field(default_factory=dict)
    _held: str = ""

    @property
    def detached(self) -> bool:
        """Whether it left while runs were going on."""
        return self._leaving is Leaving.DETACHED

    @property
    def running(self) -> tuple[str, ...]:
        """The runs that are followed now."""
        return tuple(self._runs)

    def write(self, *bodies: rec.Body) -> None:
        """Entries, on disk when this returns. Raises OSError."""
        entries = numbered(list(bodies), self.state.seq, self.now())
        self.folder.append(entries)
        for entry in entries:
            apply(self.state, entry)
            self.say(entry)
        self._news.set()

    def interrupt(self) -> None:
        """SIGINT or SIGTERM: no new starts; a second one leaves what runs to itself."""
        self._leaving = Leaving.FINISHING if self._leaving is Leaving.NO else Leaving.DETACHED
        self._news.set()

    async def run(self) -> int:
        """Until nothing is left to do, or a stop; the exit code. Raises OSError when the journal cannot be written."""
        async with ControlServer(self.folder.socket, self._answer):
            try:
                await self._recover()
                while True:
                    self._news.clear()
                    await self._look_at_unknown()
                    self._decide()
                    if self._over():
                        break
                    if not self._start_one():
                        await self._wait()
                    if self._broken is not None:
                        raise self._broken
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
        code = exit_code(self.state)
        if self.state.settled and self.state.closed is None:
            self.write(rec.Closed(code))
        return code

    def schedule(self) -> Schedule:
        """What may be started now, and why the rest waits."""
        found = schedule(self.plan, self.state, self.now())
        doubt = self._doubt()
        return schedule(self.plan, self.state, self.now(), doubt) if doubt and found.start else found

    def _over(self) -> bool:
        if self._leaving is Leaving.DETACHED or self.state.settled:
            return True
        if self._tasks or self.state.of(*ACTIVE):
            return False
        if self._leaving is Leaving.FINISHING or stop_reason(self.plan, self.state):
            return True
        found = self.schedule()
        # Only what is unknown holds it up: that takes a person, and nobody need wait for him here.
        awaited = self.state.paused is not None or found.look_again is not None or bool(found.start)
        return not awaited and bool(self.state.of(Status.UNKNOWN))

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK_S):
                await self._news.wait()

    def _decide(self) -> None:
        """What follows from the state by itself: another try, and the stop."""
        for target in self.state.of(Status.FAILED):
            again = next_try(self.plan, target)
            if again is not None:
                verdict = target.result.verdict if target.result else ""
                self.write(rec.Retried(BY_PLAN, target.target.id, f"after {verdict}", again))
        if self.state.stopped is None and (why := stop_reason(self.plan, self.state)):
            self.write(rec.Stopped(BY_PLAN, why))

    def _start_one(self) -> bool:
        """Start the next run, if one may be started. One at a time: each start changes what may be started."""
        if self._leaving is not Leaving.NO:
            return False
        found = self.schedule().start
        if not found:
            return False
        target = self.state.targets[found[0].id]
        run = run_name(target.target.name, self._taken, self.now())
        self.write(rec.Starting(target.target.id, run, target.operation))
        self._launch(target, run)
        return True

    def _doubt(self) -> str:
        """What may be over its budget at this moment, though no verdict says so yet."""
        for run in self._runs:
            self._doubt_of(run)
        return self._held

    def _doubt_of(self, run: str) -> None:
        self._doubts[run] = self._runs[run].in_doubt(self.plan.budget, self.clock_ns())
        self._tell_doubt()

    def _tell_doubt(self) -> None:
        doubt = next((doubt for doubt in self._doubts.values() if doubt), "")
        if bool(doubt) != bool(self._held):
            self.hold(doubt)
        self._held = doubt

    def _taken(self, run: str) -> bool:
        return self.launcher.folder(run).path.exists() or any(a.run == run for _, a in self.state.runs())

    def _launch(self, target: TargetState, run: str) -> None:
        folder = self.launcher.folder(run)
        try:
            child = self.launcher.start(self.scenario_of(self.plan, target), folder)
        except OSError as error:
            why = f"its run cannot be started: {error.strerror or error}"
            self.write(rec.Ended(target.target.id, run, "failed", False, 1, reasons=(why,)))
            return
        self.write(rec.Started(target.target.id, run, child.pid))
        self._follow(target, run, child)

    def _follow(self, target: TargetState, run: str, child: Child) -> None:
        following = Following(child, lambda: self._look(target, run))
        self._runs[run] = following
        task = asyncio.create_task(self._until_ended(target, run, following))
        self._tasks.add(task)
        task.add_done_callback(self._gone)

    def _gone(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = error
        self._news.set()

    def _look(self, target: TargetState, run: str) -> None:
        """New figures of a run that goes on: a service that exceeds its budget counts at once."""
        self._doubt_of(run)
        known = {b.service for b in target.attempts[-1].breaches}
        for found, limit_s in self._runs[run].over(self.plan.budget):
            if found.service not in known:
                self.write(rec.Breached(target.target.id, run, found.service, found.down_s, limit_s))
                self._decide()

    async def _until_ended(self, target: TargetState, run: str, following: Following) -> None:
        await following.until_gone()
        result = await following.result()
        self._take_end(target, run, result, following.child)
        del self._runs[run]
        self._doubts.pop(run, None)
        self._tell_doubt()

    def _take_end(self, target: TargetState, run: str, result: RunResult | None, child: Child) -> None:
        """What became of a run whose process is no more."""
        found = ended(target.target.id, run, result) if result is not None else None
        if found is not None:
            self.write(found)
        elif child.folder.file.exists() and (result is None or operated(result)):
            why = f"its engine is gone since the change began: `csworkbench resume {run}`, or look at the routers"
            if result is None:
                why = "its engine is gone, and its run file cannot be read: look at the routers"
            self.write(rec.Unclear(target.target.id, run, why))
        elif sum(a.over is not None and a.ended is None for a in target.attempts) < LOST_STARTS:
            self.write(
                rec.Requeued(target.target.id, run, f"its engine was gone before the change. {child.last_words}")
            )
        else:
            why = f"its engine was gone before the change {LOST_STARTS + 1} times: {child.last_words}"
            self.write(rec.Ended(target.target.id, run, "failed", False, 1, reasons=(why,)))

    async def _recover(self) -> None:
        """Take up what an earlier process of the campaign left: follow what lives, take the end of what ended."""
        for target in self.state.of(*ACTIVE):
            attempt = target.attempts[-1]
            child = Child(self.launcher.folder(attempt.run))
            if child.is_alive():
                if target.status is Status.STARTING:
                    self.write(rec.Started(target.target.id, attempt.run))
                self._follow(target, attempt.run, child)
            elif not child.folder.file.exists():
                # It was about to be started: nothing has happened yet, and the same run may still begin.
                self._launch(target, attempt.run)
            else:
                self._take_end(target, attempt.run, await asyncio.to_thread(read_result, child.folder), child)

    async def _look_at_unknown(self) -> None:
        """A run whose engine died may have been resumed by hand: its verdict counts after all."""
        loop_s = asyncio.get_running_loop().time()
        if loop_s - self._looked_s < RESUMED_S:
            return
        self._looked_s = loop_s
        for target in self.state.of(Status.UNKNOWN):
            run = target.attempts[-1].run
            if run in self._runs:
                continue
            result = await asyncio.to_thread(read_result, self.launcher.folder(run))
            found = ended(target.target.id, run, result) if result is not None else None
            if found is not None:
                self.write(found)

    def _answer(self, asked: dict[str, str]) -> dict[str, Any]:
        do, who = asked.get("do", ""), asked.get("who", "")[:200] or "somebody"
        if do == "status":
            return {
                "pid": os.getpid(),
                "held": self._held,
                "runs": {run: self._live(following) for run, following in self._runs.items()},
            }
        try:
            args = {name: asked.get(name, "") for name in ("target", "operation", "why")}
            body = entry_for(self.state, do, who=who, **args)
            self.write(body)
        except Refused as error:
            return {"error": str(error)}
        except OSError as error:
            self._broken = error
            return {"error": f"the journal cannot be written: {error.strerror or error}"}
        return {"text": f"{do}: done"}

    @staticmethod
    def _live(following: Following) -> dict[str, Any]:
        return {
            "phase": str(following.state.phase),
            "services": {f.service: {"down_s": f.down_s, "worst": f.worst} for f in following.figures()},
        }


def scenario_of(plan: CampaignPlan, target: TargetState) -> Scenario:
    """What a run of the target measures and does. Without a tenant to measure from, from outside alone."""
    of, scenario = target.target, plan.scenario
    network, vpc, systemvm = (of.id if of.kind == kind else "" for kind in ("network", "vpc", "systemvm"))
    found = replace(
        scenario,
        name=f"{plan.name}: {of.name}",
        operation=target.operation,
        network=network,
        vpc=vpc,
        systemvm=systemvm,
    )
    if of.kind != "systemvm" and of.vantages:
        return found
    seen = {"ingress"} if of.kind != "systemvm" else {"console proxy", "secondary storage"}
    budget = {service: limit_s for service, limit_s in scenario.budget.items() if service in seen}
    vantages = replace(scenario.vantages, tenants=None)
    return replace(found, vantages=vantages, budget=budget, lanes="auto")
