# SPDX-License-Identifier: Apache-2.0
"""Settling: after the change a run goes on until every lane is calm, or for as long as it may take (S11, S13)."""

import asyncio
from collections.abc import Callable, Collection

from csworkbench.measurement.analysis import Analysis
from csworkbench.model.event import Level, Notice, Phase
from csworkbench.model.protocols import Journal
from csworkbench.model.scenario import Scenario
from csworkbench.model.state import RunState

from .baseline import late_checks, late_limit_s, names
from .stop import Interrupted, Stop
from .vantages import VantageSet


class Settling:
    """When a run is calm. It looks at `state` through `analysis`; its findings go to the journal."""

    def __init__(
        self,
        scenario: Scenario,
        state: RunState,
        analysis: Analysis,
        journal: Journal,
        stop: Stop,
        clock_ns: Callable[[], int],
    ) -> None:
        self._phases, self._quiet_s = scenario.phases, scenario.quiet_s
        self._state, self._analysis = state, analysis
        self._journal, self._stop, self._clock_ns = journal, stop, clock_ns

    async def settle(self, vantages: VantageSet) -> bool:
        """Until every lane has been ok for the confirm window (True), or the limit has passed (S13).

        First without those that nobody talks to; then these are woken, and have to be ok that long as well (S11).
        """
        phases, loop = self._phases, asyncio.get_running_loop()
        entered_ns = self._state.phase_ns(Phase.SETTLE) or self._clock_ns()
        late = late_checks(self._state, phases.confirm)
        end, wake_at = loop.time() + phases.settle_limit, loop.time() + self._quiet_s

        def settled() -> bool:
            return self._is_calm(entered_ns, late | self._lanes_of(vantages.hushed) | self._lanes_of(vantages.lost))

        def over() -> bool:
            return vantages.all_lost or settled()

        def to_wake() -> bool:
            return loop.time() >= wake_at and (self._nobody_speaks(vantages) or settled())

        try:
            if vantages.hushed:
                await self._stop.pause(max(end - loop.time(), 0.0), to_wake)
                vantages.wake()
            if await self._stop.pause(max(end - loop.time(), 0.0), over):
                if lost := vantages.lost:  # the others are calm; of these nobody will ever know
                    text = f"not waiting for {', '.join(sorted(lost))}: nothing more comes from there"
                    self._journal.write(Notice(Level.WARN, text))
                    return False
                await self._check_late(late)
                return True
            text = f"not all lanes were seen to come back within {phases.settle_limit:.0f} s: reported as open"
            self._journal.write(Notice(Level.ERROR, text))
        except Interrupted:
            self._journal.write(Notice(Level.WARN, "stopped while settling: outages still open are reported as open"))
        return False

    def was_settled(self) -> bool:
        """Whether every lane was calm in a run whose engine was gone after it had settled."""
        entered_ns = self._state.phase_ns(Phase.SETTLE)
        return entered_ns is not None and self._is_calm(entered_ns, late_checks(self._state, self._phases.confirm))

    def _is_calm(self, entered_ns: int, without: Collection[int]) -> bool:
        """Whether every lane but those has been ok for the confirm window since then."""
        self._analysis.update()
        since = self._analysis.all_ok_since_ns(without)
        calm_from = max(since or 0, entered_ns)
        seen_ns = self._analysis.seen_until_ns(without) - calm_from
        return since is not None and seen_ns >= self._phases.confirm * 1e9

    def _lanes_of(self, vantages: Collection[str]) -> frozenset[int]:
        return frozenset(i for i, lane in self._state.lanes.items() if lane.lane.vantage in vantages)

    def _nobody_speaks(self, vantages: VantageSet) -> bool:
        return all(lane.lane.vantage in vantages.hushed for lane in self._state.lanes.values())

    async def _check_late(self, late: frozenset[int]) -> None:
        """Once more each lane that is slower than the confirm window (S13): a sample that was sent from now on."""
        limit_s = late_limit_s(self._state, late)
        from_ns = self._clock_ns()

        def spoken() -> bool:
            newest = ((s.lane, s.samples[-1]) for i, s in self._state.lanes.items() if i in late and s.samples)
            return sum(self._analysis.align(lane.vantage, at.at_ns) >= from_ns for lane, at in newest) == len(late)

        if late and not await self._stop.pause(limit_s, spoken):
            self._journal.write(Notice(Level.WARN, f"no late check within {limit_s:.0f} s: {names(self._state, late)}"))
