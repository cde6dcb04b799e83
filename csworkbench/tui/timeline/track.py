# SPDX-License-Identifier: Apache-2.0
"""One lane's samples by their number, and what each column of a window shows of them.

Verdicts fall out of order (a loss is known Tmax after an answer), so outcomes are kept in an array by sample number:
appending and repainting cost nothing that grows with the run.
"""

from array import array
from bisect import bisect_left

from csworkbench.model.sample import Outcome
from csworkbench.model.state import LaneState
from csworkbench.tui.glyphs import Cell

ABSENT, OK, FAIL, UNKNOWN = 0, 1, 2, 3
_CODES = {Outcome.OK: OK, Outcome.FAIL: FAIL, Outcome.UNKNOWN: UNKNOWN}
_VOID = bytes((ABSENT, UNKNOWN))
_UP_DOWN = bytes((OK, FAIL))
_DOWN_UP = bytes((FAIL, OK))
GAP_INTERVALS = 3  # a longer distance between two samples is blind
JUMP_LIMIT = 1_000_000  # sample numbers that jump further are not of this run
SETTLING_NS = 500_000_000


class LaneTrack:
    """Folds a lane's samples; answers what a window's columns look like. All times are the vantage's, in ns."""

    def __init__(self, state: LaneState) -> None:
        self.state = state
        self._codes = bytearray()
        self._times = array("q")
        self._taken = 0
        self.newest_ns = 0

    def take(self) -> int | None:
        """Fold what has come; the earliest time at which something changed, None when nothing did."""
        samples = self.state.samples
        if self._taken == len(samples):
            return None
        earliest: int | None = None
        interval = self.state.lane.interval_ns
        for sample in samples[self._taken :]:
            index, at_ns = sample.seq, sample.at_ns
            have = len(self._codes)
            if index < 0 or index > have + JUMP_LIMIT:
                continue
            if index >= have:
                for ahead in range(have, index):
                    # The place of a sample whose verdict is still to come, until it says itself when it was sent.
                    self._times.append(self._times[-1] + interval if ahead else at_ns - (index - ahead) * interval)
                    self._codes.append(ABSENT)
                self._times.append(max(at_ns, self._times[-1]) if self._times else at_ns)
                self._codes.append(_CODES[sample.outcome])
            else:
                self._place(index, at_ns)
                self._codes[index] = _CODES[sample.outcome]
            earliest = at_ns if earliest is None else min(earliest, at_ns)
            self.newest_ns = max(self.newest_ns, at_ns)
        self._taken = len(samples)
        return earliest

    def _place(self, index: int, at_ns: int) -> None:
        """Set a sample's time, kept between its neighbours: the array must stay sorted."""
        low = self._times[index - 1] if index else at_ns
        high = self._times[index + 1] if index + 1 < len(self._times) else at_ns
        self._times[index] = min(max(at_ns, low), max(high, low))

    def cells(self, start_ns: int, step_ns: int, columns: int) -> bytearray:
        """One Cell per column for the window that starts at the vantage's `start_ns`."""
        times = self._times
        result = bytearray(columns)
        left = bisect_left(times, start_ns)
        for column in range(columns):
            right = bisect_left(times, start_ns + (column + 1) * step_ns, left)
            result[column] = self._several(left, right) if right > left else self._between(left)
            left = right
            if right == len(times):
                break  # everything after the newest sample is still to come
        return result

    def _several(self, left: int, right: int) -> Cell:
        """A column with samples in it."""
        codes = self._codes[left:right]
        known = codes.translate(None, _VOID)
        if not known:
            return Cell.UNKNOWN if UNKNOWN in codes else self._absent(left)
        if codes.count(UNKNOWN) > len(known):
            return Cell.UNKNOWN
        if codes.count(ABSENT) > len(known) and self._absent(right - 1) is Cell.BLIND:
            return Cell.BLIND
        ups = known.count(OK)
        if ups == len(known):
            return Cell.UP
        if not ups:
            return Cell.DOWN
        turns = known.count(_UP_DOWN) + known.count(_DOWN_UP)
        return Cell.EDGE if turns == 1 else Cell.DEGRADED

    def _absent(self, index: int) -> Cell:
        """A sample without a verdict: one that may still fall, or one that was lost."""
        settled = self._times[index] + self.state.lane.tmax_ns + SETTLING_NS < self.newest_ns
        return Cell.BLIND if settled else Cell.NONE

    def _between(self, right: int) -> Cell:
        """A column between two samples."""
        if right == 0 or right >= len(self._codes):
            return Cell.NONE
        before, after = self._codes[right - 1], self._codes[right]
        if self._times[right] - self._times[right - 1] > GAP_INTERVALS * self.state.lane.interval_ns:
            return Cell.BLIND
        if ABSENT in (before, after):
            return self._absent(right if after == ABSENT else right - 1)
        if UNKNOWN in (before, after):
            return Cell.UNKNOWN
        if before != after:
            return Cell.EDGE
        return Cell.UP if before == OK else Cell.DOWN
