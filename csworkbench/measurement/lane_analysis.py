# SPDX-License-Identifier: Apache-2.0
"""One lane of a run: its samples folded as they come, its baseline, and which MAC answered."""

from csworkbench.model.sample import Outcome, Sample
from csworkbench.model.state import LaneState

from .outage import SETTLING_NS, Baseline, LaneFold, Span, baseline_of

Window = tuple[int | None, int | None]


class LaneAnalysis:
    """Takes what is new in a lane's state. What it holds is a function of samples and window, not of the calls.

    The window is the baseline phase on the vantage's clock: (start, end), None for what has not come yet. Clock echoes
    that come later place it more exactly; then the lane is folded anew.
    """

    def __init__(self, state: LaneState) -> None:
        self.state = state
        self.lane = state.lane
        self.owners: list[Span] = []  # (received, MAC) of each change
        self._owners_taken = 0
        self._reset((None, None))

    def _reset(self, window: Window) -> None:
        self._window = window
        self._taken = 0
        self._early: list[Sample] = []  # until the baseline is settled
        self.baseline: Baseline | None = None
        self.fold = LaneFold(self.lane.interval_ns, self.lane.tmax_ns)
        self.finished = False

    @property
    def version(self) -> tuple[Window, int, int, bool]:
        """Changes whenever the figures may have changed."""
        return self._window, self._taken, len(self.state.late), self.finished

    def update(self, window: Window) -> None:
        """Fold in the samples that have come since."""
        if window != self._window or (self.finished and self._taken < len(self.state.samples)):
            self._reset(window)
        if window[0] is None:
            return  # still warming up: discarded (S13)
        for sample in self.state.samples.since(self._taken):
            if sample.at_ns >= window[0]:
                self._take(sample)
        self._taken = len(self.state.samples)

    def finish(self) -> None:
        """Fold what is left: no more samples will come."""
        if self.baseline is None and self._early and self._window[1] is not None:
            self._settle_baseline(self._window[1])
        self.fold.finish()
        self.finished = True

    def baseline_so_far(self) -> Baseline:
        """The baseline of all that has been sampled since the warm-up; empty while that is not known."""
        start_ns = self._window[0]
        return baseline_of(() if start_ns is None else (s for s in self.state.samples if s.at_ns >= start_ns))

    def take_owners(self) -> None:
        """Note who has answered since."""
        for sample in self.state.samples.since(self._owners_taken):
            if sample.outcome is Outcome.OK and (not self.owners or self.owners[-1][1] != sample.value):
                self.owners.append((sample.received_ns, sample.value))
        self._owners_taken = len(self.state.samples)

    def _take(self, sample: Sample) -> None:
        if self.baseline is not None:
            self.fold.feed((sample,))
            return
        self._early.append(sample)
        end_ns = self._window[1]
        if end_ns is not None and sample.sent_ns - self.lane.tmax_ns - SETTLING_NS > end_ns:
            self._settle_baseline(end_ns)
        else:
            self.fold.feed((sample,))

    def _settle_baseline(self, end_ns: int) -> None:
        """All verdicts on the baseline's samples have fallen; fold again, for now it is known what is delayed."""
        self.baseline = baseline_of(s for s in self._early if s.at_ns < end_ns)
        self.fold = LaneFold(self.lane.interval_ns, self.lane.tmax_ns, self.baseline.p99_ns)
        self.fold.feed(self._early)
        self._early = []
