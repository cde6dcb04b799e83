# SPDX-License-Identifier: Apache-2.0
"""What the workbench costs: frames, bytes on a slow link, keys under load, its start, and a run of a million samples.

Run: `python -m tests.bench.bench_tui [--full]`. Frames and keys are measured in the app without a terminal, bytes and
the start at the end of a real pty, where the program is a process of its own. Each figure stands beside its goal and
their ratio; a ratio above 1 misses the goal. `--full` takes longer stretches and more keys.
"""

from __future__ import annotations

import asyncio
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import AsyncIterator, Callable, Iterable
from fcntl import ioctl
from pathlib import Path

from rich.console import RenderableType
from textual.screen import Screen
from textual.strip import Strip

from csworkbench.model import event as ev
from csworkbench.model.event import Event, Phase
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.sample import Outcome, Reason, Sample
from csworkbench.tui.app import WorkbenchApp
from csworkbench.tui.terminal import calm_collector

from .output import Output, words

ROOT = Path(__file__).resolve().parents[2]
S = 1_000_000_000
T0_NS, WALL_NS = 1000 * S, 1_795_183_391 * S
TENTH_NS = S // 10
SERVICES = (Service.EGRESS, Service.INGRESS, Service.DNS, Service.METADATA, Service.BALANCER)
PER_VANTAGE = len(SERVICES)
SIZE = (200, 60)
RATE = 16_000  # samples/s
DOWN_FROM, DOWN_TO = 60, 80  # samples of each hundred


def bodies_of(lanes: int) -> list[ev.Body]:
    """A run with that many lanes, up to the start of measuring."""
    names = [f"vm{i:03d}" for i in range(-(-lanes // PER_VANTAGE))]
    told: list[ev.Body] = [ev.RunOpened("bench", "bench", "0", "lab", "watch", "{}", False)]
    told += [ev.VantageAdded(Vantage(name, VantageKind.TENANT)) for name in names]
    for i in range(lanes):
        name, service = names[i // PER_VANTAGE], SERVICES[i % PER_VANTAGE]
        told.append(
            ev.LaneAdded(Lane(i + 1, service, Prober.ICMP, name, "203.0.113.1", TENTH_NS, S, flow="new", subject=name))
        )
    return [*told, ev.PhaseEntered(Phase.MEASURE)]


def sample(number: int, lane: int) -> Sample:
    """A lane's sample: two seconds down in every ten, lanes one after the other."""
    sent = T0_NS + number * TENTH_NS
    if DOWN_FROM <= (number + lane % 7) % 100 < DOWN_TO:
        return Sample(number, sent, sent, 0, Outcome.FAIL, Reason.TIMEOUT, 0, 0)
    return Sample(number, sent, sent, sent + 900_000, Outcome.OK, Reason.NONE, 0, 0)


def numbered(bodies: Iterable[ev.Body], first: int, at_ns: int) -> list[Event]:
    """Bodies as events of one moment."""
    return [Event(first + i, at_ns, WALL_NS + at_ns - T0_NS, body) for i, body in enumerate(bodies)]


def arrivals(lanes: int, first: int, count: int, seq: int) -> list[Event]:
    """`count` samples of every lane from number `first` on."""
    told = (
        ev.SamplesArrived(lane, tuple(sample(n, lane) for n in range(first, first + count)))
        for lane in range(1, lanes + 1)
    )
    return numbered(told, seq, T0_NS + (first + count) * TENTH_NS)


class PushFeed:
    """Gives what is put into it."""

    live, where = True, "/nowhere"

    def __init__(self) -> None:
        self.queue: asyncio.Queue[list[Event]] = asyncio.Queue()

    async def events(self) -> AsyncIterator[list[Event]]:
        """What was put."""
        while True:
            yield await self.queue.get()

    async def send(self, command: str, **args: str) -> None:
        """Nobody is there."""


class Ended(PushFeed):
    """A run that is over."""

    live = False

    def __init__(self, events: list[Event]) -> None:
        super().__init__()
        self._told = events

    async def events(self) -> AsyncIterator[list[Event]]:
        """All at once, in batches as a run file gives them."""
        for start in range(0, len(self._told), 2000):
            yield self._told[start : start + 2000]


async def until(condition: Callable[..., object]) -> None:
    """Wait for a condition."""
    while not condition():  # noqa: ASYNC110 - looks at what the app does, which tells nobody
        await asyncio.sleep(0)


def p99(values: list[float]) -> float:
    """The 99th percentile; the largest of fewer than a hundred."""
    return sorted(values)[min(int(len(values) * 0.99), len(values) - 1)]


def _dirty(app: WorkbenchApp) -> bool:
    """True while the timeline waits to be painted."""
    return bool(app.session.timeline._repaint_required or app.session._dirty_widgets)


async def frames(lanes: int, count: int) -> float:
    """ms per frame with a sample of each lane in each; the median."""
    feed, clock = PushFeed(), [T0_NS]
    app = WorkbenchApp(feed, clock=lambda: clock[0])
    taken: list[float] = []
    async with app.run_test(size=SIZE) as pilot:
        feed.queue.put_nowait(numbered(bodies_of(lanes), 1, T0_NS))
        number, seq = 0, 10_000
        for i in range(count):
            step = 100 if not i else 2
            feed.queue.put_nowait(arrivals(lanes, number, step, seq))
            number, seq = number + step, seq + lanes
            clock[0] = T0_NS + number * TENTH_NS
            folded = app.view.state
            await until(lambda upto=seq - 1, state=folded: state.seq >= upto)
            await pilot.pause()
            begin = time.perf_counter()
            app.tick()
            await pilot.pause()
            taken.append((time.perf_counter() - begin) * 1000)
    return statistics.median(taken[2:])


async def keys_under_load(count: int, lanes: int = 100) -> tuple[float, float]:
    """(median, p99) in ms from a key to the timeline painted anew while samples arrive."""
    feed, clock = PushFeed(), [T0_NS]
    app = WorkbenchApp(feed, clock=lambda: clock[0])
    taken: list[float] = []

    async def load() -> None:
        number, seq, begun = 100, 20_000, time.monotonic()
        while True:
            feed.queue.put_nowait(arrivals(lanes, number, 10, seq))
            number, seq = number + 10, seq + lanes
            clock[0] = T0_NS + number * TENTH_NS
            await asyncio.sleep(max(begun + (number - 100) * lanes / RATE - time.monotonic(), 0))

    async with app.run_test(size=SIZE):
        feed.queue.put_nowait(numbered(bodies_of(lanes), 1, T0_NS) + arrivals(lanes, 0, 100, 10_000))
        await until(lambda: app.session.timeline.window is not None)
        calm_collector()  # as with a terminal
        painted = Painted(app)
        loading = asyncio.create_task(load())
        for i in range(count):
            before = painted.cursor
            begin = time.perf_counter()
            app.simulate_key(("down", "left", "up", "right")[i % 4])
            await until(lambda old=before: painted.cursor != old and painted.on_screen == painted.cursor)
            taken.append((time.perf_counter() - begin) * 1000)
            await asyncio.sleep(0.02)
        loading.cancel()
    return statistics.median(taken), p99(taken)


class Painted:
    """Knows which place of the timeline's cursor has gone out to the terminal."""

    def __init__(self, app: WorkbenchApp) -> None:
        self._timeline = app.session.timeline
        self._drawn: tuple[int, int | None] | None = None
        self.on_screen: tuple[int, int | None] | None = None
        draw, show = self._timeline.render_line, app._display

        def render_line(y: int) -> Strip:
            if self._timeline._index(y) == self._timeline.cursor_row:
                self._drawn = self.cursor
            return draw(y)

        def display(screen: Screen[object], renderable: RenderableType | None) -> None:
            show(screen, renderable)
            self.on_screen = self._drawn

        self._timeline.render_line = render_line  # type: ignore[method-assign]
        app._display = display  # type: ignore[method-assign]

    @property
    def cursor(self) -> tuple[int, int | None]:
        """(row, ns) of the cursor."""
        return self._timeline.cursor_row, self._timeline.cursor_ns


async def large_run(samples: int, moves: int) -> tuple[float, float]:
    """(s to the first picture, p99 in ms of zooming and panning) for a run of that many samples."""
    lanes = 100
    each = samples // lanes
    told = numbered(bodies_of(lanes), 1, T0_NS)
    for first in range(0, each, 100):
        told += arrivals(lanes, first, 100, 10_000 + first)
    told += numbered([ev.PhaseEntered(Phase.DONE), ev.RunClosed(0)], 10**9, T0_NS + each * TENTH_NS)
    begin = time.perf_counter()
    app = WorkbenchApp(Ended(told), clock=lambda: 0)
    taken: list[float] = []
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: app.session.timeline.window is not None)
        first_s = time.perf_counter() - begin
        await until(lambda: app.view.closed and app.view.ended)
        app.tick()
        await pilot.pause()
        for i in range(moves):
            start = time.perf_counter()
            window = app.session.timeline.window
            app.simulate_key(("plus", "shift+left", "minus", "shift+right")[i % 4])
            await until(lambda before=window: app.session.timeline.window != before and not _dirty(app))
            taken.append((time.perf_counter() - start) * 1000)
    return first_s, p99(taken)


class Terminal:
    """A program at the end of a pty of 200x60."""

    def __init__(self, *words: str, **more: str) -> None:
        self.begun = time.perf_counter()
        self._master, slave = pty.openpty()
        ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
        env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT), **more}
        self._process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=ROOT)
        os.close(slave)

    def read(self, seconds: float, text: bytes = b"") -> bytes:
        """What comes in that time, or until the text has come."""
        seen, end = b"", time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0 and not (text and text in seen):
            if select.select([self._master], [], [], left)[0]:
                seen += os.read(self._master, 1 << 16)
        return seen

    def first(self, text: bytes) -> float:
        """Seconds from the start to that text on the screen."""
        if text not in self.read(30, text):
            raise RuntimeError(f"{text!r} did not come")
        return time.perf_counter() - self.begun

    def close(self) -> None:
        """End it."""
        os.close(self._master)
        self._process.kill()
        self._process.wait()


def bytes_per_s(seconds: float) -> tuple[float, float]:
    """(bytes/s in follow mode, bytes/s of a finished run that nobody touches)."""
    demo = str(ROOT / "tests" / "tui" / "demo_screen.py")
    found = []
    for flags, text in ((), b"ready"), (("--done",), b"RESTARTED"):
        screen = Terminal(sys.executable, demo, *flags)
        try:
            screen.first(text)
            screen.read(1.0)
            found.append(len(screen.read(seconds)) / seconds)
        finally:
            screen.close()
    return found[0], found[1]


def starts() -> tuple[float, float]:
    """(s to the first paint of the workbench on a recorded run, of an app of Textual with nothing in it)."""
    empty = "from textual.app import App\nfrom textual.widgets import Static\nclass E(App):\n" \
        "    def compose(self):\n        yield Static('empty-app')\nE().run()\n"  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.py"
        file.write_text(empty)
        found = []
        replay = ("-m", "csworkbench", "replay", "samples/runs/parallel-restart")
        for command, text in ((replay, b"csworkbench"), ((str(file),), b"empty-app")):
            times = []
            for _ in range(6):
                # Compiled modules are kept, as on any machine where the program has been started before.
                kept = {"PYTHONPYCACHEPREFIX": f"{folder}/compiled", "PYTHONDONTWRITEBYTECODE": ""}
                screen = Terminal(sys.executable, *command, **kept)
                try:
                    times.append(screen.first(text))
                finally:
                    screen.close()
            found.append(statistics.median(times[1:]))
    return found[0], found[1]


def main() -> int:
    """Measure and print; the exit code."""
    given = words("bench_tui")
    out = Output("bench_tui", given.to)
    rows: list[tuple[object, ...]] = [("what", "figure", "goal", "ratio")]

    def row(what: str, figure: float, unit: str, goal: float) -> None:
        rows.append((what, f"{figure:.4g} {unit}", f"{goal:g} {unit}", f"{figure / goal:.2f}" if goal else ""))

    for lanes in (10, 100, 500):
        row(f"a frame, {lanes} lanes, 200x60, median", asyncio.run(frames(lanes, 40 if given.full else 12)), "ms", 50)
    follow, idle = bytes_per_s(10 if given.full else 4)
    row("bytes on the pty, following at 4 Hz", follow / 1024, "KiB/s", 30)
    row("bytes on the pty, idle", idle / 1024, "KiB/s", 1)
    middle, worst = asyncio.run(keys_under_load(300 if given.full else 100))
    row("key to paint at 16,000 samples/s, median", middle, "ms", 50)
    row("key to paint at 16,000 samples/s, p99", worst, "ms", 50)
    ours, empty = starts()
    row("start to first paint, beyond an empty app's", ours - empty, "s", 0.3)
    first_s, moved_ms = asyncio.run(large_run(1_000_000, 200 if given.full else 60))
    row("run of 1,000,000 samples, first paint", first_s, "s", 2)
    row("zoom and pan in it, p99", moved_ms, "ms", 100)
    out.table(rows)
    out.say(f"start: {ours:.2f} s, an empty app {empty:.2f} s")
    return out.end()


if __name__ == "__main__":
    sys.exit(main())
