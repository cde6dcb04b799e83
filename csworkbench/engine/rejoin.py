# SPDX-License-Identifier: Apache-2.0
"""From a run's history to what is needed to go on with its probers. Pure."""

from collections.abc import Iterable, Mapping

from csworkbench.model.event import ChannelState, Phase
from csworkbench.model.lane import Lane
from csworkbench.model.state import RunState, VantageState
from csworkbench.probing.session import Left


def to_rejoin(state: RunState) -> dict[str, Left]:
    """The vantages whose spools have yet to be collected, by name."""
    newest = _newest(state)
    return {
        name: _left(state, vantage, {lane: newest[lane] for lane in _lanes(state.lanes_of(name)) if lane in newest})
        for name, vantage in state.vantages.items()
        if vantage.started is not None and vantage.collected is None
    }


def where_it_was(state: RunState) -> Phase | None:
    """Where a run goes on: BASELINE, CHANGE, SETTLE, MEASURE or COLLECT; None when no prober was started yet.

    CHANGE only when the operation may have been sent; before that, its baseline is begun anew.
    """
    if not state.lanes:
        return None
    if state.phase in (Phase.COLLECT, Phase.DONE):
        return Phase.COLLECT
    if state.phase is Phase.MEASURE:
        return Phase.MEASURE
    if state.operation_ended is not None or state.phase is Phase.SETTLE:
        return Phase.SETTLE
    return Phase.CHANGE if state.sent else Phase.BASELINE


def is_quiet(vantage: VantageState) -> bool:
    """Whether nobody is to talk to it, as before."""
    return vantage.channel is ChannelState.QUIET


def _left(state: RunState, vantage: VantageState, newest: Mapping[int, int]) -> Left:
    assert vantage.started is not None  # noqa: S101 - the caller looked
    echo = vantage.echoes[-1] if vantage.echoes else None
    epoch = max(vantage.started.epoch, echo.epoch if echo is not None else 0)
    other_clock = bool(state.resumed) and state.resumed[-1][1].other_boot
    return Left(
        vantage.started, vantage.read, tuple(vantage.left), vantage.begun_ns, epoch + other_clock, echo, dict(newest)
    )  # fmt: skip


def _newest(state: RunState) -> dict[int, int]:
    return {
        number: max(sample.seq for sample in lane.samples) for number, lane in state.lanes.items() if len(lane.samples)
    }


def _lanes(lanes: Iterable[Lane]) -> list[int]:
    return [lane.id for lane in lanes]
