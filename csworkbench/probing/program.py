# SPDX-License-Identifier: Apache-2.0
"""The two programs that probe on a vantage: the Python one, with or without sudo, and the shell agent."""

import hashlib
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

from csworkbench.model.event import Body, ProberStarted
from csworkbench.model.tier import Tier

from .answers import last_line, last_object
from .bundle import PROBES_PACKAGE, Bundle, data_folder
from .plan import SECOND_NS, ProbePlan
from .shell import Completed, Pipe, Shell, ShellError, one_line
from .shell_spool import STEP_NS, ShellSpoolReader, parse_header
from .shell_tail import AskingPipe
from .spool import SpoolError, SpoolReader

HOME = ".cache/csworkbench"
MOST_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Place:
    """Where a spool is to be read on from, and what is added to its sample numbers and stamps."""

    offset: int = 0
    records: int = 0
    taken: int = 0
    gaps: int = 0
    ended: str = ""
    first: tuple[tuple[int, int], ...] = ()
    shift_ns: int = 0


BEGINNING = Place()


class Reader(Protocol):
    """Spool bytes in, events out: what a tail needs. `offset`: where to go on. Sizes are in bytes."""

    offset: int
    gaps: int
    taken: int
    ended: str

    @property
    def records(self) -> int:
        """How many records have been read."""
        ...

    def unread(self, size: int) -> int:
        """How many records a spool of that size holds beyond what was read."""
        ...

    def feed(self, offset: int, data: bytes) -> list[Body]:
        """Take bytes from `offset` on. Raises SpoolError."""
        ...


class Program(Protocol):
    """A program on a vantage. `folder` is relative to the user's home there."""

    @property
    def tier(self) -> Tier:
        """How much it may do there."""
        ...

    @property
    def digest(self) -> str:
        """Names its content."""
        ...

    @property
    def clock_step_ns(self) -> int:
        """How coarse its clock is."""
        ...

    async def start(self, name: str, shell: Shell, plan: ProbePlan, folder: str) -> dict[str, object]:
        """Start a prober, detached: its `pid`, `start_mono` and `start_real`. Raises ShellError."""
        ...

    def stop(self, folder: str) -> str:
        """The script that asks it to stop."""
        ...

    def reader(self, name: str, plan: ProbePlan, place: Place = BEGINNING) -> Reader:
        """What reads its spool."""
        ...

    async def now_ns(self, shell: Shell) -> int:
        """The vantage's clock as its stamps have it. Raises ShellError."""
        ...

    async def tail(self, shell: Shell, folder: str, offset: int) -> Pipe:
        """A pipe that gives frames. Raises ShellError."""
        ...


@dataclass(frozen=True, slots=True)
class PythonProgram:
    """The probe program; it must have been pushed."""

    bundle: Bundle
    tier: Tier = Tier.ROOT

    @property
    def digest(self) -> str:
        """See Program."""
        return self.bundle.digest

    @property
    def clock_step_ns(self) -> int:
        """See Program."""
        return 0

    def script(self, words: str, *, sudo: bool = False) -> str:
        """A command of the probe program."""
        search = f'PYTHONPATH="$HOME/{HOME}/{self.digest}"'
        if sudo:  # by its path: sudo has a PATH of its own, and another Python may be in it
            return f'exec sudo -n env {search} "$(command -v python3)" -m {PROBES_PACKAGE} {words}'
        return f"{search} exec python3 -m {PROBES_PACKAGE} {words}"

    def told(self, words: str) -> str:
        """A command of the probe program, with the rights its prober has."""
        return self.script(words, sudo=self.tier is Tier.SUDO)

    async def start(self, name: str, shell: Shell, plan: ProbePlan, folder: str) -> dict[str, object]:
        """See Program."""
        await shell.put(plan.to_json().encode(), f"{folder}/plan.json")
        words = f'run --plan "$HOME/{folder}"/plan.json --spool "$HOME/{folder}"/spool --detach'
        done = await shell.run(self.script(words, sudo=self.tier is Tier.SUDO))
        answer = last_object(done.out)
        if done.status or "error" in answer or "pid" not in answer:
            why = str(answer.get("error") or "")[:300] or last_line(done.err)
            raise ShellError(f"{name}: the prober did not start: {why}")
        return answer

    def stop(self, folder: str) -> str:
        """See Program."""
        return self.script(f'stop --spool "$HOME/{folder}/spool"', sudo=self.tier is Tier.SUDO)

    def reader(self, name: str, plan: ProbePlan, place: Place = BEGINNING) -> Reader:
        """See Program."""
        return SpoolReader(
            name, frozenset(plan.lane_ids), bytes.fromhex(plan.run), place.offset, place.records, place.gaps,
            taken=place.taken, ended=place.ended, first=dict(place.first), shift_ns=place.shift_ns,
        )  # fmt: skip

    async def now_ns(self, shell: Shell) -> int:
        """See Program."""
        return _number_of(await shell.run("python3 -c 'import time; print(time.monotonic_ns())'"), 1)

    async def tail(self, shell: Shell, folder: str, offset: int) -> Pipe:
        """See Program; anybody may read the spool, so no sudo."""
        return await shell.open(self.script(f'tail --spool "$HOME/{folder}/spool" --offset {offset}'))


@dataclass(frozen=True, slots=True)
class ShellProgram:
    """The shell agent. Every lane of its plan is an ICMP lane of new flows, all with one interval."""

    content: bytes
    named: str = ""

    @classmethod
    def load(cls) -> "ShellProgram":
        """From the probe program's folder. Raises OSError."""
        return cls((data_folder("probes") / "agent.sh").read_bytes())

    @property
    def tier(self) -> Tier:
        """See Program."""
        return Tier.SHELL

    @property
    def digest(self) -> str:
        """See Program."""
        return self.named or hashlib.sha256(self.content).hexdigest()[:16]

    @property
    def clock_step_ns(self) -> int:
        """See Program."""
        return STEP_NS

    async def push(self, shell: Shell) -> None:
        """Put it there. Raises ShellError."""
        await shell.put(self.content, f"{HOME}/agent-{self.digest}.sh")

    def script(self, words: str) -> str:
        """A command of the agent."""
        return f'exec sh "$HOME/{HOME}/agent-{self.digest}.sh" {words}'

    async def start(self, name: str, shell: Shell, plan: ProbePlan, folder: str) -> dict[str, object]:
        """See Program."""
        for lane in plan.lanes:
            _check_address(name, lane.target)
        step, wait_s = plan.lanes[0].interval_ns // STEP_NS, -(-plan.lanes[0].tmax_ns // SECOND_NS)
        lanes = " ".join(f"{lane.id}:{lane.target}" for lane in plan.lanes)
        words = f'start "$HOME/{folder}" {plan.run} {int(plan.duration_s)} {step} {wait_s} {lanes}'
        done = await shell.run(self.script(words))
        try:
            header = parse_header(done.out.strip())
        except SpoolError:
            why = one_line(done.out) or last_line(done.err)
            raise ShellError(f"{name}: the prober did not start: {why}") from None
        return {"pid": header.pid, "start_mono": header.start_ns, "start_real": header.real_ns}

    def stop(self, folder: str) -> str:
        """See Program."""
        return self.script(f'stop "$HOME/{folder}"')

    def reader(self, name: str, plan: ProbePlan, place: Place = BEGINNING) -> Reader:
        """See Program."""
        lanes = {lane.id: lane.interval_ns for lane in plan.lanes}
        return ShellSpoolReader(
            name, lanes, plan.run, plan.lanes[0].tmax_ns, place.offset, place.gaps, taken=place.taken,
            ended=place.ended, first=dict(place.first), shift_ns=place.shift_ns,
        )  # fmt: skip

    async def now_ns(self, shell: Shell) -> int:
        """See Program."""
        return _number_of(await shell.run("cut -d' ' -f1 /proc/uptime | tr -d ."), STEP_NS)

    async def tail(self, shell: Shell, folder: str, offset: int) -> Pipe:
        """See Program."""
        return AskingPipe(await shell.open(self.script(f'answer "$HOME/{folder}"')), offset)


def program_of(started: ProberStarted) -> Program:
    """The program that a session runs, by what the run's history says of it; nothing is pushed."""
    if started.tier == Tier.SHELL:
        return ShellProgram(b"", started.bundle)
    return PythonProgram(Bundle(started.bundle, b""), Tier(started.tier))


def _number_of(done: Completed, unit: int) -> int:
    text = done.out.strip()
    if done.status or not (text.isascii() and text.isdigit() and len(text) < MOST_DIGITS):
        raise ShellError("its clock cannot be read")
    return int(text) * unit


def _check_address(name: str, target: str) -> None:
    """Words of a script, so nothing but an IPv4 address."""
    try:
        IPv4Address(target)
    except ValueError:
        raise ShellError(f"{name}: the prober did not start: {one_line(target)!r} is no IPv4 address") from None
