# SPDX-License-Identifier: Apache-2.0
"""The timeline's rows as text, and its cursor, window and folding."""

import pytest

from csworkbench.model import event as ev
from csworkbench.model.event import JobStatus, Phase
from csworkbench.model.lane import Service
from csworkbench.tui.glyphs import BLOCK
from csworkbench.tui.timeline import marks
from csworkbench.tui.timeline.canvas import Canvas, changed, text_of
from csworkbench.tui.timeline.paint import Geometry, Painter
from csworkbench.tui.timeline.rows import Kind, Rows
from csworkbench.tui.timeline.window import ZOOMS_NS, Window
from csworkbench.tui.times import TimeBase
from csworkbench.tui.view import RunView

from .feeds import HandFeed
from .helpers import at_end, at_ready, bench
from .synthetic import READY_AT, S, Story

STORY = Story()


@pytest.fixture(scope="module")
def view() -> RunView:
    """The whole story, folded."""
    view = RunView(live=False, where="", read_only=True, clock=lambda: 0)
    view.fold(STORY.events())
    view.ended = True
    view.refresh()
    return view


def window(from_s: float, step_s: float, columns: int) -> Window:
    """A window by the story's seconds since the change."""
    return Window(STORY.t0_ns + int((STORY.change_s + from_s) * S), int(step_s * S), columns)


def body(view: RunView, kind: Kind, where: Window, label: str = "") -> str:
    """The columns of the first row of a kind."""
    painter, rows = Painter(view, BLOCK), Rows()
    geometry = Geometry(27, where.columns, 9)
    painted = [(r, text_of(painter.paint(r, where, geometry))) for r in rows.build(view, 2)]
    return next(t for r, t in painted if r.kind is kind and label in t)[27:-9]


def test_axis_counts_from_the_change(view: RunView) -> None:
    assert text_of(marks.axis(window(-6, 0.5, 50), view, BLOCK)) == (
        "  │-5 s     │change   │+5 s     │+10 s    │+15 s  "
    )


def test_axis_in_utc_stands_at_round_times(view: RunView) -> None:
    view.base = TimeBase.UTC
    try:
        shown = text_of(marks.axis(window(-6, 1, 40), view, BLOCK))
    finally:
        view.base = TimeBase.RELATIVE
    assert shown.split() == ["│14:03:30", "│14:03:45"]


def test_phases(view: RunView) -> None:
    assert text_of(marks.phases(window(-9, 0.5, 60), view, BLOCK)).rstrip() == (
        "━━│baseline━│ready│change━━━━━━━━━━━━━━━━━━━│settle━━━│━"
    )


def test_the_jobs_bracket_is_as_wide_as_its_uncertainty(view: RunView) -> None:
    job = view.state.jobs["8a3c"]
    assert text_of(marks.job(window(12, 0.05, 60), view, BLOCK, job)) == (
        "━" * 16 + "╌╌╌╌┥ succeeded 12.81 s" + " " * 21
    )
    assert text_of(marks.job(window(-1, 0.5, 32), view, BLOCK, job)).strip() == "┝━━━━━━ succeeded 12.81 s ┥"


def test_a_job_that_runs_has_an_open_end() -> None:
    view = RunView(live=False, where="", read_only=True, clock=lambda: 0)
    change = ev.JobChanged("j", "restartNetwork", JobStatus.PENDING, STORY.t0_ns, STORY.t0_ns)
    view.fold(STORY.number([(0.0, ev.PhaseEntered(Phase.CHANGE)), (0.1, change), (2.0, ev.ServerClock(0, 0))]))
    shown = text_of(marks.job(Window(STORY.t0_ns, S // 10, 30), view, BLOCK, view.state.jobs["j"]))
    assert shown.rstrip() == "┝━━━━━━━━━━━━━━━━━━━▶"


def test_an_event_is_as_wide_as_its_time_is_uncertain(view: RunView) -> None:
    seen, event = view.state.cloud_events[1]
    low, high = view.state.event_span(seen, event)
    happened = STORY.t0_ns + int((STORY.change_s + 2.0) * S)
    assert low <= happened <= high
    # A whole second of the server and 0.7 s between the bounds of its clock, but it is no younger than its arrival.
    # Since its clock was bounded it may have drifted by 50 ppm.
    assert 0 < high - low - 1_100_000_000 < 50e-6 * (seen - STORY.t0_ns) + 1000
    first = text_of(marks.events(window(-2, 0.25, 80), view, BLOCK, 2)[0])
    assert "▾╌╌╌" in first
    assert "NETWORK.RESTART Started" in first


def test_the_gateway_row_says_which_mac_answers_and_shows_the_second(view: RunView) -> None:
    shown = body(view, Kind.OWNERS, window(-6, 0.25, 80))
    assert "02:00:4f:2a:00:01" in shown
    assert "02:00:11:9c:00:07" in shown
    assert "‡" in shown
    assert "╌" in body(view, Kind.OWNERS, window(5, 0.05, 80)), "nobody answers during the gap"


def test_lanes_show_the_outage_and_its_length(view: RunView) -> None:
    geometry = Geometry(27, 40, 9)
    painter, where = Painter(view, BLOCK), window(4, 0.25, 40)
    built = [r for r in Rows().build(view, 1) if r.service]
    rows = {r.service: text_of(painter.paint(r, where, geometry)) for r in reversed(built)}
    assert rows[Service.EGRESS] == "1▸ egress  icmp       vm03 ━━━━━━━━━━▒█████▒━━━━━▚▒▚▒━━━━━━━━━━━━━━   2.00 s"
    assert rows[Service.GATEWAY].startswith("2  gateway arp        vm01 ")
    assert rows[Service.INGRESS].endswith("2.70 s")


def test_unknown_and_blind_are_not_down(view: RunView) -> None:
    painter, rows = Painter(view, BLOCK), Rows()
    rows.unfolded.add(Service.EGRESS)
    where = window(0, 0.1, 45)
    shown = {
        view.state.lanes[r.lane].lane.subject: text_of(painter.paint(r, where, Geometry(27, 45, 9)))[27:-9]
        for r in rows.build(view, 1)
        if r.service is Service.EGRESS and view.state.lanes[r.lane].lane.headline
    }
    assert shown["vm05"] == "━" * 10 + "?" * 12 + "━" * 23
    assert shown["vm06"] == "━" * 25 + "╌" * 11 + "━" * 9


def test_edges_are_uncertain_when_zoomed_in(view: RunView) -> None:
    shown = body(view, Kind.LANE, window(6.3, 0.05, 60), "egress")
    assert "━▒▒█" in shown, "100 ms between two samples are two columns"
    assert "█▒▒━" in shown


def test_folding_shows_the_worst_and_unfolding_all(view: RunView) -> None:
    rows = Rows()
    folded = [r for r in rows.build(view, 1) if r.service is Service.INGRESS]
    assert [view.state.lanes[r.lane].lane.subject for r in folded] == ["vm09", "vm01"]
    assert rows.toggle(folded[0])
    unfolded = [r for r in rows.build(view, 1) if r.service is Service.INGRESS]
    assert [view.state.lanes[r.lane].lane.subject for r in unfolded] == [*STORY.names, "vm01"]


def test_window_pages_and_does_not_scroll() -> None:
    page = Window(0, S, 60)
    assert page.following(30 * S) == page
    assert page.following(58 * S) == page
    turned = page.following(60 * S)
    assert turned.column(60 * S) == 20
    assert turned.following(61 * S) == turned


def test_zoom_keeps_the_cursor_in_its_column_and_ends_at_both_ends() -> None:
    page = Window(0, S, 60)
    zoomed = page.zoomed(-1, 30 * S)
    assert zoomed.step_ns == S // 2
    assert zoomed.column(30 * S) == page.column(30 * S)
    assert page.zoomed(-99, 0).step_ns == ZOOMS_NS[0]
    assert page.zoomed(99, 0).step_ns == ZOOMS_NS[-1]
    fitted = page.fitting(0, 33 * S)
    assert fitted.shows(0)
    assert fitted.shows(33 * S)
    assert fitted.zoomed(1, 0).step_ns == S
    assert fitted.zoomed(-1, 0).step_ns == S // 2


def test_changed_columns() -> None:
    canvas = Canvas(10)
    canvas.put(0, "abcdefghij", "s")
    old = canvas.parts()
    assert changed(old, old) is None
    canvas.put(4, "X", "t")
    canvas.put(6, "Y", "s")
    assert changed(old, canvas.parts()) == (4, 6)


async def test_jump_to_outages_and_back() -> None:
    async with at_end() as b:
        timeline = b.app.session.timeline
        await b.press("right_square_bracket")
        first = timeline.cursor_ns
        assert "down 14:03:29" in b.text("detail")
        await b.press("right_square_bracket", "right_square_bracket")
        assert timeline.cursor_ns is not None
        assert first is not None
        assert timeline.cursor_ns >= first
        await b.press("left_square_bracket", "left_square_bracket")
        assert timeline.cursor_ns == first


async def test_enter_in_the_list_jumps_and_unfolds() -> None:
    async with at_end() as b:
        timeline = b.app.session.timeline
        await b.press("o", "down", "down", "enter")
        chosen = b.app.view.outages[2]
        assert timeline.cursor_ns == chosen.start_ns
        assert timeline.row is not None
        assert timeline.row.lane == chosen.lane
        subject = b.app.view.state.lanes[chosen.lane].lane.subject
        assert b.text("detail").startswith(f"{subject} ingress")
        assert timeline.has_focus


async def test_cursor_zoom_pan_fold_and_follow() -> None:
    async with at_ready() as b:
        timeline = b.app.session.timeline
        assert timeline.window is not None
        start, step = timeline.window.start_ns, timeline.window.step_ns
        await b.press("plus")
        assert timeline.window.step_ns < step
        await b.press("minus", "b")
        assert timeline.status.endswith("paused")
        assert timeline.window.start_ns < start
        await b.press("f")
        assert timeline.status.endswith("following")
        before = len(b.rows)
        await b.press("space")
        assert len(b.rows) == before + len(STORY.names)
        await b.press("space", "u")
        assert len(b.rows) == before
        assert b.rows[0].split()[0] == "UTC"
        await b.press("left", "left")
        assert timeline.cursor_ns is not None
        assert "no outage" in b.text("detail")
        for row, words in (("job", "no job"), ("phase", "phase baseline")):
            while timeline.row is not None and timeline.row.label != row:
                await b.press("up")
            assert words in b.text("detail")


async def test_mouse_puts_the_cursor_and_folds() -> None:
    async with at_end() as b:
        timeline = b.app.session.timeline
        row = next(i for i, r in enumerate(timeline._built) if r.service is Service.INGRESS)
        await b.pilot.click("#timeline-rows", offset=(40, row))
        assert timeline.cursor_row == row
        assert timeline.cursor_ns is not None
        before = len(b.rows)
        await b.pilot.click("#timeline-rows", offset=(1, row))
        await b.pilot.pause()
        assert len(b.rows) > before


async def test_only_what_changed_is_drawn() -> None:
    feed = HandFeed()
    events = STORY.until_ready()
    cut = STORY.t0_ns + int((READY_AT + 0.5) * S)
    feed.give([e for e in events if e.at_ns <= cut])
    async with bench(feed) as b:
        timeline = b.app.session.timeline
        await b.until(lambda: timeline.window is not None and timeline._painted)
        await b.pilot.pause()
        drawn: list[tuple[int, int]] = []
        original = timeline.refresh

        def refresh(*regions: object, **options: object) -> object:
            drawn.extend((getattr(r, "y", -1), getattr(r, "width", -1)) for r in regions)
            return original(*regions, **options)  # type: ignore[arg-type]

        timeline.refresh = refresh  # type: ignore[assignment,method-assign]
        b.app.tick()
        assert drawn == []
        feed.give([e for e in events if e.at_ns > cut])
        await b.until(lambda: b.app.view.state.seq == events[-1].seq)
        assert drawn
        assert max(width for _, width in drawn) < 10, "a few columns, not whole rows"


async def test_many_lanes_scroll_with_the_axis_in_place() -> None:
    feed = HandFeed(live=False)
    feed.give(Story(names=tuple(f"vm{i:03d}" for i in range(30))).events())
    feed.end()
    async with bench(feed, (80, 24)) as b:
        await b.until(lambda: "RESTARTED" in b.text("guide"))
        timeline = b.app.session.timeline
        await b.press("space", *["down"] * 28)
        assert timeline.scroll_offset.y > 10
        lines = [timeline.render_line(y).text for y in range(timeline.size.height)]
        assert "change" in lines[0]
        assert timeline.row is not None
        subject = b.app.view.state.lanes[timeline.row.lane].lane.subject
        assert any(subject in line for line in lines)
