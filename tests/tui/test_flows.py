# SPDX-License-Identifier: Apache-2.0
"""Each flow with keys, and what the engine gets of it."""

import itertools
import signal
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import RenderableType
from textual.screen import Screen
from textual.worker import WorkerFailed

from csworkbench.model import event as ev
from csworkbench.model.event import Event, Level, Phase
from csworkbench.tui.feed import FeedLost
from csworkbench.tui.screens.confirm import ConfirmScreen, LeaveScreen
from csworkbench.tui.screens.help import HelpScreen

from .feeds import HandFeed
from .helpers import at_end, at_ready, bench
from .synthetic import CALLS, WALL, S, Story


def test_events_of_the_story_are_in_order() -> None:
    events = Story().events()
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert all(a.at_ns <= b.at_ns for a, b in itertools.pairwise(events))


async def test_a_newcomer_is_told_what_to_press() -> None:
    feed = HandFeed()
    story = Story()
    events = story.until_ready()
    feed.give([e for e in events if e.at_ns < story.t0_ns + int(1.45 * S)])
    async with bench(feed) as b:
        await b.until(lambda: "Pushing probes 1/10" in b.text("guide"))
        assert "Starting the test cloud" in b.text("progress")
        assert "press  r  to restart network probe-net" in b.text("guide")
        feed.give([e for e in events if story.t0_ns + int(1.45 * S) <= e.at_ns < story.t0_ns + 6 * S])
        await b.until(lambda: "Measuring the baseline" in b.text("guide"))
        feed.give([e for e in events if e.at_ns >= story.t0_ns + 6 * S])
        await b.until(lambda: b.text("guide").startswith("Press  r  to restart network probe-net"))
        assert "lose egress" in b.text("guide")


async def test_confirmed_start_reaches_the_engine_once() -> None:
    async with at_ready() as b:
        await b.press("r")
        assert b.on(ConfirmScreen)
        await b.press("y")
        await b.until(lambda: b.feed.sent == [("start", {})])
        await b.press("r")
        assert not b.on(ConfirmScreen), "a second start is refused while the first is on its way"
        assert b.feed.sent == [("start", {})]


async def test_the_question_names_target_consequence_and_calls() -> None:
    async with at_ready() as b:
        await b.press("r")
        shown = b.app.export_screenshot(simplify=True).replace("&#160;", " ")
        for text in ("network probe-net", "10 VMs lose egress", CALLS[0]):
            assert text in shown


async def test_enter_on_the_focused_button_confirms() -> None:
    async with at_ready() as b:
        await b.press("r", "enter")
        await b.until(lambda: b.feed.sent == [("start", {})])


async def test_what_cannot_be_undone_needs_its_name_typed() -> None:
    async with at_ready() as b:
        planned = b.app.screen.view.state.planned  # type: ignore[attr-defined]
        b.app.screen.view.state.planned = replace(planned, destructive=True, target_name="r-6-VM")  # type: ignore[attr-defined]
        await b.press("r", "y", "enter")
        assert b.on(ConfirmScreen)
        await b.press("backspace", *"r-6-V", "enter")
        assert b.on(ConfirmScreen)
        assert b.feed.sent == []
        await b.press("M", "enter")
        await b.until(lambda: b.feed.sent == [("start", {})])


async def test_what_cannot_be_undone_is_left_with_escape() -> None:
    async with at_ready() as b:
        planned = b.app.screen.view.state.planned  # type: ignore[attr-defined]
        b.app.screen.view.state.planned = replace(planned, destructive=True, target_name="r-6-VM")  # type: ignore[attr-defined]
        await b.press("r", *"r-6", "escape")
        await b.until(lambda: not b.on(ConfirmScreen))
        assert b.feed.sent == []


@pytest.mark.parametrize("keys", [("escape",), ("n",), ("q",), ("right", "enter")])
async def test_anything_else_sends_nothing(keys: tuple[str, ...]) -> None:
    async with at_ready() as b:
        await b.press("r", *keys)
        await b.until(lambda: not b.on(ConfirmScreen))
        assert b.feed.sent == []
        assert b.app.is_running


async def test_before_the_baseline_is_over_the_key_says_why_not() -> None:
    feed = HandFeed()
    story = Story()
    feed.give([e for e in story.until_ready() if e.at_ns <= story.t0_ns + 5 * S])
    async with bench(feed) as b:
        await b.until(lambda: "baseline" in b.text("header"))
        await b.press("r")
        await b.until(lambda: "baseline still running, 4 s to go" in b.notes)
        assert feed.sent == []


async def test_a_viewer_cannot_start_or_stop() -> None:
    async with at_ready(read_only=True) as b:
        assert "read-only" in b.text("header")
        await b.press("r")
        assert not b.on(ConfirmScreen)
        await b.press("q", "s")
        assert b.on(LeaveScreen)
        assert b.feed.sent == []


async def test_a_start_that_the_engine_refuses_can_be_tried_again() -> None:
    async with at_ready() as b:
        b.feed.refuse = "not now"
        await b.press("r", "y")
        await b.until(lambda: "not now" in b.notes)
        b.feed.refuse = ""
        await b.press("r", "y")
        await b.until(lambda: b.feed.sent == [("start", {})])


async def test_export_shows_the_folder() -> None:
    async with at_end() as b:
        await b.press("e")
        await b.until(lambda: "/runs/x/export" in b.notes and "/runs/x/export" in b.text("guide"))


async def test_an_export_that_fails_says_so() -> None:
    async def broken() -> str:
        raise OSError("disk full")

    feed = HandFeed()
    feed.give(Story().until_ready())
    async with bench(feed, export=broken) as b:
        await b.until(lambda: b.app.view.has_samples)
        await b.press("e")
        await b.until(lambda: "disk full" in b.notes)


def _record(leave: Callable[..., None], said: list[str]) -> Callable[..., None]:
    def exit_saying(*args: object, message: object = "", **options: object) -> None:
        said.append(str(message))
        leave(*args, message=message, **options)

    return exit_saying


async def test_leaving_a_live_run_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_ready() as b:
        await b.press("q")
        assert b.on(LeaveScreen)
        said: list[str] = []
        monkeypatch.setattr(b.app, "exit", _record(b.app.exit, said))
        await b.press("l")
        await b.until(lambda: not b.app.is_running)
        assert b.feed.sent == []
        assert "csworkbench attach" in said[0]


async def test_stopping_a_live_run_waits_for_its_end() -> None:
    async with at_ready() as b:
        await b.press("q", "s")
        await b.until(lambda: b.feed.sent == [("stop", {})])
        assert b.app.is_running
        seq = b.app.view.state.seq + 1
        b.feed.give([Event(seq, b.app.view.state.last_ns, WALL, ev.RunClosed(1, "stopped"))])
        b.feed.end()
        await b.until(lambda: not b.app.is_running)


async def test_staying_changes_nothing() -> None:
    async with at_ready() as b:
        for key in ("q", "ctrl+q", "ctrl+c"):
            await b.press(key)
            assert b.on(LeaveScreen), key
            await b.press("escape")
            assert not b.on(LeaveScreen)
        assert b.feed.sent == []
        assert b.app.is_running


async def test_a_finished_run_is_left_at_once() -> None:
    async with at_end() as b:
        assert "recorded" in b.text("header")
        await b.press("q")
        await b.until(lambda: not b.app.is_running)
        assert b.app.return_code == 0


async def test_a_lost_engine_is_told_and_the_data_stays() -> None:
    async with at_ready() as b:
        b.feed.end(FeedLost("the socket was closed"))
        await b.until(lambda: "The engine is gone: the socket was closed" in b.text("guide"))
        assert "feed lost" in b.text("header")
        assert any("━━━━" in row for row in b.rows)
        await b.press("r")
        assert not b.on(ConfirmScreen)


async def test_a_stream_that_ends_early_is_a_loss() -> None:
    async with at_ready() as b:
        b.feed.end()
        await b.until(lambda: "feed lost" in b.text("header"))


async def test_an_error_while_preparing_is_shown() -> None:
    feed = HandFeed()
    error = ev.Notice(Level.ERROR, "The API refused the key: check CLOUDSTACK_SECRET")
    feed.give(Story().number([(0.0, ev.PhaseEntered(Phase.PREPARE)), (0.1, error)]))
    async with bench(feed) as b:
        await b.until(lambda: "check CLOUDSTACK_SECRET" in b.text("guide"))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
async def test_signals_end_the_viewer_in_order(number: signal.Signals) -> None:
    async with at_ready() as b:
        signal.raise_signal(number)
        await b.until(lambda: not b.app.is_running)
        assert b.app.return_code == 0
        assert b.feed.sent == []


async def test_a_crash_ends_with_1_and_tells_no_locals(capsys: pytest.CaptureFixture[str]) -> None:
    secret = "s3cr3t-in-a-local"  # noqa: F841 - must not be printed
    feed = HandFeed()
    feed.end(ZeroDivisionError("a bug"))
    with pytest.raises(WorkerFailed):
        async with bench(feed) as b:
            app = b.app
            await b.until(lambda: not b.app.is_running)
    assert app.return_code == 1
    report = capsys.readouterr().err
    assert "a bug" in report
    assert "in _follow" in report, "the traceback of the worker itself"
    assert "locals" not in report


async def test_help_opens_and_closes() -> None:
    async with at_ready() as b:
        for key in ("question_mark", "f1"):
            await b.press(key)
            assert b.on(HelpScreen)
            await b.press("escape")
            assert not b.on(HelpScreen)


async def test_the_palette_runs_an_action() -> None:
    async with at_ready() as b:
        await b.press("ctrl+p")
        await b.pilot.press(*"Start the")
        await b.until(lambda: b.app.screen.query("CommandList") and b.app.screen.query_one("CommandList").display)
        await b.press("enter")
        await b.until(lambda: b.on(ConfirmScreen))


async def test_resize_to_nothing_and_back() -> None:
    async with at_end() as b:
        before = b.rows
        for size in ((1, 1), (2, 50), (200, 1), (30, 8), (79, 23), (200, 60), (120, 40)):
            await b.pilot.resize_terminal(*size)
            await b.press("right")
        await b.press("f")
        await b.until(lambda: b.rows == before)


async def test_dialogs_survive_a_tiny_terminal() -> None:
    async with at_ready() as b:
        await b.press("r")
        await b.pilot.resize_terminal(1, 1)
        await b.pilot.resize_terminal(40, 10)
        await b.press("escape", "question_mark", "escape", "q", "escape")
        assert b.feed.sent == []


async def test_hostile_names_are_shown_harmless() -> None:
    async with at_end(hostile=True) as b:
        await b.press("space", "o")
        shown = "\n".join([*b.rows, b.text("guide"), b.text("services"), b.text("network"), b.text("detail")])
        assert "[bold]" in shown
        assert not [c for c in shown if ord(c) < 32 and c != "\n"]
        assert "\u202e" not in shown
        assert b.app.is_running


async def test_slow_halves_the_rate() -> None:
    from csworkbench.tui.app import WorkbenchApp

    assert WorkbenchApp(HandFeed(), slow=True)._period_s == 2 * WorkbenchApp(HandFeed())._period_s


async def test_a_frame_without_news_draws_nothing() -> None:
    async with at_end() as b:
        drawn: list[object] = []
        show = b.app._display

        def display(screen: Screen[object], update: RenderableType | None) -> None:
            drawn.append(update)
            show(screen, update)

        b.app._display = display  # type: ignore[method-assign, assignment]
        for _ in range(6):
            drawn.clear()  # the first frames still take in the end of the run
            b.app.tick()
            await b.pilot.pause()
        assert [update for update in drawn if update is not None] == []
