# SPDX-License-Identifier: Apache-2.0
"""All vantages of a run together."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from csworkbench.model.event import (
    Body,
    Calibrated,
    LaneAdded,
    Level,
    Notice,
    SpoolCollected,
    VantageAdded,
    VantageLeftOut,
)
from csworkbench.model.lane import Lane, Vantage, VantageKind
from csworkbench.model.protocols import Journal
from csworkbench.model.scenario import EVERYBODY, Refused, Scenario
from csworkbench.model.state import RunState
from csworkbench.probing.agent import NOT_REACHED, VantageAgent
from csworkbench.probing.bundle import build_bundle
from csworkbench.probing.calibrate import trouble
from csworkbench.probing.choose import ALL_TIERS, LOCAL_TIERS, Chosen
from csworkbench.probing.plan import ProbePlan
from csworkbench.probing.shell import ShellError

from .fitting import Fitted, View, fit, told
from .order import in_waves, listening, require_budgeted, with_port
from .prepared import NotPrepared, Prepared
from .rejoin import is_quiet, to_rejoin
from .roles import with_roles

HUSH_S = 0.3  # until the last packets of closed connections have passed: nothing tells when they have

T = TypeVar("T")
Clock = Callable[[], int]

CALIBRATE_LEAST_S = 0.2  # the probe program takes no less


class VantageSet:
    """Prepares, starts and collects the vantages; writes who takes part and who does not, and why."""

    def __init__(
        self,
        scenario: Scenario,
        prepared: Prepared,
        journal: Journal,
        run_token: str,
        *,
        clock_ns: Clock = time.monotonic_ns,
        attempt: int = 0,
    ) -> None:
        """`attempt`: how many engines have begun to start probers for this run and are gone."""
        self._scenario, self._prepared, self._journal, self._token = scenario, prepared, journal, run_token
        self._clock_ns, self._attempt = clock_ns, attempt
        self._agents: dict[str, VantageAgent] = {}
        self._started: list[VantageAgent] = []
        self._listening: frozenset[str] = frozenset()
        self._usable: list[Vantage] = []
        self._ready = 0
        self._hurry = asyncio.Event()

    @property
    def lost(self) -> dict[str, str]:
        """Started vantages from which nothing more will come, and why."""
        return {agent.name: agent.lost for agent in self._started if agent.lost}

    @property
    def all_lost(self) -> bool:
        """True when there is nothing left to wait for."""
        return all(agent.lost for agent in self._started)

    @property
    def sampling(self) -> bool:
        """True once every started prober has sent its first samples."""
        return all(agent.sampling for agent in self._started)

    async def start(self, duration_s: float) -> list[Lane]:
        """Reach every vantage, push and start the probers. Raises NotPrepared when nothing can be measured."""
        for name, why in self._prepared.left_out:
            self._journal.write(VantageLeftOut(name, why))
        chosen, usable = await self._reach_all()
        targets = with_port(self._prepared.targets, self._token)
        fitted = fit(
            self._prepared.inventory, usable, chosen, self._scenario.intervals, self._prepared.egress_target, targets
        )
        lanes = fitted.lanes
        for left_out in fitted.left_out:
            self._journal.write(left_out)
        for line in told(fitted.views):
            self._journal.write(Notice(Level.WARN, line))
        if not lanes:
            raise NotPrepared("not measurable: no lane fits this network and its vantages", 4)
        require_budgeted(self._scenario.budget, lanes, fitted.left_out)
        tried = await self._calibrate(lanes)
        launched = await self._launch_all(usable, fitted, duration_s)
        running = {vantage.name for vantage in launched if vantage is not None}
        if not running:
            raise NotPrepared("not measurable: no prober could be started", 4)
        # Only now, so that no lane stands in the run's history that was never probed; and all of it or nothing.
        announced = [body for vantage in usable if vantage.name in running for body in _announced(vantage, tried)]
        lanes = [lane for lane in lanes if lane.vantage in running]
        agents = [self._agents[vantage.name] for vantage in usable if vantage.name in running]
        self._journal.write(*announced, *map(LaneAdded, lanes), *(agent.started() for agent in agents))
        for agent in agents:
            self._started.append(agent)
            agent.follow()
        return lanes

    async def rejoin(self, state: RunState, duration_s: float) -> None:
        """Go on with the probers that an engine left which is gone; those that have ended meanwhile are started anew.

        A vantage to which there is no way any more is given up.
        """
        ways = {vantage.name: connect for vantage, connect in self._prepared.vantages}
        bundle = await asyncio.to_thread(build_bundle)
        self._usable = [vantage.vantage for vantage in state.vantages.values()]
        self._listening = listening(lane.lane for lane in state.lanes.values())
        for name, left in to_rejoin(state).items():
            plan = ProbePlan(self._token, duration_s, tuple(state.lanes_of(name)))
            if name not in ways:
                due = int((self._clock_ns() - left.since_ns) / 1e9 * plan.records_per_s)
                missing = max(due - left.place.taken, 1)  # it may have gone on, and nobody will know
                self._journal.write(SpoolCollected(name, left.place.records, missing, NOT_REACHED))
                self._journal.write(Notice(Level.ERROR, f"{name}: there is no way to it any more"))
                continue
            agent = self._agents[name] = VantageAgent(name, ways[name], bundle, self._journal, self._clock_ns)
            self._started.append(agent)
            agent.rejoin(plan, left, hushed=is_quiet(state.vantages[name]))

    async def end_leftovers(self) -> None:
        """Stop the probers of an engine that was gone before it could say which it had started."""
        with contextlib.suppress(NotPrepared):
            await self._reach_all()

    async def _reach_all(self) -> tuple[dict[str, Chosen], list[Vantage]]:
        """What works where, and the vantages that can be used, with their roles. Raises NotPrepared without any."""
        wanted = [vantage for vantage, _ in self._prepared.vantages]
        bundle = await asyncio.to_thread(build_bundle)
        self._agents = {
            vantage.name: VantageAgent(
                vantage.name, connect, bundle, self._journal, self._clock_ns, session=self._attempt,
                tiers=ALL_TIERS if vantage.kind is VantageKind.TENANT else LOCAL_TIERS,
            )
            for vantage, connect in self._prepared.vantages
        }  # fmt: skip
        self._say(0, len(wanted))
        prepared = await _all(*(self._prepare(vantage, len(wanted)) for vantage in wanted))
        chosen = {vantage.name: of for vantage, of in prepared if of is not None}
        reached = [vantage for vantage, of in prepared if of is not None]
        usable, doubts = with_roles(
            reached, chosen, self._scenario.vantages.tenants, self._prepared.operation is None, self._prepared.inventory
        )
        for line in doubts:
            self._journal.write(Notice(Level.WARN, line))
        self._usable = usable
        if not usable:
            raise NotPrepared("not measurable: no vantage could be reached", 4)
        asked = [vantage for vantage in wanted if vantage.kind is VantageKind.TENANT]
        if asked and not any(vantage.kind is VantageKind.TENANT for vantage in usable):
            # Leaving out some is what `refused: skip` says; without any, egress would go unmeasured unnoticed.
            raise NotPrepared(f"not measurable: none of {len(asked)} tenants could be reached", 4)
        return chosen, usable

    @property
    def hushed(self) -> frozenset[str]:
        """Whom nobody talks to at present."""
        return frozenset(agent.name for agent in self._started if agent.hushed)

    async def hush(self) -> None:
        """Close the channel to the quiet VM, or to all tenants when the scenario says so; their probers go on (S11)."""
        tenants = self._scenario.vantages.tenants
        everybody = tenants is not None and tenants.quiet == EVERYBODY
        names = {v.name for v in self._usable if v.quiet or (everybody and v.kind is VantageKind.TENANT)}
        chosen = [agent for agent in self._started if agent.name in names]
        if chosen:
            await _every(*(agent.hush() for agent in chosen))
            await asyncio.sleep(HUSH_S)

    def wake(self) -> None:
        """Open the channels that `hush` closed."""
        for agent in self._started:
            agent.wake()

    async def collect(self, limit_s: float) -> list[SpoolCollected]:
        """Stop all probers that run and read their spools to the last record. Does nothing the second time."""
        started, self._started = self._started, []
        collected = []
        for wave in reversed(in_waves(started, self._listening)):
            collected += await _every(*(agent.collect(limit_s, self._hurry) for agent in wave))
        return collected

    def hurry(self) -> None:
        """Collect no more than what is here already."""
        self._hurry.set()

    async def close(self) -> None:
        """Drop every channel. Probers that were never collected end by themselves, those never followed are stopped."""
        await _every(*(agent.close() for agent in self._agents.values()))

    async def _prepare(self, vantage: Vantage, total: int) -> tuple[Vantage, Chosen | None]:
        try:
            chosen = await self._agents[vantage.name].prepare()
            await self._agents[vantage.name].stop_leftovers(ProbePlan(self._token, 0.0, ()))
        except ShellError as error:
            await self._leave_out(vantage, str(error))
            return vantage, None
        if chosen.why_not_python:
            self._journal.write(Notice(Level.WARN, f"{chosen.why_not_python}: a shell script probes there instead"))
        self._ready += 1
        self._say(self._ready, total)
        return vantage, chosen

    async def _calibrate(self, lanes: list[Lane]) -> list[Calibrated]:
        """All at once, as the probers will run; says which are too slow for their lanes."""
        seconds = self._scenario.phases.calibrate
        plans: dict[str, tuple[Lane, ...]] = {}
        for lane in lanes:
            plans[lane.vantage] = (*plans.get(lane.vantage, ()), lane)
        if not seconds:
            return []
        length_s = max(seconds, CALIBRATE_LEAST_S)
        found = await _all(
            *(self._agents[name].calibrate(ProbePlan(self._token, 60.0, own), length_s) for name, own in plans.items())
        )
        for line in filter(None, map(trouble, found)):
            self._journal.write(Notice(Level.WARN, line))
        return found

    async def _launch_all(self, usable: list[Vantage], fitted: Fitted, duration_s: float) -> list[Vantage | None]:
        """Those that answer first."""
        self._listening = listening(fitted.lanes)
        launched = []
        for wave in in_waves(usable, self._listening):
            launched += await _all(
                *(self._launch(vantage, fitted.lanes, fitted.views[vantage.name], duration_s) for vantage in wave)
            )
        return launched

    async def _launch(self, vantage: Vantage, lanes: list[Lane], view: View, duration_s: float) -> Vantage | None:
        own = tuple(lane for lane in lanes if lane.vantage == vantage.name)
        if not own:
            self._journal.write(VantageLeftOut(vantage.name, "no lane can be probed from it"))
            return None
        try:
            await self._agents[vantage.name].launch(ProbePlan(self._token, duration_s, own), view.sees, view.cannot_see)
        except ShellError as error:
            await self._leave_out(vantage, str(error))
            return None
        return vantage

    async def _leave_out(self, vantage: Vantage, why: str) -> None:
        await self._agents[vantage.name].close()
        self._journal.write(VantageLeftOut(vantage.name, why))
        tenants = self._scenario.vantages.tenants
        if vantage.kind is VantageKind.OUTSIDE or (tenants is not None and tenants.refused is Refused.FAIL):
            raise NotPrepared(f"not measurable: {vantage.name} cannot be used: {why}", 4)
        self._journal.write(Notice(Level.WARN, f"{vantage.name} is left out: {why}"))

    def _say(self, ready: int, total: int) -> None:
        self._journal.write(Notice(Level.INFO, f"pushing probes {ready}/{total}"))


def _announced(vantage: Vantage, tried: list[Calibrated]) -> list[Body]:
    return [VantageAdded(vantage), *(found for found in tried if found.vantage == vantage.name)]


async def _all(*work: Awaitable[T]) -> list[T]:
    """All results; after the first error, or when cancelled, nothing of it goes on."""
    tasks = [asyncio.ensure_future(part) for part in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _every(*work: Awaitable[T]) -> list[T]:
    """All of it to its end, then the first error, if there was one."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
