# SPDX-License-Identifier: Apache-2.0
"""Where a vantage's clock stands relative to the recorder's (S8)."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from typing import TYPE_CHECKING

from csworkbench.model.event import ClockEcho

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

DRIFT_PPM = 50  # two crystal oscillators rarely part faster
ROUNDING_NS = 1_000  # each echo between two times may add 1 ns to the drift allowance between them

_SMALL = 1 << 55  # ns: 417 days; differences times DRIFT_PPM still fit into 64 bits

Bounds = tuple[int, int]


class Alignment:
    """Bounds on `host = remote + offset`, all in ns, from echoes of one vantage.

    An echo sent at s and received at r with the remote stamp m taken in between proves offset in [s - m, r - m], and,
    widened by the drift allowance for the distance, at every other time of its epoch. The bounds are the intersection
    of all that. An echo that contradicts those before it begins a new epoch: the VM was suspended in between, and for
    times between the two only the hull of both is certain.
    """

    def __init__(self, echoes: Iterable[ClockEcho] = ()) -> None:
        self._at: list[int] = []  # remote stamps, ascending; the lists below go with it
        self._own: list[Bounds] = []  # what each echo proves alone
        self._fore: list[Bounds] = []  # with those before it in its epoch
        self._back: list[Bounds] = []  # with those after it
        self._joined: list[bool] = []  # of one epoch with the echo before
        self._epochs: list[int] = []  # as the echoes say: two of them are of two clocks, however well they agree
        self._hosts: list[Bounds] = []  # (host stamp, remote stamp), ascending
        for echo in echoes:
            self.add(echo)

    def add(self, echo: ClockEcho) -> None:
        """Take one more echo; one whose stamps are out of order proves nothing and is dropped."""
        if echo.received_ns < echo.sent_ns:
            return
        at, own = echo.remote_ns, (echo.sent_ns - echo.remote_ns - echo.step_ns, echo.received_ns - echo.remote_ns)
        place = bisect_right(self._at, at)
        self._at.insert(place, at)
        for bounds in (self._own, self._fore, self._back):
            bounds.insert(place, own)
        self._joined.insert(place, False)
        self._epochs.insert(place, echo.epoch)
        insort(self._hosts, ((echo.sent_ns + echo.received_ns) // 2, at))
        self._sweep(place)

    def _sweep(self, first: int) -> None:
        """Bring the lists up to date after a change at `first`; for an echo at the end that is a few steps."""
        for i in range(first, len(self._at)):
            before = _widen(self._fore[i - 1], self._at[i] - self._at[i - 1]) if i else self._own[i]
            both = _intersect(before, self._own[i])
            self._joined[i] = i > 0 and self._epochs[i - 1] == self._epochs[i] and both[0] <= both[1]
            self._fore[i] = both if self._joined[i] else self._own[i]
        last = len(self._at) - 1
        for i in range(last, -1, -1):
            linked = i < last and self._joined[i + 1]
            after = _widen(self._back[i + 1], self._at[i + 1] - self._at[i]) if linked else self._own[i]
            back = _intersect(after, self._own[i])
            if i < first and back == self._back[i]:
                break
            self._back[i] = back

    @property
    def known(self) -> bool:
        """True as soon as one echo has come back."""
        return bool(self._at)

    @property
    def echoes(self) -> int:
        """How many echoes the bounds rest on."""
        return len(self._at)

    def offset(self, remote_ns: int) -> Bounds:
        """Lowest and highest possible offset at that remote time. Raises LookupError without any echo."""
        sides = self._sides(remote_ns)
        return min(low for low, _ in sides), max(high for _, high in sides)

    def to_host_ns(self, remote_ns: int) -> int:
        """The host's stamp for a remote one: the middle of the bounds, or of the nearer epoch's between two epochs.

        Without an echo, the stamp itself.
        """
        return remote_ns + self._estimate(remote_ns) if self._at else remote_ns

    def to_remote_ns(self, host_ns: int) -> int:
        """The remote stamp for a host one, by the offset that held then. Without an echo, the stamp itself."""
        if not self._at:
            return host_ns
        right = bisect_left(self._hosts, (host_ns,))
        nearest = min(self._hosts[max(right - 1, 0) : right + 1], key=lambda pair: abs(pair[0] - host_ns))[1]
        offset = self._estimate(nearest)
        for _ in range(2):
            better = self._estimate(host_ns - offset)
            if abs(better - offset) > _drift(abs(host_ns - offset - nearest)) + ROUNDING_NS:
                break  # beyond the epoch's edge
            offset = better
        return host_ns - offset

    def bound_ns(self, remote_ns: int | None = None) -> int:
        """How far `to_host_ns` can be off there (by default: at the newest echo), either way, in ns.

        Raises LookupError without any echo.
        """
        at = self._at[-1] if remote_ns is None and self._at else remote_ns or 0
        low, high = self.offset(at)
        estimate = self._estimate(at)
        return max(estimate - low, high - estimate)

    def many(self, remote_ns: "NDArray[int64]") -> tuple["NDArray[int64]", "NDArray[int64]"]:
        """`to_host_ns` and `bound_ns` of many stamps at once: the same integers, a hundred times as fast.

        Without an echo, the stamps themselves, and 0.
        """
        import numpy as np  # noqa: PLC0415 - most runs are watched without it

        if not self._at:
            return remote_ns, np.zeros_like(remote_ns)
        edges = (self._at[0], self._at[-1], *self._fore[0], *self._fore[-1], *self._back[0], *self._back[-1])
        if remote_ns.size and max(*map(abs, edges), int(abs(remote_ns).max())) >= _SMALL:
            stamps = remote_ns.tolist()  # products of such numbers do not fit
            return np.array([*map(self.to_host_ns, stamps)]), np.array([*map(self.bound_ns, stamps)])
        at, fore, back = np.array(self._at), np.array(self._fore), np.array(self._back)
        joined = np.array([*self._joined, True])  # beyond the last echo there is one side alone
        right = np.searchsorted(at, remote_ns)
        left, after = np.maximum(right - 1, 0), np.minimum(right, len(at) - 1)
        from_left, to_right = remote_ns - at[left], at[after] - remote_ns
        met, first, last = to_right == 0, right == 0, right == len(at)

        def widened(bounds: "NDArray[int64]", distance: "NDArray[int64]") -> "NDArray[int64]":
            drift = np.where(met, 0, distance * DRIFT_PPM // 1_000_000 + 1)
            return np.stack((bounds[:, 0] - drift, bounds[:, 1] + drift))

        before = widened(np.where(met[:, None], fore[after], fore[left]), from_left)
        behind = widened(back[after], to_right)
        before, behind = np.where(first, behind, before), np.where(last, before, behind)
        whole = met | first | last | joined[right]
        both = np.stack((np.maximum(before[0], behind[0]), np.minimum(before[1], behind[1])))
        near = np.where(to_right <= from_left, behind, before)
        estimate = np.where(whole, both.sum(0), near.sum(0)) // 2
        low = np.where(whole, both[0], np.minimum(before[0], behind[0]))
        high = np.where(whole, both[1], np.maximum(before[1], behind[1]))
        return remote_ns + estimate, np.maximum(estimate - low, high - estimate)

    def stood_still_ns(self, first_ns: int, then_ns: int) -> int:
        """By how much this clock fell behind the host's between two of its stamps: its machine was suspended.

        0 within one epoch, or without any echo.
        """
        if not self._at or bisect_right(self._at, first_ns) == 0:
            return 0
        before = min(sum(bounds) // 2 for bounds in self._sides(first_ns))
        after = max(sum(bounds) // 2 for bounds in self._sides(then_ns))
        return max(after - before, 0)

    def _estimate(self, remote_ns: int) -> int:
        low, high = self._sides(remote_ns)[0]
        return (low + high) // 2

    def _sides(self, remote_ns: int) -> tuple[Bounds, ...]:
        """The bounds at that time; between two epochs those of both, the nearer one first."""
        if not self._at:
            raise LookupError("no clock echo yet")
        right = bisect_left(self._at, remote_ns)
        if right == len(self._at):
            return (_widen(self._fore[-1], remote_ns - self._at[-1]),)
        if self._at[right] == remote_ns:
            return (_intersect(self._fore[right], self._back[right]),)
        after = _widen(self._back[right], self._at[right] - remote_ns)
        if right == 0:
            return (after,)
        before = _widen(self._fore[right - 1], remote_ns - self._at[right - 1])
        if self._joined[right]:
            return (_intersect(before, after),)
        nearer_after = self._at[right] - remote_ns <= remote_ns - self._at[right - 1]
        return (after, before) if nearer_after else (before, after)


def _drift(distance_ns: int) -> int:
    return distance_ns * DRIFT_PPM // 1_000_000 + 1


def _widen(bounds: Bounds, distance_ns: int) -> Bounds:
    drift = _drift(distance_ns)
    return bounds[0] - drift, bounds[1] + drift


def _intersect(left: Bounds, right: Bounds) -> Bounds:
    return max(left[0], right[0]), min(left[1], right[1])
