# SPDX-License-Identifier: Apache-2.0
"""The screen says how far its figures can be trusted: ambiguous, blind, unknown, uncertain, clocks."""

import pytest

from csworkbench.model import event as ev
from csworkbench.model.lane import Service
from csworkbench.tui.glyphs import ASCII, BLOCK, Cell
from csworkbench.tui.screens.help import MEANINGS
from csworkbench.tui.timeline.canvas import text_of
from csworkbench.tui.timeline.detail import detail
from csworkbench.tui.timeline.paint import CELL_STYLES, Geometry, Painter
from csworkbench.tui.timeline.rows import Kind, Row, Rows
from csworkbench.tui.timeline.window import Window
from csworkbench.tui.view import RunView

from .feeds import HandFeed
from .helpers import bench
from .synthetic import WALL, S, Story

STORY = Story(controls=True)


@pytest.fixture(scope="module")
def view() -> RunView:
    """The whole story with its control lanes, folded; vm07's wall clock was set."""
    view = RunView(live=False, where="", read_only=True, clock=lambda: 0)
    stamps = [(1.0, WALL), (2.0, WALL + S), (3.0, WALL + 62 * S)]
    clocks: list[tuple[float, ev.Body]] = [
        (20.0 + s, ev.RemoteClock("vm07", STORY.stamp("vm07", 20.0 + s), wall)) for s, wall in stamps
    ]
    view.fold(STORY.events())
    view.fold(STORY.number(clocks))
    view.ended = True
    view.refresh()
    return view


def window(from_s: float, step_s: float, columns: int) -> Window:
    """A window by the story's seconds since the change."""
    return Window(STORY.t0_ns + int((STORY.change_s + from_s) * S), int(step_s * S), columns)


def lane_of(view: RunView, subject: str, service: Service, target: str = "") -> int:
    """The headline lane of a VM."""
    lanes = (s.lane for s in view.state.lanes.values() if s.lane.subject == subject and s.lane.service is service)
    return next(lane.id for lane in lanes if lane.headline and target in lane.target)


def said(view: RunView, lane: int, at_s: float) -> str:
    """The detail line of a lane at a time."""
    where = window(0, 0.1, 100)
    return detail(view, Row(Kind.LANE, lane=lane), where, STORY.t0_ns + int((STORY.change_s + at_s) * S))


def test_every_state_has_a_glyph_a_style_and_a_meaning_of_its_own() -> None:
    for glyphs in (BLOCK, ASCII):
        assert len(glyphs.cells) == len(Cell) == len(set(glyphs.cells)) == len(CELL_STYLES)
    assert {cell for cell, *_ in MEANINGS} == set(Cell)


def test_ambiguous_looks_unlike_down_and_the_peer_is_not_blamed(view: RunView) -> None:
    painter, where = Painter(view, BLOCK), window(4, 0.2, 30)
    mine, other = (painter.cells(lane_of(view, vm, Service.EGRESS), where) for vm in ("vm04", "vm05"))
    assert Cell.AMBIGUOUS in mine
    assert Cell.DOWN not in mine
    assert Cell.DOWN in other
    assert Cell.AMBIGUOUS not in other


def test_the_detail_line_says_reasons_bounds_ambiguity_and_clock(view: RunView) -> None:
    text = said(view, lane_of(view, "vm04", Service.EGRESS), 7.5)
    assert "vm04 egress icmp: down " in text
    assert "1.60 s [1.50, 1.70] · timeout 16" in text
    assert "ambiguous: vm04 did not reach vm05 beside the router either" in text
    assert "clock ±1." in text
    control = said(view, lane_of(view, "vm04", Service.CONTROL, "10.1."), 7.5)
    assert "vm04 control to vm05: down" in control
    assert "timeout 20, unreachable: host 3/1 5" in control or "timeout 21, unreachable: host 3/1 4" in control


def test_the_detail_line_says_why_nobody_saw_anything(view: RunView) -> None:
    assert "blind" in said(view, lane_of(view, "vm05", Service.EGRESS), 1.5)
    assert ": late ·" in said(view, lane_of(view, "vm05", Service.EGRESS), 1.5)
    missing = said(view, lane_of(view, "vm06", Service.EGRESS), 3.0)
    assert "data not collected · an outage may have gone unseen" in missing
    assert "no outage" in said(view, lane_of(view, "vm06", Service.EGRESS), 0.5)


def test_control_lanes_stand_at_the_bottom_and_fold_into_the_worst(view: RunView) -> None:
    rows = Rows()
    (folded,) = (i for i, row in enumerate(rows.build(view, 1)) if row.service is Service.CONTROL)
    assert folded == len(rows.build(view, 1)) - 1
    rows.unfolded ^= {Service.CONTROL}
    built = rows.build(view, 1)
    painter = Painter(view, BLOCK)
    told = [
        text_of(painter.paint(row, window(4, 0.25, 30), Geometry(27, 30, 9)))
        for row in built
        if row.service is Service.CONTROL
    ]
    assert len(told) > 2
    kinds = ["itself" if "itself" in text else "peer" for text in told]
    assert kinds == sorted(kinds), "by what they ask"
    assert told[0].startswith("4▾ control itself")
    worst = next(text for text in told if "█" in text)
    assert "vm04" in worst
    assert "to vm05" in worst
    rows.unfolded ^= {Service.CONTROL}
    assert "vm04" in text_of(painter.paint(rows.build(view, 1)[folded], window(4, 0.25, 30), Geometry(27, 30, 9)))


def test_bounds_are_drawn_as_uncertain_columns(view: RunView) -> None:
    lane = next(s.lane for s in view.state.lanes.values() if s.lane.label.startswith("banner"))
    (outage,) = view.reports[lane.id].outages
    step = S // 20
    start = outage.onset[0] - 10 * step
    cells = Painter(view, BLOCK).cells(lane.id, Window(start, step, 200))
    edges = [i for i, cell in enumerate(cells) if cell == Cell.EDGE]
    certain = [i for i, cell in enumerate(cells) if cell == Cell.DOWN]
    width = (outage.onset[1] - outage.onset[0]) // step
    assert abs(len([i for i in edges if i < certain[0]]) - width) <= 2
    assert abs(certain[0] - (outage.onset[1] - start) // step) <= 1
    assert abs(certain[-1] - (outage.end[0] - start) // step) <= 1


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_panels_show_clock_bounds_blindness_and_doubt(size: tuple[int, int]) -> None:
    feed = HandFeed(live=False)
    feed.give(STORY.events())
    feed.give(STORY.number([
        (40.0, ev.RemoteClock("vm07", STORY.stamp("vm07", 20.0), WALL)),
        (40.0, ev.RemoteClock("vm07", STORY.stamp("vm07", 21.0), WALL + 61 * S)),
    ], 100_000))  # fmt: skip
    feed.end()
    async with bench(feed, size) as b:
        await b.until(lambda: "RESTARTED" in b.text("guide") and "vm07" in b.text("vantages"))
        assert "blind 1.20 s" in b.text("services")
        if size[0] == 120:
            assert b.app.session.query_one("#vantages").display
            prompts = [str(p) for p in b.app.session.query_one("#outages")._prompts]  # type: ignore[attr-defined]
            assert any(p.startswith("╳ vm04") for p in prompts)
            assert not any(p.startswith("╳ vm05") for p in prompts)
        else:
            shown = []
            for _ in range(4):
                shown += [
                    n
                    for n in ("services", "outages", "network", "vantages")
                    if b.app.session.query_one(f"#{n}").display
                ]
                if "vantages" in shown:
                    break
                await b.press("p")
            assert shown == ["services", "outages", "network", "vantages"]
        await b.until(lambda: "vm07 wall clock set by 60.00 s" in b.text("vantages"))
        first, *troubled = b.text("vantages").splitlines()
        assert first.startswith("11 · clock ±")
        assert any(line.startswith("vm06 blind 1.") for line in troubled)
        assert "blind for 1.2 s" in b.text("guide")
        assert "more such notes in the export" in b.text("guide")


async def test_a_channel_that_is_lost_is_no_blindness() -> None:
    story = Story()
    feed = HandFeed()
    feed.give(story.until_ready())
    feed.give(story.number([(10.5, ev.ChannelChanged("vm03", ev.ChannelState.LOST))], 100_000))
    async with bench(feed) as b:
        await b.until(lambda: "vm03" in b.text("vantages"))
        assert "vm03 no channel, records wait" in b.text("vantages")
        assert "blind" not in b.text("vantages")
