# SPDX-License-Identifier: Apache-2.0
"""The state machine of a run: prepare, warm-up, baseline, (ready), change, settle, collect, done (S13)."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from csworkbench.measurement.analysis import Analysis
from csworkbench.model.event import (
    Event,
    EvidenceKept,
    Level,
    Notice,
    OperationEnded,
    OperatorActed,
    Phase,
    PhaseEntered,
    RunClosed,
    Verdict,
    VerdictReached,
)
from csworkbench.model.scenario import Scenario
from csworkbench.model.state import RunState, apply
from csworkbench.probing.agent import CUT_SHORT, NOT_REACHED
from csworkbench.recording.writer import RunFileWriter

from .baseline import judge_all, needed_services
from .operating import Operating
from .prepared import NotPrepared, Prepare, Prepared, Proof, keep_watching
from .recorder import Recorder
from .rejoin import where_it_was
from .settling import Settling
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
        past: RunState | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        just_end: bool = False,
    ) -> None:
        """`past`: the run's history, RunResumed included, when its own engine is gone and this one goes on with it.

        `just_end`: stop its probers and judge what was recorded. `clock_ns` is the writer's clock.
        """
        self._stop = Stop()
        self._journal = Recorder(writer, self._stop.break_off)
        self._scenario, self._prepare, self._token = scenario, prepare, run_token
        self._interactive, self._measure_s, self._viewers = interactive, measure_s, viewers
        self._diagnostics, self._run_file = diagnostics, writer.path
        self.state, self._resumed = past or RunState(), past is not None
        self._clock_ns, self._just_end = clock_ns, just_end
        self._analysis = Analysis(self.state)
        self._settling = Settling(scenario, self.state, self._analysis, self._journal, self._stop, clock_ns)
        self._operating = Operating(self.state, self._journal, self._stop)
        writer.subscribe(self._apply)
        self._go = asyncio.Event()
        self._vantages: VantageSet | None = None
        self._needed = needed_services(scenario)
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
        last = not self._operating.under_way or self._cut_short
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
        if self._resumed and self.state.verdict is not None:  # all but the last line was written
            return self._close(exit_code(self.state.verdict))
        async with contextlib.AsyncExitStack() as given_back:
            try:
                if not self.state.lanes:
                    self._enter(Phase.PREPARE)
                prepared = await self._stop.during(self._prepare(self._journal))
                given_back.push_async_callback(prepared.close)
                self._vantages = vantages = VantageSet(
                    self._scenario, prepared, self._journal, self._token,
                    clock_ns=self._clock_ns, attempt=len(self.state.resumed),
                )  # fmt: skip
                given_back.push_async_callback(vantages.close)
                given_back.push_async_callback(vantages.collect, STOP_LIMIT_S)
                verdict = await self._measure(prepared, vantages)
                code = exit_code(verdict)
                went_wrong = prepared.operation is not None and verdict.verdict in EXAMINED
                examine = prepared.evidence if went_wrong and self._diagnostics else None
            except (NotPrepared, Interrupted) as error:
                if self._resumed and self._vantages is None:  # the run can still be gone on with
                    self._journal.write(Notice(Level.ERROR, f"not resumed: {error}"))
                    return error.exit_code if isinstance(error, NotPrepared) else 1
                verdict, code = self._not_measured(error)
            if self._vantages is not None:
                await self._vantages.collect(STOP_LIMIT_S)  # after a whole run there is nothing left to collect
            self._journal.write(verdict)
            if examine is not None:
                await self._keep_evidence(examine)
            self._close(code)
            await self._linger()
            return code

    def _not_measured(self, error: NotPrepared | Interrupted) -> tuple[VerdictReached, int]:
        if isinstance(error, NotPrepared):
            return self._not_begun(error), error.exit_code
        why = str(error) if not self.state.sent else "stopped by the operator: how the operation ended is unknown"
        verdict = VerdictReached(Verdict.FAILED, False, (why,))
        return verdict, exit_code(verdict)

    def _close(self, code: int) -> int:
        if self.state.phase is not Phase.DONE:
            self._enter(Phase.DONE)
        self._journal.write(RunClosed(code))
        return code

    async def _measure(self, prepared: Prepared, vantages: VantageSet) -> VerdictReached:
        if prepared.planned is not None:
            self._journal.write(prepared.planned)
        at = where_it_was(self.state)
        if at is None:
            await self._begin(prepared, vantages)
        else:
            await self._stop.during(vantages.rejoin(self.state, self._needed_s(prepared)))
            if self._just_end:
                return await self._give_up(prepared, vantages)
        if at in (None, Phase.BASELINE):
            await self._measure_baseline(vantages, again=at is not None)
        if prepared.operation is None:
            if at is not Phase.COLLECT:
                await self._measure_only(vantages)
            return await self._conclude(prepared, vantages, None, settled=True)
        # The routers go on changing after the job has ended, so they are watched until everything is calm.
        watching = asyncio.create_task(keep_watching(prepared, self._journal))
        try:
            failure = await self._change(prepared, vantages)
            if self.state.phase not in (Phase.SETTLE, Phase.COLLECT):
                self._enter(Phase.SETTLE)
            settled = self._settling.was_settled() if at is Phase.COLLECT else await self._settling.settle(vantages)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        return await self._conclude(prepared, vantages, failure, settled=settled)

    async def _begin(self, prepared: Prepared, vantages: VantageSet) -> None:
        if self._just_end:
            await self._stop.during(vantages.end_leftovers())
            raise NotPrepared("given up before anything was measured", 1)
        await self._stop.during(vantages.start(self._needed_s(prepared)))
        self._enter(Phase.WARMUP)
        await self._stop.pause(self._scenario.phases.warmup)

    def _needed_s(self, prepared: Prepared) -> float:
        """For how long the probers may be needed."""
        phases = self._scenario.phases
        open_ended = self._interactive or (prepared.operation is None and self._measure_s is None)
        needed_s = phases.warmup + phases.baseline + phases.settle_limit + (self._measure_s or 0.0)
        return needed_s + (LONG_S if open_ended else max(SPARE_S, phases.job_limit))

    async def _measure_baseline(self, vantages: VantageSet, *, again: bool) -> None:
        if not await self._stop.pause(WARMUP_LIMIT_S, lambda: vantages.sampling):
            self._journal.write(Notice(Level.WARN, "not every prober has sent samples yet"))
        self._enter(Phase.BASELINE, "begun anew" if again else "")
        await self._stop.pause(self._scenario.phases.baseline)
        await self._stop.pause(FIRST_VERDICT_LIMIT_S, self._every_lane_has_a_verdict)
        self._check_baseline(vantages)

    async def _measure_only(self, vantages: VantageSet) -> None:
        if self.state.phase is not Phase.MEASURE:
            await self._stop.during(vantages.hush())
            self._enter(Phase.MEASURE)
        await self._just_measure(vantages)

    async def _change(self, prepared: Prepared, vantages: VantageSet) -> str | None:
        """The operation, unless it is over already; returns its failure as one line, or None."""
        if (ended := self.state.operation_ended) is not None:
            self._operating.end_known = ended.end_known
            return ended.failure or None
        if self.state.phase is not Phase.CHANGE or not self.state.sent:
            if self._interactive:
                await self._wait_for_go()
            await self._stop.during(vantages.hush())
        assert prepared.operation is not None  # noqa: S101 - the caller looked
        failure = await self._operating.operate(prepared.operation)
        self._journal.write(OperationEnded(failure or "", self._operating.end_known))
        return failure

    async def _give_up(self, prepared: Prepared, vantages: VantageSet) -> VerdictReached:
        """Nobody wants the run any more: what was recorded is judged, and nothing is asked or sent."""
        ended, sent = self.state.operation_ended, bool(self.state.sent)
        failure = ended.failure if ended is not None else ""
        if ended is not None:
            self._operating.end_known = ended.end_known
        elif sent:
            failure, self._operating.end_known = self._operating.stopped_midway(), False
        elif not sent and not self._scenario.operation.is_none:
            failure = "given up before the change: nothing was operated"
        self._journal.write(OperatorActed("stop", "given up after its engine was gone"))
        prepared.verify = None
        return await self._conclude(prepared, vantages, failure or None, settled=self._settling.was_settled())

    async def _conclude(
        self, prepared: Prepared, vantages: VantageSet, failure: str | None, *, settled: bool
    ) -> VerdictReached:
        proof: Proof | None = None
        stopped = self._stop.is_set and prepared.operation is not None and failure is None
        lost = vantages.lost
        if self.state.phase is not Phase.COLLECT:
            self._enter(Phase.COLLECT)
        collected = [v.collected for v in self.state.vantages.values() if v.collected is not None]  # before
        collected += await vantages.collect(COLLECT_LIMIT_S)
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
            services, self._scenario.budget, failure=failure, proof=proof, settled=settled or stopped, lost=told,
            end_known=self._operating.end_known,
        )  # fmt: skip

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

    async def _just_measure(self, vantages: VantageSet) -> None:
        seconds = self._measure_s if self._measure_s is not None else float("inf")
        seconds -= (self._clock_ns() - (self.state.phase_ns(Phase.MEASURE) or 0)) / 1e9
        try:
            if await self._stop.pause(max(seconds, 0.0), lambda: vantages.all_lost):
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
        for name, why in vantages.lost.items():
            raise NotPrepared(f"not measurable: {name} was lost before the change: {why}", 4)
        bad, left_out = judge_all(self.state, self._analysis, needed=self._needed)
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
