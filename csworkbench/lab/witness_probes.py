# SPDX-License-Identifier: Apache-2.0
"""What all probes of the witness have in common: sent at their moments, settled in order into a `Fold`."""

from __future__ import annotations

import errno
import time
from collections import deque
from collections.abc import Callable

from csworkbench.lab.witness_outages import SELF, Fold, Sample

ANSWER_NS = 1_000_000_000
TCP_NS = 900_000_000
"""Less than the second after which a SYN is sent again: one sample is one SYN."""
WRONG = "wrong-content"
_REASONS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
}
"""Any other error is our own."""


class Probe:
    """One attempt that may be under way."""

    __slots__ = ("answered_ns", "deadline_ns", "handed_ns", "reason", "release", "sent_ns", "settled")

    def __init__(self, sent_ns: int, deadline_ns: int) -> None:
        self.sent_ns = self.handed_ns = sent_ns
        self.deadline_ns = deadline_ns
        self.answered_ns: int | None = None
        self.reason = "timeout"
        self.settled = False
        self.release: Callable[[], None] | None = None


class Prober:
    """What all have in common; a kind says how one is sent (`_send`)."""

    limit_ns = ANSWER_NS

    def __init__(self, period_ns: int) -> None:
        self.fold = Fold(period_ns)
        # Numbers become ports and identifiers, and what a witness before left half open may still be remembered.
        self._first = time.monotonic_ns() // period_ns
        self._under_way: deque[Probe] = deque()
        self._stopped = False

    def stop(self) -> None:
        """Send no more; what is under way will be settled."""
        self._stopped = True

    def fire(self) -> None:
        """Send the next one, unless stopped."""
        if self._stopped:
            return
        number = self._first + len(self._under_way)
        sent_ns = time.monotonic_ns()
        probe = Probe(sent_ns, sent_ns + self.limit_ns)
        self._under_way.append(probe)
        try:
            self._send(probe, number)
        except OSError as error:
            self.fail_with(probe, error)
        probe.handed_ns = time.monotonic_ns()

    def _send(self, probe: Probe, number: int) -> None:
        raise NotImplementedError

    def answer(self, number: int, reason: str | None = None) -> None:
        """An answer to that number has arrived: a good one, or one that says `reason`."""
        index = (number - self._first) & 0xFFFFFFFF  # packets carry 32 bits of it
        if index >= len(self._under_way):
            return  # later than its limit
        probe = self._under_way[index]
        if reason is None:
            self.succeed(probe)
        else:
            self.fail(probe, reason)

    def succeed(self, probe: Probe) -> None:
        """It was answered as expected, now."""
        if not probe.settled:
            probe.answered_ns = time.monotonic_ns()
            self._settle(probe)

    def fail(self, probe: Probe, reason: str) -> None:
        """It will not be."""
        if not probe.settled:
            probe.reason = reason
            self._settle(probe)

    def fail_with(self, probe: Probe, error: OSError) -> None:
        """The kernel refused something of it."""
        self.fail(probe, _REASONS.get(error.errno or 0, SELF))

    def _settle(self, probe: Probe) -> None:
        probe.settled = True
        if probe.release is not None:
            probe.release()
            probe.release = None
        while self._under_way and self._under_way[0].settled:
            done = self._under_way.popleft()
            self._first += 1
            # The servers on the way give up as well when it was us who went on too late.
            ours = done.answered_ns is None and done.handed_ns - done.sent_ns > self.limit_ns
            reason = SELF if ours else done.reason
            self.fold.add(Sample(done.sent_ns, done.handed_ns, done.answered_ns, reason))

    def sweep(self, read_until_ns: int) -> None:
        """Give up what should have been answered by then."""
        while self._under_way and self._under_way[0].deadline_ns <= read_until_ns:
            self.fail(self._under_way[0], "timeout")

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way
