# SPDX-License-Identifier: Apache-2.0
"""Reading what the shell agent recorded (probes/FORMAT.md, "The shell agent"). Everything in it is untrusted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from csworkbench.model.event import Body, SamplesArrived
from csworkbench.model.sample import Outcome, Reason, Sample
from csworkbench.model.tier import SHELL_STEP_NS

from .spool import END_REASONS, SpoolError

MAGIC = "csw-shell-spool"
VERSION = "1"
STEP_NS = SHELL_STEP_NS  # /proc/uptime counts hundredths of a second
LINE_BYTES = 200  # more than any honest line has
MISSED_AT_ONCE = 100_000
SHORTEST_BYTES = 24  # of a sample's line: to say how many may be unread
_HEADER_WORDS = 6
_MOST_DIGITS = 11  # 30 years in hundredths of a second


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: `pid` of the agent, its start on its own clock and by its wall clock (whole seconds), ns."""

    run: str
    pid: int
    start_ns: int
    real_ns: int


def parse_header(line: str) -> Header:
    """Raises SpoolError when the line is not the first one of a shell spool."""
    words = line.split()
    if len(words) != _HEADER_WORDS or words[:2] != [MAGIC, VERSION]:
        raise SpoolError("not a spool of the shell agent")
    pid, start, real = (_number(word) for word in words[3:])
    if pid is None or start is None or real is None:
        raise SpoolError("not a spool of the shell agent")
    return Header(words[2], pid, start * STEP_NS, real * 1_000_000_000)


@dataclass(slots=True)
class ShellSpoolReader:
    """Turns the agent's lines, in order and cut anywhere, into events; has what SpoolReader has for the tail.

    A stamp says the hundredth of a second in which something was: a packet left after `sent_ns` and, when it was
    answered, before `received_ns` plus STEP_NS. `lanes`: {lane: interval in ns}.
    """

    vantage: str
    lanes: dict[int, int]
    run: str
    tmax_ns: int
    offset: int = 0
    gaps: int = 0
    strange: int = 0
    taken: int = 0
    ended: str = ""
    first: Mapping[int, int] = field(default_factory=dict)
    shift_ns: int = 0
    _rest: bytes = b""
    _begun: bool = False
    _samples: dict[int, list[Sample]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._begun = self.offset > 0  # its first line has been read

    @property
    def records(self) -> int:
        """How many verdicts have been read."""
        return self.taken

    def unread(self, size: int) -> int:
        """At most how many verdicts a spool of that many bytes holds beyond what was read."""
        return max(size - self.offset, 0) // SHORTEST_BYTES

    def feed(self, offset: int, data: bytes) -> list[Body]:
        """Take the bytes from `offset` on; what has been read already is skipped. Raises SpoolError."""
        have = self.offset + len(self._rest)
        if offset > have:
            raise SpoolError(f"{self.vantage}: the tail skipped from byte {have} to {offset}")
        *lines, self._rest = (self._rest + data[have - offset :]).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            raise SpoolError(f"{self.vantage}: its spool is not one of the shell agent")
        for line in lines:
            self.offset += len(line) + 1
            self._line(line[:LINE_BYTES].decode("ascii", "replace"))
        taken, self._samples = self._samples, {}
        return [SamplesArrived(lane, tuple(samples)) for lane, samples in taken.items()]

    def _line(self, line: str) -> None:
        if not self._begun:
            try:
                header = parse_header(line)
            except SpoolError as error:
                raise SpoolError(f"{self.vantage}: {error}") from None
            if header.run != self.run:
                raise SpoolError(f"{self.vantage}: the spool belongs to another run")
            self._begun = True
            return
        words = line.split()
        numbers = [number for word in words[1:7] if (number := _number(word)) is not None]
        match words[:1], len(words), numbers:
            case ["s"], 8, [lane, seq, due, sent, back, status]:
                self._take((lane, seq, status), due * STEP_NS, sent * STEP_NS, back * STEP_NS, words[7])
            case ["m"], 5, [lane, seq, count, due]:
                self._missed(lane, seq, count, due)
            case ["e"], 3, [stopped, count]:
                self.gaps += max(count * len(self.lanes) - self.taken, 0)
                self.ended = END_REASONS.get(stopped, END_REASONS[2])
            case _:
                self.strange += 1

    def _take(self, which: tuple[int, int, int], due_ns: int, sent_ns: int, back_ns: int, word: str) -> None:
        """`which`: lane, sample number, exit status of its ping."""
        lane, seq, status = which
        if lane not in self.lanes:
            self.strange += 1
            return
        half_ns = self.lanes[lane] // 2
        outcome, reason = _verdict(status, word)
        # Sent too late, or nobody listened in time: ping itself did not get to run (S6).
        overslept = outcome is Outcome.FAIL and back_ns - sent_ns > self.tmax_ns + half_ns
        if sent_ns - due_ns > half_ns or overslept:
            outcome, reason = Outcome.UNKNOWN, Reason.SELF_LATE
        received_ns = back_ns if outcome is Outcome.OK else 0
        self._add(lane, Sample(seq, due_ns, sent_ns, received_ns, outcome, reason, 0, 0))

    def _missed(self, lane: int, seq: int, count: int, due: int) -> None:
        if lane not in self.lanes or count > MISSED_AT_ONCE:
            self.strange += 1
            return
        for at in range(count):
            due_ns = due * STEP_NS + at * self.lanes[lane]
            self._add(lane, Sample(seq + at, due_ns, 0, 0, Outcome.UNKNOWN, Reason.SELF_LATE, 0, 0))

    def _add(self, lane: int, sample: Sample) -> None:
        self.taken += 1
        if self.shift_ns or self.first:
            due, sent, back = (at and max(at + self.shift_ns, 1) for at in sample[1:4])
            seq = sample.seq + self.first.get(lane, 0)
            sample = sample._replace(seq=seq, intended_ns=due, sent_ns=sent, received_ns=back)
        self._samples.setdefault(lane, []).append(sample)


def _verdict(status: int, word: str) -> tuple[Outcome, Reason]:
    """ping ends with 0 after an answer and with 1 without; 2 is its own error, 126 and more the shell's."""
    if status == 0:
        return Outcome.OK, Reason.NONE
    if word == "unreachable":
        return Outcome.FAIL, Reason.UNREACHABLE
    if word == "self" or status > 1:
        return Outcome.UNKNOWN, Reason.SELF_ERROR
    return Outcome.FAIL, Reason.TIMEOUT


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS else None
