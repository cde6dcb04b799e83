# SPDX-License-Identifier: Apache-2.0
"""A run of a campaign as it goes on: its events through the one reducer, its figures, and what exceeds the budget."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from csworkbench.engine.client import CodecError, NoEngine, Viewer
from csworkbench.measurement.analysis import Analysis
from csworkbench.model.event import ChannelState, Event, Phase
from csworkbench.model.state import RunState, apply
from csworkbench.recording.library import RunFolder
from csworkbench.recording.reader import RunFileError
from csworkbench.results.run_result import RunResult, analyse, load_result
from csworkbench.upgrade.campaign.record import Ended, Figures

from .child import Child

LOOK_S = 0.1
FIGURES_S = 0.25  # between two looks at the figures of one run


class Following:
    """One run. `news` is called whenever there is something to look at."""

    def __init__(self, child: Child, news: Callable[[], None]) -> None:
        self.child = child
        self.state = RunState()
        self._analysis = Analysis(self.state)
        self._news = news
        self._looked_s = 0.0

    @property
    def operated(self) -> bool:
        """Whether the change had begun when the run was last heard of."""
        return self.state.phase_ns(Phase.CHANGE) is not None

    def figures(self) -> list[Figures]:
        """Downtime so far, per service; an outage that goes on counts up to the newest sample."""
        if not self.operated:
            return []
        self._analysis.update()
        return figures_of(RunResult(self.state, self._analysis))

    def over(self, budget: Mapping[str, float]) -> Iterator[tuple[Figures, float]]:
        """The services that exceed their budget, with it, seconds."""
        for found in self.figures() if budget else ():
            limit_s = budget.get(found.service)
            if limit_s is not None and found.down_s > limit_s:
                yield found, limit_s

    def in_doubt(self, budget: Mapping[str, float], now_ns: int) -> str:
        """A service that is over its budget unless it has come back meanwhile: verdicts take until a sample's Tmax, or
        until a lost channel is open again. Empty without one. `now_ns`: CLOCK_MONOTONIC.
        """
        if not self.operated or self.state.phase not in (Phase.CHANGE, Phase.SETTLE):
            return ""
        self._analysis.update()
        for number, lane_state in self.state.lanes.items():
            lane = lane_state.lane
            limit_s = budget.get(str(lane.service))
            if limit_s is None or not lane.headline or not lane.awaited or lane_state.left_out:
                continue
            report = self._analysis.lane(number)
            vantage = self.state.vantages.get(lane.vantage)
            unseen = report.open or (vantage is not None and vantage.channel is ChannelState.LOST)
            seen_ns = self._analysis.seen_of_ns(number)
            if unseen and seen_ns and report.down_ns + now_ns - seen_ns > limit_s * 1e9:
                return f"{lane.service} of {lane.subject} has not been seen up for longer than its budget"
        return ""

    async def until_gone(self) -> None:
        """Follow the run until its process is no more."""
        while True:
            alive = self.child.is_alive()
            with contextlib.suppress(NoEngine, CodecError, OSError):
                await self._attached()
            if not alive and not self.child.is_alive():
                return
            await asyncio.sleep(LOOK_S)

    async def _attached(self) -> None:
        viewer = await Viewer.attach(self.child.folder.socket, self.state.seq)
        try:
            async for batch in viewer.events():
                self._take(batch)
        finally:
            await viewer.close()

    def _take(self, batch: list[Event]) -> None:
        for event in batch:
            apply(self.state, event)
        now_s = asyncio.get_running_loop().time()
        if now_s - self._looked_s >= FIGURES_S or self.state.closed is not None:
            self._looked_s = now_s
            self._news()

    async def result(self) -> RunResult | None:
        """The run that has ended; None when there is no run file."""
        if self.state.closed is not None:
            return await asyncio.to_thread(analyse, self.state)
        return await asyncio.to_thread(read_result, self.child.folder)


def read_result(folder: RunFolder) -> RunResult | None:
    """What a run's file says; None when there is none, or none that can be read."""
    try:
        return load_result(folder.file)
    except RunFileError:
        return None


def figures_of(result: RunResult) -> list[Figures]:
    """Downtime per service."""
    return [
        Figures(str(service), _s(report.down_ns), _s(report.low_ns), _s(report.high_ns), report.worst)
        for service, report in result.services().items()
    ]


def ended(target: str, run: str, result: RunResult) -> Ended | None:
    """The journal's entry for a run that came to a verdict; None for one that did not."""
    state = result.state
    if state.verdict is None or state.closed is None:
        return None
    began, over = (datetime.fromtimestamp(state.wall_ns(at) / 1e9, UTC) for at in (state.started_ns, state.last_ns))
    return Ended(
        target, run, str(state.verdict.verdict), state.verdict.over_budget, state.closed.exit_code,
        reasons=state.verdict.reasons, services=tuple(figures_of(result)), vantages=tuple(state.vantages),
        left_out=tuple(f"{left.name}: {left.why}" for left in state.left_out),
        missing_records=state.missing_records, began=began, ended=over,
    )  # fmt: skip


def operated(result: RunResult) -> bool:
    """Whether the run had begun to operate."""
    return result.state.phase_ns(Phase.CHANGE) is not None


def _s(ns: int) -> float:
    return round(ns / 1e9, 3)
