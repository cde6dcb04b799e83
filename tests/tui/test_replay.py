# SPDX-License-Identifier: Apache-2.0
"""A replay: its clock, and the screen that shows it through the same reducer as a live run."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from csworkbench.model.event import Event, Phase
from csworkbench.tui.app import WorkbenchApp
from csworkbench.tui.playback import SPEEDS, Playback, paced
from csworkbench.tui.screens.confirm import ConfirmScreen

from .helpers import Bench
from .synthetic import S, Story


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.ns = 1_000

    def __call__(self) -> int:
        return self.ns


class StoryFeed:
    """A recorded story, told by a playback as often as it is asked for."""

    live = False
    where = "/runs/x"

    def __init__(self, playback: Playback) -> None:
        self.playback = playback
        self.tellings = 0

    def events(self) -> AsyncIterator[list[Event]]:
        """From the beginning."""
        self.tellings += 1
        return paced(self._all(), self.playback)

    async def _all(self) -> AsyncIterator[list[Event]]:
        events = Story().events()
        for start in range(0, len(events), 100):
            yield events[start : start + 100]

    async def send(self, command: str, **args: str) -> None:
        raise AssertionError(command)


def test_the_position_follows_clock_and_speed() -> None:
    clock = Clock()
    playback = Playback(2.0, clock)
    assert playback.position_ns == 0
    playback.begin(50 * S)
    clock.ns += 3 * S
    assert playback.position_ns == 56 * S
    playback.toggle()
    clock.ns += 100 * S
    assert playback.position_ns == 56 * S
    playback.change_speed(1)  # while it stands
    playback.toggle()
    assert playback.speed == 5.0
    clock.ns += S
    assert playback.position_ns == 61 * S
    assert playback.jump(60 * S)
    assert not playback.jump(70 * S)
    assert playback.position_ns == 70 * S
    for _ in SPEEDS:
        playback.change_speed(1)
    assert playback.speed == SPEEDS[-1]
    for _ in SPEEDS:
        playback.change_speed(-1)
    assert playback.speed == SPEEDS[0]


async def test_a_jump_wakes_who_waits_and_a_pause_holds_them() -> None:
    clock = Clock()
    playback = Playback(1.0, clock)
    playback.begin(0)
    playback.toggle()
    waiting = asyncio.create_task(playback.reach(10 * S))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    playback.jump(10 * S)
    await asyncio.wait_for(waiting, 5)


async def test_every_event_comes_once_and_none_before_its_time() -> None:
    clock = Clock()
    playback = Playback(1.0, clock)
    events = Story().events()
    got: list[Event] = []

    async def listen() -> None:
        async for batch in StoryFeed(playback).events():
            assert all(event.at_ns <= playback.position_ns for event in batch)
            got.extend(batch)

    listening = asyncio.create_task(listen())
    while not listening.done():
        clock.ns += S // 2
        playback.jump(playback.position_ns)  # wakes it without waiting for real time
        await asyncio.sleep(0)
    await listening
    assert got == events


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_pause_back_and_to_the_end(size: tuple[int, int]) -> None:
    clock = Clock()
    playback = Playback(1.0, clock)
    feed = StoryFeed(playback)
    app = WorkbenchApp(feed, playback=playback, clock=clock)
    story = Story()
    async with app.run_test(size=size) as pilot:
        b = Bench(app, feed, pilot)  # type: ignore[arg-type]
        await b.until(lambda: app.view.state.opened is not None)
        playback.jump(story.t0_ns + round((story.change_s + 0.5) * S))
        await b.until(lambda: "change" in b.text("header") and app.session.timeline.window is not None)
        assert "replay 1x" in b.text("header")
        await b.press("z")
        assert "replay paused" in b.text("header")
        seen = app.view.state.seq
        clock.ns += 60 * S
        await pilot.pause(0.2)
        assert app.view.state.seq == seen
        await b.press("ctrl+left")
        await b.until(lambda: feed.tellings == 2 and app.view.state.phase is Phase.WARMUP)
        await b.until(lambda: "warm-up" in b.text("header"))
        assert 0 < app.view.state.seq < seen
        playback.toggle()
        playback.jump(story.t0_ns + 10_000 * S)
        await b.until(lambda: "RESTARTED" in b.text("guide"))
        assert "replay over" in b.text("header")
        at_end = (app.view.state.seq, [row for row in b.rows if "egress" in row])
        await b.press("ctrl+left")  # also from the end
        await b.until(lambda: feed.tellings == 3 and "RESTARTED" not in b.text("guide"))
        playback.jump(story.t0_ns + 10_000 * S)
        await b.until(lambda: "RESTARTED" in b.text("guide"))
        assert (app.view.state.seq, [row for row in b.rows if "egress" in row]) == at_end
        await b.press("r")
        assert not b.on(ConfirmScreen)
        await b.press("q")
        await b.until(lambda: not app.is_running)


async def test_a_run_that_is_no_replay_refuses_the_keys() -> None:
    from csworkbench.tui.actions import BY_ID
    from csworkbench.tui.view import RunView

    view = RunView(live=True, where="", read_only=False, clock=lambda: 0)
    assert all(BY_ID[name].refusal(view) == "this is not a replay" for name in ("replay.pause", "replay.cursor"))
