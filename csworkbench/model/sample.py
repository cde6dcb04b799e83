# SPDX-License-Identifier: Apache-2.0
"""One probe and its outcome."""

from enum import IntEnum
from typing import NamedTuple


class Outcome(IntEnum):
    """Three values, never two: what could not be known is neither up nor down."""

    OK = 0
    FAIL = 1
    UNKNOWN = 2


class Reason(IntEnum):
    """Why a sample has its outcome; the numbers are those of probes/FORMAT.md."""

    NONE = 0
    TIMEOUT = 1
    REFUSED = 2
    RESET = 3
    UNREACHABLE = 4
    WRONG = 5
    CLOSED = 6
    ABSENT = 7
    SELF_LATE = 16
    SELF_ERROR = 17
    SELF_STOPPED = 18
    OTHER = 255

    @property
    def text(self) -> str:
        """The word that people read, e.g. `timeout` or `self (late)`."""
        if self.name.startswith("SELF_"):
            return f"self ({self.name[5:].lower()})"
        return self.name.lower()


class Sample(NamedTuple):
    """One attempt. All stamps are the vantage's CLOCK_MONOTONIC in ns; 0 means that it did not happen.

    `seq` counts from 0 in its lane; `detail` is ICMP type * 256 + code or an errno; `value` depends on the prober
    (ARP: the answering MAC as an integer).
    """

    seq: int
    intended_ns: int
    sent_ns: int
    received_ns: int
    outcome: Outcome
    reason: Reason
    detail: int
    value: int

    @property
    def at_ns(self) -> int:
        """When the sample was sent or, if it never was, when it was due."""
        return self.sent_ns or self.intended_ns

    @property
    def rtt_ns(self) -> int:
        """Round trip in ns; 0 when there was no answer. Never negative."""
        return max(self.received_ns - self.sent_ns, 0) if self.received_ns and self.sent_ns else 0


MOST = 0x7FFF_FFFF_FFFF_FFFF  # the run file's integers are signed; no honest stamp comes near
_OUTCOMES = {int(o): o for o in Outcome}
_REASONS = {int(r): r for r in Reason}


def sample_of(row: tuple[int, int, int, int, int, int, int, int]) -> Sample:
    """Build a Sample from eight integers; an unknown reason becomes OTHER. Raises KeyError for an unknown outcome.

    Made a million times in a run: half the price of calling Sample.
    """
    seq, intended, sent, received, outcome, reason, detail, value = row
    found = (seq, intended, sent, received, _OUTCOMES[outcome], _REASONS.get(reason, Reason.OTHER), detail, value)
    return tuple.__new__(Sample, found)


def mac_text(value: int) -> str:
    """Format the low 48 bits of an ARP sample's value as a MAC address."""
    raw = f"{value & 0xFFFFFFFFFFFF:012x}"
    return ":".join(raw[i : i + 2] for i in range(0, 12, 2))
