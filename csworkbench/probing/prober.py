# SPDX-License-Identifier: Apache-2.0
"""The prober of one vantage: started, stopped and started anew there, through whatever shell there is."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from csworkbench.model.event import Calibrated, ProberStarted
from csworkbench.model.tier import Tier

from .answers import last_line, number
from .boot import LIMIT_S, MARK, REBOOTED, mark_of, was_rebooted
from .bundle import Bundle
from .calibrate import calibrate
from .choose import Chosen, choose
from .plan import ProbePlan
from .program import Place, Program, program_of
from .session import REBOOTED as WAS_REBOOTED
from .session import session_folder, session_token, shift_after_reboot
from .shell import Pipe, Shell, ShellError
from .spool import SpoolError
from .tail import GONE, SpoolWatch

LEAST_S = 60.0  # for how long at least a later prober runs
LAUNCH_LIMIT_S = 5.0  # how long a launch that nobody wants any more may take, so that its prober can be stopped


class Prober:
    """One program and plan, one session after the other. It has no channel of its own and writes no event."""

    def __init__(
        self, name: str, bundle: Bundle, tiers: Sequence[Tier], clock_ns: Callable[[], int], session: int
    ) -> None:
        self.asked = False  # to stop
        self._name, self._bundle, self._tiers, self._clock_ns = name, bundle, tiers, clock_ns
        self._session = session
        self._until_ns = 0
        self._sees: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._plan: ProbePlan | None = None
        self._program: Program | None = None
        self._folder = ""
        self._boot = ""

    @property
    def over(self) -> bool:
        """True once it has run for as long as it was planned to."""
        return self._clock_ns() >= self._until_ns

    async def choose(self, shell: Shell) -> Chosen:
        """Push the best program that works there. Raises ShellError."""
        chosen = await choose(self._name, shell, self._bundle, self._tiers)
        self._program = chosen.program
        return chosen

    async def calibrate(self, shell: Shell, plan: ProbePlan, seconds: float) -> Calibrated:
        """Try it out there with a plan, for so long."""
        return await calibrate(self._name, shell, self._need_program(), plan, seconds)

    def to_run(self, plan: ProbePlan, sees: Sequence[str], cannot_see: Sequence[str]) -> None:
        """What it is to do from `start` on, and what the run's history says that it sees."""
        self._plan = plan
        self._sees = tuple(sees), tuple(cannot_see)

    def take_over(self, plan: ProbePlan, started: ProberStarted) -> None:
        """Go on with what another engine started; `plan` has its lanes and for how long it still may run."""
        self._plan, self._session = plan, started.session
        self._sees, self._boot = (started.sees, started.cannot_see), started.boot
        self._program = program_of(started)
        self._folder = session_folder(plan.run, started.session)
        self._until_ns = self._clock_ns() + int(plan.duration_s * 1e9)

    async def start(self, shell: Shell) -> dict[str, object]:
        """Start it, detached; returns its answer. Raises ShellError."""
        return await self._start(shell, self._need_plan())

    async def start_next(self, shell: Shell, watch: SpoolWatch, why: str) -> ProberStarted | None:
        """Start another one in the place of what was watched. Raises ShellError. None when nobody wants it any more."""
        plan, before = self._need_plan(), self._need_program()
        chosen = await choose(self._name, shell, self._bundle, (before.tier,))
        if chosen.tier is not before.tier:
            raise ShellError(f"its probers had tier {before.tier}; now it gives {chosen.tier} only")
        self._program = chosen.program
        rebooted = await was_rebooted(shell, self._boot)
        remote_ns = await chosen.program.now_ns(shell)
        now_ns, old = self._clock_ns(), watch.last_echo
        shift_ns, epoch = watch.shift_ns, watch.epoch
        if old is not None and (rebooted or remote_ns + shift_ns < old.remote_ns):
            shift_ns, epoch = shift_after_reboot(old, now_ns, remote_ns), epoch + 1
        self._session += 1
        rest_s = max((self._until_ns - now_ns) / 1e9, LEAST_S)
        launching = asyncio.create_task(self._start(shell, replace(plan, duration_s=rest_s)))
        try:
            answer = await asyncio.shield(launching)
        except asyncio.CancelledError:  # hushed or closed meanwhile: whether it runs, nobody could say
            await asyncio.wait({launching}, timeout=LAUNCH_LIMIT_S)
            launching.cancel()
            await asyncio.gather(launching, return_exceptions=True)
            await self.stop(shell, LIMIT_S)
            raise
        if self.asked:
            await self.stop(shell, LIMIT_S)
            return None
        first = tuple(sorted((lane, newest + 1) for lane, newest in watch.newest.items()))
        return replace(
            self.told(answer), first=first, shift_ns=shift_ns, epoch=epoch, why=WAS_REBOOTED if rebooted else why
        )

    async def _start(self, shell: Shell, plan: ProbePlan) -> dict[str, object]:
        self._folder = session_folder(plan.run, self._session)
        self._until_ns = self._until_ns or self._clock_ns() + int(plan.duration_s * 1e9)
        plan = replace(plan, run=session_token(plan.run, self._session))
        folder = f'"$HOME/{self._folder}"'
        made = await shell.run(f"umask 077 && mkdir -p {folder} && {{ {MARK}; :; }}")
        if made.status:
            raise ShellError(f"{self._name}: cannot make a folder there: {last_line(made.err)}")
        self._boot = mark_of(made.out)
        return await self._need_program().start(self._name, shell, plan, self._folder)

    def told(self, answer: dict[str, object]) -> ProberStarted:
        """What the run's history says of it, from its answer to `start`."""
        program = self._need_program()
        return ProberStarted(
            self._name,
            number(answer, "pid"),
            number(answer, "start_mono"),
            number(answer, "start_real"),
            str(program.tier),
            program.digest,
            *self._sees,
            session=self._session,
            token=session_token(self._need_plan().run, self._session),
            boot=self._boot,
        )

    def watch(self, started: ProberStarted, place: Place, since_ns: int) -> SpoolWatch:
        """For reading its spool from a place on; it began at `since_ns`, recorder's clock."""
        program, plan = self._need_program(), self._need_plan()
        place = replace(place, first=started.first, shift_ns=started.shift_ns)
        reader = program.reader(self._name, replace(plan, run=session_token(plan.run, started.session)), place)
        return SpoolWatch(
            self._name, reader, plan.records_per_s, since_ns, program.clock_step_ns, session=started.session,
            shift_ns=started.shift_ns, epoch=started.epoch,
        )  # fmt: skip

    async def tail(self, shell: Shell, offset: int) -> Pipe:
        """Its spool from that byte on, and what is written to it. Raises ShellError."""
        return await self._need_program().tail(shell, self._folder, offset)

    async def stop(self, shell: Shell, limit_s: float) -> bool:
        """Ask it to stop; False when that was not heard."""
        with contextlib.suppress(ShellError):
            await shell.run(self._need_program().stop(self._folder), timeout_s=limit_s)
            return True
        return False

    async def stop_leftovers(self, shell: Shell, plan: ProbePlan) -> None:
        """Stop what an engine that is gone may have launched here before it could say so. Raises ShellError."""
        for session in range(self._session):
            folder = session_folder(plan.run, session)
            stop = self._need_program().stop(folder)
            await shell.run(f'test -d "$HOME/{folder}" && {{ {stop}; }}; :', timeout_s=10)

    async def clean_up(self, shell: Shell) -> None:
        """Remove its spools; where that does not work, the prober removes old ones at its next start."""
        folders = (session_folder(self._need_plan().run, session) for session in range(self._session + 1))
        with contextlib.suppress(ShellError):
            await shell.run("rm -rf " + " ".join(f'"$HOME/{folder}"' for folder in folders), timeout_s=5)

    async def explained(self, shell: Shell, why: str) -> str:
        """Why there is nothing more to read: a reboot takes the prober, and on some machines the spool as well."""
        if not await was_rebooted(shell, self._boot):
            return why
        return REBOOTED if why == GONE else f"{REBOOTED}; {why}"

    async def check_disk(self, shell: Shell) -> None:
        """Raise SpoolError when the machine was rebooted and came up with an empty disk."""
        if not await was_rebooted(shell, self._boot):
            return
        with contextlib.suppress(ShellError):
            if (await shell.run(f'test -d "$HOME/{self._folder}"', timeout_s=5)).status == 1:
                raise SpoolError(f"{REBOOTED}; its spool is gone, and what had not been read is lost")

    def _need_plan(self) -> ProbePlan:
        assert self._plan is not None  # noqa: S101 - given before
        return self._plan

    def _need_program(self) -> Program:
        assert self._program is not None  # noqa: S101 - chosen before
        return self._program
