# SPDX-License-Identifier: Apache-2.0
"""All vantages of a run together."""

import asyncio
from dataclasses import replace

from csworkbench.model.event import LaneAdded, Level, Notice, SpoolCollected, VantageAdded, VantageLeftOut
from csworkbench.model.lane import Lane, Prober, Vantage, VantageKind
from csworkbench.model.protocols import Journal
from csworkbench.model.scenario import Refused, Scenario
from csworkbench.probing.agent import Facts, VantageAgent
from csworkbench.probing.bundle import build_bundle
from csworkbench.probing.plan import ProbePlan, derive_lanes
from csworkbench.probing.shell import ShellError

from .prepared import NotPrepared, Prepared

RAW_PROBERS = (Prober.ICMP, Prober.ARP, Prober.SYN)


class VantageSet:
    """Prepares, starts and collects the vantages; writes who takes part and who does not, and why."""

    def __init__(self, scenario: Scenario, prepared: Prepared, journal: Journal, run_token: str) -> None:
        self._scenario, self._prepared, self._journal, self._token = scenario, prepared, journal, run_token
        self._agents: dict[str, VantageAgent] = {}
        self._started: list[VantageAgent] = []
        self._ready = 0

    @property
    def sampling(self) -> bool:
        """True once every started prober has sent its first samples."""
        return all(agent.sampling for agent in self._started)

    async def start(self, duration_s: float) -> list[Lane]:
        """Reach every vantage, push and start the probers. Raises NotPrepared when nothing can be measured."""
        for name, why in self._prepared.left_out:
            self._journal.write(VantageLeftOut(name, why))
        wanted = [vantage for vantage, _ in self._prepared.vantages]
        bundle = await asyncio.to_thread(build_bundle)
        self._agents = {
            vantage.name: VantageAgent(vantage.name, connect, bundle, self._journal)
            for vantage, connect in self._prepared.vantages
        }
        self._say(0, len(wanted))
        prepared = await asyncio.gather(*(self._prepare(vantage, len(wanted)) for vantage in wanted))
        usable = _with_sentinel([vantage for vantage, facts in prepared if facts is not None])
        if not usable:
            raise NotPrepared("not measurable: no vantage could be reached", 4)
        for vantage in usable:
            self._journal.write(VantageAdded(vantage))
        raw = {vantage.name for vantage, facts in prepared if facts is not None and facts.raw_socket}
        lanes = self._lanes(usable, raw)
        if not lanes:
            raise NotPrepared("not measurable: no lane fits this network and its vantages", 4)
        await asyncio.gather(*(self._start(vantage, lanes, duration_s) for vantage in usable))
        if not self._started:
            raise NotPrepared("not measurable: no prober could be started", 4)
        running = {agent.name for agent in self._started}
        return [lane for lane in lanes if lane.vantage in running]

    async def collect(self, limit_s: float) -> list[SpoolCollected]:
        """Stop all probers that run and read their spools to the last record. Does nothing the second time."""
        started, self._started = self._started, []
        return list(await asyncio.gather(*(agent.collect(limit_s) for agent in started)))

    async def close(self) -> None:
        """Drop every channel; probers that still run end by themselves."""
        await asyncio.gather(*(agent.close() for agent in self._agents.values()))

    async def _prepare(self, vantage: Vantage, total: int) -> tuple[Vantage, Facts | None]:
        try:
            facts = await self._agents[vantage.name].prepare()
        except ShellError as error:
            self._leave_out(vantage, str(error))
            return vantage, None
        self._ready += 1
        self._say(self._ready, total)
        return vantage, facts

    async def _start(self, vantage: Vantage, lanes: list[Lane], duration_s: float) -> None:
        agent = self._agents[vantage.name]
        own = tuple(lane for lane in lanes if lane.vantage == vantage.name)
        if not own:
            self._journal.write(VantageLeftOut(vantage.name, "no lane can be probed from it"))
            return
        try:
            await agent.start(ProbePlan(self._token, duration_s, own))
        except ShellError as error:
            self._leave_out(vantage, str(error))
        else:
            # Only now, and before the tail's task gets its turn: a lane whose prober never ran would stay silent.
            for lane in own:
                self._journal.write(LaneAdded(lane))
            self._started.append(agent)

    def _leave_out(self, vantage: Vantage, why: str) -> None:
        self._journal.write(VantageLeftOut(vantage.name, why))
        tenants = self._scenario.vantages.tenants
        if vantage.kind is VantageKind.OUTSIDE or (tenants is not None and tenants.refused is Refused.FAIL):
            raise NotPrepared(f"not measurable: {vantage.name} cannot be used: {why}", 4)
        self._journal.write(Notice(Level.WARN, f"{vantage.name} is left out: {why}"))

    def _lanes(self, usable: list[Vantage], raw: set[str]) -> list[Lane]:
        lanes = derive_lanes(self._prepared.inventory, usable, self._scenario.intervals, self._prepared.egress_target)
        kept = [lane for lane in lanes if lane.prober not in RAW_PROBERS or lane.vantage in raw]
        for name in sorted({lane.vantage for lane in lanes} - {lane.vantage for lane in kept} | _poor(lanes, raw)):
            self._journal.write(
                Notice(
                    Level.WARN, f"{name}: no raw sockets there (root or sudo needed): ICMP, ARP and SYN lanes left out"
                )
            )
        return kept

    def _say(self, ready: int, total: int) -> None:
        self._journal.write(Notice(Level.INFO, f"pushing probes {ready}/{total}"))


def _poor(lanes: list[Lane], raw: set[str]) -> set[str]:
    return {lane.vantage for lane in lanes if lane.prober in RAW_PROBERS and lane.vantage not in raw}


def _with_sentinel(vantages: list[Vantage]) -> list[Vantage]:
    """The first tenant asks for the gateway's MAC; asking refreshes its own entry, so no other does (S11)."""
    chosen = next((v.name for v in vantages if v.kind is VantageKind.TENANT), "")
    return [replace(v, sentinel=v.name == chosen) for v in vantages]
