# SPDX-License-Identifier: Apache-2.0
"""Measuring between two points, notes, jumping, searching, copying, and the rows of a low terminal."""

from pathlib import Path

import pytest

from csworkbench.model import event as ev
from csworkbench.model.lane import Service
from csworkbench.model.state import RunState, apply
from csworkbench.tui.glyphs import BLOCK
from csworkbench.tui.screens.ask import AskScreen
from csworkbench.tui.screens.session import SessionScreen
from csworkbench.tui.timeline import marks
from csworkbench.tui.timeline.canvas import text_of
from csworkbench.tui.timeline.measure import Point, distance, point
from csworkbench.tui.timeline.rows import Kind, Row, Rows
from csworkbench.tui.timeline.window import Window
from csworkbench.tui.times import TimeBase
from csworkbench.tui.view import RunView

from .helpers import at_end, at_ready
from .synthetic import S, Story

STORY = Story()


@pytest.fixture(scope="module")
def view() -> RunView:
    """The whole story, folded."""
    view = RunView(live=False, where="", read_only=True, clock=lambda: 0)
    view.fold(STORY.events())
    view.ended = True
    view.refresh()
    return view


def egress_of(view: RunView, name: str) -> Row:
    """The row of a VM's headline egress lane."""
    lanes = (s.lane for s in view.state.lanes.values())
    lane = next(one for one in lanes if one.subject == name and one.service is Service.EGRESS and one.headline)
    return Row(Kind.LANE, lane=lane.id, service=lane.service)


def test_between_the_edges_of_an_outage_is_its_length_with_its_bounds(view: RunView) -> None:
    row = egress_of(view, "vm01")
    outage = view.reports[row.lane].outages[0]
    window = Window(outage.start_ns - 10 * S, S // 10, 400)
    begin = point(view, row, window, window.time(window.column(outage.start_ns)))
    end = point(view, row, window, window.time(window.column(outage.end[0])))
    assert begin.name == "onset of vm01 egress icmp"
    assert end.name == "end of vm01 egress icmp"
    slack = 2 * outage.clock_ns
    assert end.low_ns - begin.high_ns == outage.end[0] - outage.onset[1] - slack
    assert end.high_ns - begin.low_ns == outage.end[1] - outage.onset[0] + slack


def test_a_point_on_nothing_is_as_wide_as_its_column(view: RunView) -> None:
    window = Window(STORY.t0_ns, S // 2, 40)
    found = point(view, Row(Kind.PHASES), window, window.time(3))
    assert (found.low_ns, found.high_ns) == (window.time(3), window.time(4))
    assert distance(Point(0, 0, S, "a"), Point(5 * S, 5 * S, 6 * S, "b")) == "a → b: 5.00 s [4.00, 6.00]"
    assert distance(Point(5 * S, 5 * S, 6 * S, "b"), Point(0, 0, S, "a")) == "b → a: -5.00 s [-6.00, -4.00]"


async def test_a_mark_and_the_cursor_tell_their_distance() -> None:
    async with at_end() as b:
        await b.press("m")
        assert "Put the cursor on a time first" in b.notes
        await b.press("home", "m", "right", "right")
        timeline = b.app.session.timeline
        begin, at_ns, window = timeline.mark, timeline.cursor_ns, timeline.window
        assert begin is not None
        assert at_ns is not None
        assert window is not None
        wanted = distance(begin, point(b.app.view, timeline.row, window, at_ns))
        assert b.text("detail").startswith(f"{wanted} · ")
        assert BLOCK.point in b.rows[0]
        timeline.go_to(begin.at_ns)
        await b.press("m")
        assert BLOCK.point not in b.rows[0]


async def test_a_note_goes_to_the_engine_with_the_cursors_time() -> None:
    async with at_ready() as b:
        await b.press("left", "left", "n")
        await b.until(lambda: b.on(AskScreen))
        at_ns = b.app.session.timeline.cursor_ns
        await b.press(*"switch", "space", "replaced", "x", "enter")
        await b.until(lambda: b.feed.sent)
        (command, args) = b.feed.sent[0]
        assert command == "note"
        assert args["at_ns"] == str(at_ns)
        assert args["text"].startswith("switch ")


async def test_escape_keeps_no_note() -> None:
    async with at_ready() as b:
        await b.press("n")
        await b.until(lambda: b.on(AskScreen))
        await b.press("x", "escape")
        await b.until(lambda: b.on(SessionScreen))
        assert b.feed.sent == []


@pytest.mark.parametrize("read_only", [True, False])
async def test_a_note_is_refused_where_none_can_be_kept(read_only: bool) -> None:
    if read_only:
        async with at_ready(read_only=True) as b:
            await b.press("n")
            assert "read-only" in b.notes
    else:
        async with at_end() as b:
            await b.press("n")
            assert "this one is recorded" in b.notes


def test_a_note_stands_at_the_time_that_it_is_about() -> None:
    view = RunView(live=True, where="", read_only=False, clock=lambda: 0)
    at_ns = STORY.t0_ns + 5 * S
    view.fold(
        STORY.number([(0.0, ev.PhaseEntered(ev.Phase.CHANGE)), (9.0, ev.OperatorActed("note", "a\x1b[31m", at_ns))])
    )
    assert view.notes == [(at_ns, "a\x1b[31m")]
    (row,) = marks.events(Window(STORY.t0_ns, S, 20), view, BLOCK, 1)
    assert text_of(row) == f"     {BLOCK.note}a [31m".ljust(20)


def test_a_note_without_a_time_is_about_when_it_was_written() -> None:
    state = RunState()
    for event in STORY.number([(0.0, ev.OperatorActed("note", "hello"))]):
        apply(state, event)
    assert state.actions[0][1].at_ns == 0


async def test_digits_jump_and_a_text_filters() -> None:
    async with at_end() as b:
        timeline = b.app.session.timeline
        await b.press("3")
        assert timeline.row is not None
        assert timeline.row.service is Service.INGRESS
        await b.press("9")
        assert "No row has the digit 9" in b.notes
        await b.press("slash", *"vm03", "enter")
        await b.until(lambda: timeline.rows.wanted == "vm03")
        lanes = [r for r in timeline._built if r.kind is Kind.LANE]
        assert {b.app.view.state.lanes[r.lane].lane.subject for r in lanes} == {"vm03"}
        assert "only 'vm03'" in timeline.status
        await b.press("slash", *["backspace"] * 4, "enter")
        await b.until(lambda: not timeline.rows.wanted)


async def test_time_goes_around() -> None:
    async with at_end() as b:
        seen = []
        for _ in range(3):
            await b.press("u")
            seen.append(b.app.view.base)
        assert seen == [TimeBase.UTC, TimeBase.LOCAL, TimeBase.RELATIVE]


async def test_copy_goes_to_the_terminal_and_into_the_run_folder(tmp_path: Path) -> None:
    async with at_end() as b:
        b.app.view.where = str(tmp_path)
        await b.press("right_square_bracket", "y")
        await b.until(lambda: "Copied" in b.notes)
        assert b.app.clipboard == b.app.session.timeline.detail
        assert (tmp_path / "copied.txt").read_text() == f"{b.app.clipboard}\n"
        b.app.view.where = str(tmp_path / "gone")
        await b.press("y")
        await b.until(lambda: "no file" in b.notes)


def test_a_low_terminal_has_a_row_per_service_and_one_for_those_without_outage(view: RunView) -> None:
    rows = Rows()
    kinds = [r.kind for r in rows.build(view, 1, low=True)]
    assert kinds.count(Kind.LANE) == 3, "one each for egress, ingress and the gateway"
    built = [r for r in rows.build(view, 1, low=True) if r.kind is Kind.LANE]
    assert [r.service for r in built][:2] == [Service.EGRESS, Service.INGRESS]
    calm = RunView(live=False, where="", read_only=True, clock=lambda: 0)
    calm.fold(Story(controls=True).until_ready())
    calm.refresh()
    quiet = rows.build(calm, 1, low=True)[-1]
    assert (quiet.kind, quiet.label) == (Kind.QUIET, "gateway, control · 21 lanes")
    assert rows.toggle(quiet)
    shown = [r.service for r in rows.build(calm, 1, low=True) if r.kind is Kind.LANE]
    assert shown == [Service.EGRESS, Service.INGRESS, Service.GATEWAY, Service.CONTROL]
