# SPDX-License-Identifier: Apache-2.0
"""A prober's life on a vantage is a session. What the next one needs to go on where the last one was."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from csworkbench.model.event import ClockEcho, ProberStarted, SpoolLeft, SpoolRead

from . import boot, tail
from .program import HOME, Place
from .spool import END_REASONS

DRIFT_PPM = 50  # of two clocks against each other
GONE, REBOOTED, ENDED = "prober was gone", "VM was rebooted", "prober had ended"


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often in a run a prober may be started anew on a vantage, and after which pauses in s."""

    pauses_s: tuple[float, ...] = (1.0, 5.0, 15.0, 30.0, 60.0)


def why_next(failure: str, ended: str) -> str:
    """What became of a prober in whose place another one is started; empty when none is.

    `failure` says why nothing more can be read of its spool, `ended` is what its last record says; one is empty.
    A prober that failed, or whose spool is none of ours, would do so again.
    """
    if failure.startswith(boot.REBOOTED):
        return REBOOTED
    if failure == tail.GONE:
        return GONE
    return ENDED if not failure and ended and ended != END_REASONS[2] else ""


def session_token(run_token: str, session: int) -> str:
    """The name of a session, 32 hex digits: of the first one the run's own."""
    return run_token if not session else hashlib.sha256(f"{run_token}/{session}".encode()).hexdigest()[:32]


def session_folder(run_token: str, session: int) -> str:
    """Where its plan and spool are, relative to the user's home on the vantage."""
    return f"{HOME}/runs/{session_token(run_token, session)}"


@dataclass(frozen=True, slots=True)
class Left:
    """A vantage as an engine left it that is gone. `since_ns` is when its prober began, recorder's clock.

    `epoch` is that of the echoes to come; `newest` the last sample number of each lane.
    """

    started: ProberStarted
    read: SpoolRead | None
    earlier: Sequence[SpoolLeft]
    since_ns: int
    epoch: int
    last_echo: ClockEcho | None = None
    newest: dict[int, int] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """Where its spool is to be read on from."""
        started, read = self.started, self.read
        if read is None or read.session != started.session:
            return Place(first=started.first, shift_ns=started.shift_ns)
        return Place(read.offset, read.records, read.taken, read.gaps, read.ended, started.first, started.shift_ns)


def shift_after_reboot(echo: ClockEcho, now_ns: int, remote_ns: int) -> int:
    """What to add to a vantage's new clock so that it goes on where its old one would be, or a little later.

    `echo` is the last one of the old clock, with its shift; `remote_ns` was read there not after `now_ns`. Never too
    little: what lay between must not look shorter than it was.
    """
    passed_ns = now_ns - echo.sent_ns
    return echo.remote_ns + passed_ns + passed_ns * DRIFT_PPM // 1_000_000 - remote_ns
