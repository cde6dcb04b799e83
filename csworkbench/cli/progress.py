# SPDX-License-Identifier: Apache-2.0
"""One line on stderr per change of state: what headless runs, logs and screen readers get."""

from collections.abc import Callable

import click

from csworkbench.measurement.analysis import Analysis
from csworkbench.model import event as ev
from csworkbench.model.sample import Outcome
from csworkbench.model.state import RunState, apply
from csworkbench.results.tables import harmless

FAILS_FOR_DOWN = 2  # the first lost sample may be a blip; say `down` at the second


class Progress:
    """A viewer of the event stream that prints. Lanes' ups and downs are said as the verdicts fall."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say or (lambda line: click.echo(line, err=True))
        self._state = RunState()
        self._analysis = Analysis(self._state)
        self._fails: dict[int, int] = {}

    def __call__(self, event: ev.Event) -> None:
        """Hear of one event."""
        apply(self._state, event)
        match event.body:
            case ev.SamplesArrived(lane, samples):
                self._samples(event, lane, samples)
            case body:
                text = _line(body)
                if text:
                    self._print(event.at_ns, text)

    def _samples(self, event: ev.Event, lane_id: int, samples: tuple[object, ...]) -> None:
        if lane_id not in self._state.lanes:
            return
        lane = self._state.lanes[lane_id].lane
        for sample in self._state.lanes[lane_id].samples[-len(samples) :]:
            before = self._fails.get(lane_id, 0)
            if sample.outcome is Outcome.FAIL:
                self._fails[lane_id] = before + 1
                if before + 1 == FAILS_FOR_DOWN:
                    self._print(event.at_ns, f"{lane.subject} {lane.service} {lane.label}: down ({sample.reason.text})")
            elif sample.outcome is Outcome.OK:
                self._fails[lane_id] = 0
                if before >= FAILS_FOR_DOWN:
                    self._print(event.at_ns, f"{lane.subject} {lane.service} {lane.label}: up, {before} lost")

    def _print(self, at_ns: int, text: str) -> None:
        origin = self._state.phase_ns(ev.Phase.CHANGE) or self._state.started_ns
        seconds = (at_ns - origin) / 1e9
        try:
            self._say(f"{seconds:+8.2f} s  {harmless(text)}")
        except OSError:
            return  # the terminal is gone; the run goes on


def _line(body: ev.Body) -> str:  # noqa: PLR0911 - one case for each kind of line
    match body:
        case ev.PhaseEntered(phase, why):
            return f"phase: {phase}{' · ' + why if why else ''}"
        case ev.Notice(level, text):
            return text if level is ev.Level.INFO else f"{level}: {text}"
        case ev.JobChanged() as job:
            return f"job {job.command}: {job.status}{' · ' + job.text if job.text else ''}"
        case ev.CloudEventSeen() as seen:
            return f"event {seen.type} {seen.state}"
        case ev.ChannelChanged(vantage, ev.ChannelState.LOST, detail):
            return f"channel to {vantage} lost: {detail}"
        case ev.ChannelChanged(vantage, ev.ChannelState.OPEN, detail) if detail:
            return f"channel to {vantage} {detail}"
        case ev.InventorySeen(inventory):
            routers = ", ".join(f"{r.name} {r.state}" for r in inventory.routers)
            return f"network {inventory.network.name}: {len(inventory.vms)} VMs, routers: {routers or 'none'}"
        case _:
            return ""
