# SPDX-License-Identifier: Apache-2.0
"""The state machine of a run: prepare, warm-up, baseline, (ready), change, settle, collect, done (S13)."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from csworkbench.measurement.analysis import Analysis
from csworkbench.model.event import (
    Event,
    Level,
    Notice,
    OperatorActed,
    Phase,
    PhaseEntered,
    RunClosed,
    Verdict,
    VerdictReached,
)
from csworkbench.model.protocols import StepFailed
from csworkbench.model.scenario import Scenario
from csworkbench.model.state import RunState, apply
from csworkbench.recording.writer import RunFileWriter

from .prepared import NotPrepared, Prepare, Prepared, Proof
from .vantages import VantageSet
from .verdict import decide, exit_code

T = TypeVar("T")

TICK_S = 0.1
WATCH_EVERY_S = 2.0
COLLECT_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0
WARMUP_LIMIT_S = 30.0
FIRST_VERDICT_LIMIT_S = 5.0  # a lane of 1 Hz may have none at the end of a very short baseline
ORPHAN_S = 900.0  # a run that waits for its operator and has no viewer ends after this


class Interrupted(Exception):
    """The operator ended the run before anything was changed."""


class Engine:
    """Runs one scenario and writes its history. `viewers` tells how many viewers are attached."""

    def __init__(
        self,
        writer: RunFileWriter,
        scenario: Scenario,
        prepare: Prepare,
        *,
        run_token: str,
        interactive: bool = False,
        measure_s: float | None = None,
        viewers: Callable[[], int] = lambda: 0,
    ) -> None:
        self._journal = writer
        self._scenario, self._prepare, self._token = scenario, prepare, run_token
        self._interactive, self._measure_s, self._viewers = interactive, measure_s, viewers
        self.state = RunState()
        self._analysis = Analysis(self.state)
        writer.subscribe(self._apply)
        self._go = asyncio.Event()
        self._stop = asyncio.Event()
        self._operating = False
        self._cut_short = False

    def start_operation(self) -> None:
        """The operator's confirmed start. Refused, and said so, in any phase but `ready`."""
        if self.state.phase is Phase.READY:
            self._journal.write(OperatorActed("start"))
            self._go.set()
        else:
            self._journal.write(Notice(Level.WARN, f"cannot start now: the run is in phase {self.state.phase}"))

    def interrupt(self, why: str) -> None:
        """SIGINT, SIGTERM or a viewer's stop. Before the change it ends the run; during it the second one does."""
        if self.state.phase is Phase.DONE:
            self._stop.set()
            return
        if self.state.phase is Phase.COLLECT:
            return
        self._journal.write(OperatorActed("stop", why))
        if not self._operating:
            self._stop.set()
        elif not self._cut_short:
            self._cut_short = True
            self._journal.write(
                Notice(
                    Level.WARN,
                    "the operation runs in CloudStack and cannot be recalled: measuring to its end;"
                    " a second stop ends the run now",
                )
            )
        else:
            self._stop.set()

    def note(self, text: str) -> None:
        """Keep an operator's remark at this point of the timeline."""
        self._journal.write(OperatorActed("note", text[:500]))

    async def run(self) -> int:
        """Run to the verdict and return the exit code. What was started is given back whatever happens."""
        prepared: Prepared | None = None
        vantages: VantageSet | None = None
        try:
            try:
                self._enter(Phase.PREPARE)
                prepared = await self._until_stopped(self._prepare(self._journal))
                vantages = VantageSet(self._scenario, prepared, self._journal, self._token)
                verdict = await self._measure(prepared, vantages)
            except NotPrepared as error:
                verdict = self._not_begun(error)
                code = error.exit_code
            except Interrupted:
                verdict = VerdictReached(
                    Verdict.FAILED, False, ("stopped by the operator before the change: nothing was operated",)
                )
                code = exit_code(verdict)
            else:
                code = exit_code(verdict)
            if vantages is not None:
                await vantages.collect(STOP_LIMIT_S)  # after a whole run there is nothing left to collect
            self._journal.write(verdict)
            self._enter(Phase.DONE)
            self._journal.write(RunClosed(code))
            await self._linger()
            return code
        finally:
            if vantages is not None:
                await vantages.collect(STOP_LIMIT_S)
                await vantages.close()
            if prepared is not None:
                await prepared.close()

    async def _measure(self, prepared: Prepared, vantages: VantageSet) -> VerdictReached:
        phases = self._scenario.phases
        if prepared.planned is not None:
            self._journal.write(prepared.planned)
        needed_s = phases.warmup + phases.baseline + phases.settle_limit + (self._measure_s or 0.0)
        await self._until_stopped(vantages.start(needed_s + (12 * 3600.0 if self._interactive else 3600.0)))
        self._enter(Phase.WARMUP)
        await self._wait(phases.warmup)
        if not await self._wait(WARMUP_LIMIT_S, lambda: vantages.sampling):
            self._journal.write(Notice(Level.WARN, "not every prober has sent samples yet"))
        self._enter(Phase.BASELINE)
        await self._wait(phases.baseline)
        await self._wait(FIRST_VERDICT_LIMIT_S, self._every_lane_has_a_verdict)
        self._check_baseline()
        failure: str | None = None
        proof: Proof | None = None
        if prepared.operation is None:
            self._enter(Phase.MEASURE)
            await self._just_measure()
        else:
            if self._interactive:
                await self._wait_for_go()
            failure = await self._operate(prepared)
            self._enter(Phase.SETTLE)
            await self._settle()
        self._enter(Phase.COLLECT)
        collected = await vantages.collect(COLLECT_LIMIT_S)
        if prepared.operation is not None and prepared.verify is not None:
            proof = await self._verify(prepared)
        missing = sum(c.missing for c in collected)
        self._journal.write(
            Notice(Level.INFO if not missing else Level.WARN, f"{missing} missing records of {self._records()}")
        )
        self._analysis.finish()
        services = self._analysis.services()
        return decide(services, self._scenario.budget, failure=failure, proof=proof)

    async def _wait_for_go(self) -> None:
        self._enter(Phase.READY)
        seen = time.monotonic()
        while not self._go.is_set():
            await self._wait(TICK_S)
            seen = time.monotonic() if self._viewers() else seen
            if time.monotonic() - seen > ORPHAN_S:
                self._journal.write(Notice(Level.WARN, "nobody has been watching for 15 minutes: the run ends"))
                raise Interrupted

    async def _operate(self, prepared: Prepared) -> str | None:
        """Do it; returns the failure as one line, or None. Errors here never end the measurement."""
        assert prepared.operation is not None  # noqa: S101 - the caller looked
        self._operating = True
        self._enter(Phase.CHANGE, prepared.operation.title)
        operation = asyncio.create_task(prepared.operation.run(self._journal))
        watching = asyncio.create_task(self._keep_watching(prepared))
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({operation, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not operation.done():
                return "stopped by the operator during the change: how the operation ends is unknown"
            operation.result()
        except StepFailed as error:
            self._journal.write(Notice(Level.ERROR, str(error)))
            return str(error)
        finally:
            for task in (operation, watching, stopped):
                task.cancel()
            await asyncio.gather(operation, watching, stopped, return_exceptions=True)
        return None

    async def _keep_watching(self, prepared: Prepared) -> None:
        while True:
            await prepared.watch()
            await asyncio.sleep(WATCH_EVERY_S)

    async def _settle(self) -> None:
        """Until every lane has been ok for the confirm window, or the limit has passed (S13)."""
        phases = self._scenario.phases
        entered_ns = self.state.phases[-1][1]

        def settled() -> bool:
            self._analysis.update()
            since = self._analysis.all_ok_since_ns()
            calm_from = max(since or 0, entered_ns)
            return since is not None and self._analysis.seen_until_ns() - calm_from >= phases.confirm * 1e9

        try:
            if not await self._wait(phases.settle_limit, settled):
                self._journal.write(
                    Notice(Level.ERROR, f"not all lanes came back within {phases.settle_limit:.0f} s: reported as open")
                )
        except Interrupted:
            self._journal.write(Notice(Level.WARN, "stopped while settling: outages still open are reported as open"))

    async def _just_measure(self) -> None:
        try:
            await self._wait(self._measure_s if self._measure_s is not None else float("inf"))
        except Interrupted:
            self._journal.write(Notice(Level.INFO, "stopped: collecting what was measured"))

    def _every_lane_has_a_verdict(self) -> bool:
        self._analysis.update()
        return all(self._analysis.baseline_so_far(lane_id).sent for lane_id in self.state.lanes)

    def _check_baseline(self) -> None:
        """S13: a lane that loses samples before anything was touched cannot say what the change did."""
        self._analysis.update()
        bad = []
        for lane_id, lane_state in self.state.lanes.items():
            baseline = self._analysis.baseline_so_far(lane_id)
            if not baseline.measurable:
                lane = lane_state.lane
                bad.append(f"{lane.subject} {lane.service} {lane.label} lost {baseline.lost} of {baseline.sent}")
        if bad:
            more = f" and {len(bad) - 1} more lanes" if len(bad) > 1 else ""
            raise NotPrepared(f"not measurable: bad baseline: {bad[0]}{more}; mend the network first", 4)

    async def _verify(self, prepared: Prepared) -> Proof:
        assert prepared.verify is not None  # noqa: S101 - the caller looked
        try:
            return await prepared.verify()
        except StepFailed as error:
            return Proof(None, False, (f"could not verify: {error}",))

    async def _until_stopped(self, work: Awaitable[T]) -> T:
        task = asyncio.ensure_future(work)
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Interrupted
            return task.result()
        finally:
            stopped.cancel()
            if not task.done():
                task.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    async def _wait(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Wait that long, or until the condition holds (True). Raises Interrupted."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            if until is not None and until():
                return True
            left = end - loop.time()
            if left <= 0:
                return False
            try:
                await asyncio.wait_for(self._stop.wait(), min(left, TICK_S if until is not None else left))
            except TimeoutError:
                continue
            raise Interrupted

    async def _linger(self) -> None:
        """A run that an operator watches stays as long as somebody looks at it, and its test cloud with it."""
        with contextlib.suppress(Interrupted):
            while self._interactive and self._viewers():
                await self._wait(TICK_S)

    def _not_begun(self, error: NotPrepared) -> VerdictReached:
        self._journal.write(Notice(Level.ERROR, str(error)))
        verdict = Verdict.NOT_MEASURABLE if error.exit_code == exit_code(_unmeasurable()) else Verdict.FAILED
        return VerdictReached(verdict, False, (str(error),))

    def _records(self) -> int:
        return sum(v.collected.records for v in self.state.vantages.values() if v.collected is not None)

    def _enter(self, phase: Phase, why: str = "") -> None:
        self._journal.write(PhaseEntered(phase, why))

    def _apply(self, event: Event) -> None:
        apply(self.state, event)


def _unmeasurable() -> VerdictReached:
    return VerdictReached(Verdict.NOT_MEASURABLE, False)
