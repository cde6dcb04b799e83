# SPDX-License-Identifier: Apache-2.0
"""Where a vantage's clock stands relative to the recorder's (S8)."""

from bisect import bisect_left, insort
from collections.abc import Iterable

from csworkbench.model.event import ClockEcho

DRIFT_PPM = 50  # two crystal oscillators rarely part faster
NEIGHBOURS = 32  # echoes looked at on each side; more narrow the bound by less than their own drift allowance widens it


class Alignment:
    """Bounds on `host = remote + offset`, all in ns, from echoes of one vantage.

    An echo sent at s and received at r with the remote stamp m taken in between proves offset in [s - m, r - m]. Around
    a remote time t the bounds of the nearest echoes are intersected, each widened by the drift allowance for its
    distance. An echo that contradicts those nearer to t belongs to another epoch (the VM was suspended) and ends the
    search.
    """

    def __init__(self, echoes: Iterable[ClockEcho] = ()) -> None:
        self._echoes: list[tuple[int, int, int]] = []
        for echo in echoes:
            self.add(echo)

    def add(self, echo: ClockEcho) -> None:
        """Take one more echo; one whose stamps are out of order proves nothing and is dropped."""
        if echo.received_ns >= echo.sent_ns:
            insort(self._echoes, (echo.remote_ns, echo.sent_ns - echo.remote_ns, echo.received_ns - echo.remote_ns))

    @property
    def known(self) -> bool:
        """True as soon as one echo has come back."""
        return bool(self._echoes)

    def offset(self, remote_ns: int) -> tuple[int, int]:
        """Lowest and highest possible offset at that remote time. Raises LookupError without any echo."""
        if not self._echoes:
            raise LookupError("no clock echo yet")
        right = bisect_left(self._echoes, (remote_ns,))
        left = right - 1
        low, high = -(1 << 62), 1 << 62
        for _ in range(2 * NEIGHBOURS):
            take_right = right < len(self._echoes) and (
                left < 0 or self._echoes[right][0] - remote_ns <= remote_ns - self._echoes[left][0]
            )
            if not take_right and left < 0:
                break
            at, echo_low, echo_high = self._echoes[right if take_right else left]
            drift = abs(at - remote_ns) * DRIFT_PPM // 1_000_000 + 1
            if max(low, echo_low - drift) > min(high, echo_high + drift):
                break
            low, high = max(low, echo_low - drift), min(high, echo_high + drift)
            right, left = (right + 1, left) if take_right else (right, left - 1)
        return low, high

    def to_host_ns(self, remote_ns: int) -> int:
        """The host's stamp for a remote one: the middle of the bounds. Without an echo, the stamp itself."""
        if not self._echoes:
            return remote_ns
        low, high = self.offset(remote_ns)
        return remote_ns + (low + high) // 2

    def to_remote_ns(self, host_ns: int) -> int:
        """The remote stamp for a host one, by the offset that held then."""
        if not self._echoes:
            return host_ns
        low, high = self.offset(host_ns - self._echoes[-1][1])
        low, high = self.offset(host_ns - (low + high) // 2)
        return host_ns - (low + high) // 2

    def bound_ns(self, remote_ns: int | None = None) -> int:
        """How far the aligned stamp can be off, either way, in ns. Raises LookupError without any echo."""
        low, high = self.offset(self._echoes[-1][0] if remote_ns is None and self._echoes else remote_ns or 0)
        return (high - low + 1) // 2
