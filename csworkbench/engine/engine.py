# SPDX-License-Identifier: Apache-2.0
"""The state machine of a run: prepare, warm-up, baseline, (ready), change, settle, collect, done (S13)."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from csworkbench.measurement.analysis import Analysis
from csworkbench.model.event import (
    Event,
    EvidenceKept,
    LaneLeftOut,
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
from csworkbench.probing.agent import CUT_SHORT, NOT_REACHED
from csworkbench.recording.writer import RunFileWriter

from .baseline import Ruling, judge, late_checks, late_limit_s, names, needed_services
from .prepared import NotPrepared, Prepare, Prepared, Proof, keep_watching
from .recorder import Recorder
from .stop import TICK_S, Interrupted, Stop
from .vantages import VantageSet
from .verdict import EXAMINED, decide, exit_code

COLLECT_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0
WARMUP_LIMIT_S = 30.0
FIRST_VERDICT_LIMIT_S = 5.0  # a lane of 1 Hz may have none at the end of a very short baseline
ORPHAN_S = 900.0  # a run that waits for its operator and has no viewer ends after this
LONG_S = 12 * 3600.0  # for how long probers run beyond the phases when a person decides how long that is
SPARE_S = 3600.0  # and when the operation does


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
        diagnostics: bool = True,
    ) -> None:
        self._stop = Stop()
        self._journal = Recorder(writer, self._stop.break_off)
        self._scenario, self._prepare, self._token = scenario, prepare, run_token
        self._interactive, self._measure_s, self._viewers = interactive, measure_s, viewers
        self._diagnostics, self._run_file = diagnostics, writer.path
        self.state = RunState()
        self._analysis = Analysis(self.state)
        writer.subscribe(self._apply)
        self._go = asyncio.Event()
        self._vantages: VantageSet | None = None
        self._needed = needed_services(scenario)
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
        if self.state.phase is Phase.COLLECT and self._vantages is not None:
            self._vantages.hurry()
        last = not self._operating or self._cut_short
        self._cut_short = True
        if last:  # before anything is written: that may fail
            self._stop.set()
        self._journal.write(OperatorActed("stop", why))
        if not last:
            self._journal.write(
                Notice(
                    Level.WARN,
                    "the operation runs in CloudStack and cannot be recalled: measuring to its end;"
                    " a second stop ends the run now",
                )
            )

    def note(self, text: str, at_ns: int = 0) -> None:
        """Keep an operator's remark about a time of this run, host monotonic ns; about now when it is not one."""
        known = self.state.started_ns <= at_ns <= self.state.last_ns
        self._journal.write(OperatorActed("note", text[:500], at_ns if known else 0))

    async def run(self) -> int:
        """Run to the verdict and return the exit code. What was started is given back whatever happens."""
        examine: Callable[[Path], Awaitable[None]] | None = None
        async with contextlib.AsyncExitStack() as given_back:
            try:
                self._enter(Phase.PREPARE)
                prepared = await self._stop.during(self._prepare(self._journal))
                given_back.push_async_callback(prepared.close)
                self._vantages = vantages = VantageSet(self._scenario, prepared, self._journal, self._token)
                given_back.push_async_callback(vantages.close)
                given_back.push_async_callback(vantages.collect, STOP_LIMIT_S)
                verdict = await self._measure(prepared, vantages)
                code = exit_code(verdict)
                went_wrong = prepared.operation is not None and verdict.verdict in EXAMINED
                examine = prepared.evidence if went_wrong and self._diagnostics else None
            except NotPrepared as error:
                verdict, code = self._not_begun(error), error.exit_code
            except Interrupted as stopped:
                verdict = VerdictReached(Verdict.FAILED, False, (str(stopped),))
                code = exit_code(verdict)
            if self._vantages is not None:
                await self._vantages.collect(STOP_LIMIT_S)  # after a whole run there is nothing left to collect
            self._journal.write(verdict)
            if examine is not None:
                await self._keep_evidence(examine)
            self._enter(Phase.DONE)
            self._journal.write(RunClosed(code))
            await self._linger()
            return code

    async def _measure(self, prepared: Prepared, vantages: VantageSet) -> VerdictReached:
        phases = self._scenario.phases
        if prepared.planned is not None:
            self._journal.write(prepared.planned)
        open_ended = self._interactive or (prepared.operation is None and self._measure_s is None)
        needed_s = phases.warmup + phases.baseline + phases.settle_limit + (self._measure_s or 0.0)
        await self._stop.during(vantages.start(needed_s + (LONG_S if open_ended else SPARE_S)))
        self._enter(Phase.WARMUP)
        await self._stop.pause(phases.warmup)
        if not await self._stop.pause(WARMUP_LIMIT_S, lambda: vantages.sampling):
            self._journal.write(Notice(Level.WARN, "not every prober has sent samples yet"))
        self._enter(Phase.BASELINE)
        await self._stop.pause(phases.baseline)
        await self._stop.pause(FIRST_VERDICT_LIMIT_S, self._every_lane_has_a_verdict)
        self._check_baseline(vantages)
        failure: str | None = None
        proof: Proof | None = None
        settled = True
        if prepared.operation is None:
            await self._stop.during(vantages.hush())
            self._enter(Phase.MEASURE)
            await self._just_measure(vantages)
        else:
            if self._interactive:
                await self._wait_for_go()
            await self._stop.during(vantages.hush())
            # The routers go on changing after the job has ended, so they are watched until everything is calm.
            watching = asyncio.create_task(keep_watching(prepared, self._journal))
            try:
                failure = await self._operate(prepared)
                self._enter(Phase.SETTLE)
                settled = await self._settle(vantages)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        stopped = self._stop.is_set and prepared.operation is not None and failure is None
        lost = vantages.lost
        self._enter(Phase.COLLECT)
        collected = await vantages.collect(COLLECT_LIMIT_S)
        lost |= {c.vantage: c.ended for c in collected if c.ended in (NOT_REACHED, CUT_SHORT)}
        if prepared.operation is not None and prepared.verify is not None:
            proof = await self._verify(prepared)
        missing = sum(c.missing for c in collected)
        self._journal.write(
            Notice(Level.INFO if not missing else Level.WARN, f"{missing} missing records of {self._records()}")
        )
        self._analysis.finish()
        services = self._analysis.services()
        told = [f"{name} was not measured to the end ({why})" for name, why in sorted(lost.items())]
        if stopped:
            told.append("stopped by the operator before the confirm window was over")
        return decide(
            services, self._scenario.budget, failure=failure, proof=proof, settled=settled or stopped, lost=told
        )

    async def _wait_for_go(self) -> None:
        self._enter(Phase.READY)
        seen = time.monotonic()
        while not self._go.is_set():
            await self._stop.pause(TICK_S)
            seen = time.monotonic() if self._viewers() else seen
            if time.monotonic() - seen > ORPHAN_S:
                why = "nobody has been watching for 15 minutes: nothing was operated"
                self._journal.write(Notice(Level.WARN, why))
                raise Interrupted(why)

    async def _operate(self, prepared: Prepared) -> str | None:
        """Do it; returns the failure as one line, or None. Errors here never end the measurement."""
        assert prepared.operation is not None  # noqa: S101 - the caller looked
        self._operating = True
        self._enter(Phase.CHANGE, prepared.operation.title)
        operation = asyncio.create_task(prepared.operation.run(self._journal))
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({operation, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if self._stop.broken is not None:
                raise self._stop.broken
            if not operation.done():
                return self._unknown_end()
            operation.result()
        except StepFailed as error:
            failure = str(error)
        except Exception as error:
            if self._stop.broken is not None:
                raise
            failure = f"{prepared.operation.title} broke off: {type(error).__name__}: {error}"
        else:
            return None
        finally:
            self._operating = False
            for task in (operation, stopped):
                task.cancel()
            await asyncio.gather(operation, stopped, return_exceptions=True)
        self._journal.write(Notice(Level.ERROR, failure))
        return failure

    def _unknown_end(self) -> str:
        going_on = [f"{job.command} (job {job.job})" for job in self.state.jobs.values() if job.ended is None]
        who = f"{', '.join(going_on)} goes on in CloudStack and nobody follows it: " if going_on else ""
        text = f"stopped by the operator during the change: {who}how the operation ends is unknown; look at the routers"
        self._journal.write(Notice(Level.ERROR, text))
        return text

    async def _settle(self, vantages: VantageSet) -> bool:
        """Until every lane has been ok for the confirm window (True), or the limit has passed (S13).

        First without those that nobody talks to; then these are woken, and have to be ok that long as well (S11).
        """
        phases, loop = self._scenario.phases, asyncio.get_running_loop()
        entered_ns = self.state.phases[-1][1]
        late = late_checks(self.state, phases.confirm)
        end, wake_at = loop.time() + phases.settle_limit, loop.time() + self._scenario.quiet_s

        def settled() -> bool:
            self._analysis.update()
            unheard = late | self._lanes_of(vantages.hushed)
            since = self._analysis.all_ok_since_ns(unheard)
            calm_from = max(since or 0, entered_ns)
            return since is not None and self._analysis.seen_until_ns(unheard) - calm_from >= phases.confirm * 1e9

        def to_wake() -> bool:
            return loop.time() >= wake_at and (self._nobody_speaks(vantages) or settled())

        try:
            if vantages.hushed:
                await self._stop.pause(max(end - loop.time(), 0.0), to_wake)
                vantages.wake()
            if await self._stop.pause(max(end - loop.time(), 0.0), settled):
                await self._check_late(late)
                return True
            text = f"not all lanes were seen to come back within {phases.settle_limit:.0f} s: reported as open"
            self._journal.write(Notice(Level.ERROR, text))
        except Interrupted:
            self._journal.write(Notice(Level.WARN, "stopped while settling: outages still open are reported as open"))
        return False

    def _lanes_of(self, vantages: Collection[str]) -> frozenset[int]:
        return frozenset(i for i, lane in self.state.lanes.items() if lane.lane.vantage in vantages)

    def _nobody_speaks(self, vantages: VantageSet) -> bool:
        return all(lane.lane.vantage in vantages.hushed for lane in self.state.lanes.values())

    async def _check_late(self, late: frozenset[int]) -> None:
        """Once more each lane that is slower than the confirm window (S13): a sample that was sent from now on."""
        limit_s = late_limit_s(self.state, late)
        from_ns = time.monotonic_ns()

        def spoken() -> bool:
            newest = ((s.lane, s.samples[-1]) for i, s in self.state.lanes.items() if i in late and s.samples)
            return sum(self._analysis.align(lane.vantage, at.at_ns) >= from_ns for lane, at in newest) == len(late)

        if late and not await self._stop.pause(limit_s, spoken):
            self._journal.write(Notice(Level.WARN, f"no late check within {limit_s:.0f} s: {names(self.state, late)}"))

    async def _just_measure(self, vantages: VantageSet) -> None:
        seconds = self._measure_s if self._measure_s is not None else float("inf")
        try:
            if await self._stop.pause(seconds, lambda: vantages.all_lost):
                self._journal.write(Notice(Level.WARN, "no prober runs any more: collecting what was measured"))
        except Interrupted:
            self._journal.write(Notice(Level.INFO, "stopped: collecting what was measured"))

    def _every_lane_has_a_verdict(self) -> bool:
        self._analysis.update()
        quick = [i for i, state in self.state.lanes.items() if state.lane.awaited and not state.lane.slow]
        return all(self._analysis.baseline_so_far(lane_id).sent for lane_id in quick)

    def _check_baseline(self, vantages: VantageSet) -> None:
        """S13: a lane that loses samples before anything was touched cannot say what the change did."""
        self._analysis.update()
        bad: list[str] = []
        left_out: list[LaneLeftOut] = []
        for name, why in vantages.lost.items():
            raise NotPrepared(f"not measurable: {name} was lost before the change: {why}", 4)
        for lane_id, lane_state in self.state.lanes.items():
            lane, baseline = lane_state.lane, self._analysis.baseline_so_far(lane_id)
            match judge(lane, baseline, needed=self._needed):
                case Ruling.BLOCKS:
                    bad.append(f"{lane.subject} {lane.service} {lane.label} lost {baseline.lost} of {baseline.sent}")
                case Ruling.LEFT_OUT:
                    why = f"lost {baseline.lost} of {baseline.sent} samples before the change"
                    left_out.append(LaneLeftOut(lane.service, f"{lane.subject} {lane.label}", why, lane_id))
        if bad:
            more = f" and {len(bad) - 1} more lanes" if len(bad) > 1 else ""
            raise NotPrepared(f"not measurable: bad baseline: {bad[0]}{more}; mend the network first", 4)
        for lane_left_out in left_out:
            self._journal.write(lane_left_out)

    async def _verify(self, prepared: Prepared) -> Proof:
        assert prepared.verify is not None  # noqa: S101 - the caller looked
        try:
            return await prepared.verify()
        except Exception as error:
            if self._stop.broken is not None:
                raise
            return Proof(None, False, (f"could not verify: {error}",))

    async def _keep_evidence(self, examine: Callable[[Path], Awaitable[None]]) -> None:
        """The verdict stands: whatever goes wrong here is said and changes nothing."""
        try:
            await self._stop.during(examine(self._run_file))
        except Interrupted:
            self._journal.write(EvidenceKept("the rest", why="stopped by the operator"))
        except Exception as error:
            if self._stop.broken is not None:
                raise
            self._journal.write(EvidenceKept("the rest", why=f"{type(error).__name__}: {error}"))

    async def _linger(self) -> None:
        """A run that an operator watches stays as long as somebody looks at it, and its test cloud with it."""
        with contextlib.suppress(Interrupted):
            while self._interactive and self._viewers():
                await self._stop.pause(TICK_S)

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
