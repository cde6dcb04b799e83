# SPDX-License-Identifier: Apache-2.0
"""The management server's clock against ours (measurement.md S9). Pure."""

from email.utils import parsedate_to_datetime

from csworkbench.model.event import ServerClock

DRIFT = 50e-6
NOTABLE = 0.8  # say so when the bound is at most this share of the one last said


def parse_date(header: str) -> int | None:
    """Seconds since 1970 of an HTTP Date header; None when it cannot be read."""
    try:
        return int(parsedate_to_datetime(header).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None


class ServerClockBounds:
    """Bounds on (server's clock, seconds since 1970) - (our CLOCK_MONOTONIC, seconds).

    A reply dated D that was asked for at `sent` and arrived at `received` says that the server's clock was in
    [D, D+1) at some moment between the two. Bounds of all replies are intersected, with 50 ppm of drift allowed; when
    they contradict (somebody set the server's clock) the newest reply alone counts.
    """

    def __init__(self) -> None:
        self._low = 0.0
        self._high = 0.0
        self._at = -1.0
        self._said: float | None = None

    @property
    def known(self) -> bool:
        """True after the first dated reply."""
        return self._at >= 0

    @property
    def low_s(self) -> float:
        """Lower bound of the offset in seconds."""
        return self._low

    @property
    def high_s(self) -> float:
        """Upper bound of the offset in seconds."""
        return self._high

    def now_s(self, at_ns: int) -> float:
        """Our best guess of the server's clock at `at_ns` of ours, in seconds since 1970."""
        return (self._low + self._high) / 2 + at_ns / 1e9

    def add(self, date_s: int, sent_ns: int, received_ns: int) -> ServerClock | None:
        """Take in one reply. Returns an event when the bound is new or notably better, or had to be given up."""
        sent, received = sent_ns / 1e9, received_ns / 1e9
        low, high = date_s - received, date_s + 1 - sent
        if self.known:
            slack = DRIFT * max(0.0, received - self._at)
            kept_low, kept_high = max(low, self._low - slack), min(high, self._high + slack)
            if kept_low <= kept_high:
                low, high = kept_low, kept_high
            else:
                self._said = None
        self._low, self._high, self._at = low, high, received
        if self._said is not None and high - low > NOTABLE * self._said:
            return None
        self._said = high - low
        return ServerClock(low, high)
