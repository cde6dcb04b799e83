# SPDX-License-Identifier: Apache-2.0
"""One line on stderr per change of state: what headless runs, logs and screen readers get."""

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType

import click

from csworkbench.model import event as ev
from csworkbench.model.sample import Outcome, Sample
from csworkbench.model.state import RunState, apply
from csworkbench.results.tables import harmless

HOLE = 500
FAILS_FOR_DOWN = 2  # the first lost sample may be a blip; say `down` at the second


LINES_WAITING = 5000
LAST_LINES_S = 2.0


class Printer:
    """Lines to stderr from a thread of its own: a terminal that is stopped (Ctrl-S) must not hold up a run."""

    def __init__(self) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue(LINES_WAITING)
        self._thread = threading.Thread(target=self._print, name="progress", daemon=True)
        self._thread.start()

    def __call__(self, line: str) -> None:
        """Print it soon; leave it out when too many wait already."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(line)

    def close(self) -> None:
        """Print what waits, unless nobody reads."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
            self._thread.join(LAST_LINES_S)

    def _print(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone; the run goes on
            while (line := self._lines.get()) is not None:
                _write(line)


def _write(line: str) -> None:
    """Past Python's buffers: a thread that is stuck in one would hold up the end of the process."""
    try:
        number = sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        click.echo(line, err=True)
        return
    data = f"{line}\n".encode(sys.stderr.encoding or "utf-8", "replace")
    while data:
        data = data[os.write(number, data) :]


class InOrder:
    """Samples in the order in which they were sent: a loss is known only after later ones were answered."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: dict[int, Sample] = {}

    def take(self, samples: Sequence[Sample]) -> Iterator[Sample]:
        """Those that are due now. After a hole of HOLE samples those in it are not waited for any more."""
        self._waiting.update((s.seq, s) for s in samples if s.seq >= self._next)
        while self._waiting:
            if self._next not in self._waiting:
                if len(self._waiting) < HOLE:
                    return
                self._next = min(self._waiting)
            yield self._waiting.pop(self._next)
            self._next += 1


class Progress:
    """A viewer of the event stream that prints. Lanes' ups and downs are said as the verdicts fall."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._printer = Printer() if say is None else None
        self._say = say or self._printer or click.echo
        self._state = RunState()
        self._fails: dict[int, int] = {}
        self._order: dict[int, InOrder] = {}

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._printer is not None:
            self._printer.close()

    def catch_up(self, events: Iterable[ev.Event]) -> None:
        """Take in what was said before, in silence."""
        say, self._say = self._say, lambda _line: None
        for event in events:
            self(event)
        self._say = say

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
        if not lane.awaited:
            return
        order = self._order.setdefault(lane_id, InOrder())
        for sample in order.take(self._state.lanes[lane_id].samples[-len(samples) :]):
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
        self._say(f"{seconds:+8.2f} s  {harmless(text)}")


def _line(body: ev.Body) -> str:  # noqa: PLR0911, PLR0912 - one case for each kind of line
    match body:
        case ev.PhaseEntered(phase, why):
            return f"phase: {phase}{' · ' + why if why else ''}"
        case ev.RunResumed() as resumed:
            rebooted = "; this host was rebooted, so its clock is another one" if resumed.other_boot else ""
            return f"resumed in phase {resumed.phase}: nobody asked the API in between{rebooted}"
        case ev.Notice(level, text):
            return text if level is ev.Level.INFO else f"{level}: {text}"
        case ev.JobChanged() as job:
            return f"job {job.command}: {job.status}{' · ' + job.text if job.text else ''}"
        case ev.CloudEventSeen() as seen:
            return f"event {seen.type} {seen.state}"
        case ev.ChannelChanged(vantage, ev.ChannelState.LOST, detail):
            return f"channel to {vantage} lost: {detail}"
        case ev.ChannelChanged(vantage, ev.ChannelState.QUIET):
            return f"{vantage} is quiet: its prober goes on, and nobody talks to it for now"
        case ev.ChannelChanged(vantage, ev.ChannelState.OPEN, detail) if detail:
            return f"channel to {vantage} {detail}"
        case ev.InventorySeen(inventory):
            if inventory.systemvms:
                return ", ".join(f"{vm.name} {vm.state} {vm.agent_state}".strip() for vm in inventory.systemvms)
            routers = ", ".join(f"{r.name} {r.state}" for r in inventory.routers)
            kind = "VPC" if inventory.vpc is not None else "network"
            return f"{kind} {inventory.name}: {len(inventory.vms)} VMs, routers: {routers or 'none'}"
        case ev.LaneLeftOut(service, what, why):
            return f"not measured: {service} {what}: {why}"
        case ev.EvidenceKept(what, path, _, _, why):
            return f"evidence: {what}: {path}" if path else f"evidence not collected: {what}: {why}"
        case ev.VerdictReached(verdict, over_budget, reasons):
            return f"verdict: {' · '.join([verdict + (' over budget' if over_budget else ''), *reasons])}"
        case _:
            return ""
