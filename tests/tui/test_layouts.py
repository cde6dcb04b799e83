# SPDX-License-Identifier: Apache-2.0
"""The layouts that come with the workbench, a user's own, and changing from one to the next."""

from functools import partial
from pathlib import Path

import pytest

from csworkbench.tui import layout
from csworkbench.tui.app import WorkbenchApp
from csworkbench.tui.layout import LayoutError, known, load
from csworkbench.tui.widgets import PANELS
from csworkbench.tui.widgets.figures import ASCII_DIGITS, DIGITS, FiguresPanel, big
from csworkbench.tui.widgets.report import ReportPanel

from .helpers import Bench, at_end, at_ready


@pytest.mark.parametrize("name", ["operator", "narrow", "report", "wall"])
def test_each_layout_is_good(name: str) -> None:
    assert load(name, PANELS).key == name


def test_the_operators_is_the_first_of_all() -> None:
    assert known()[0] == "operator"
    assert {"narrow", "wall", "report"} <= set(known())


def shows(b: Bench, name: str) -> bool:
    """True when that layout is shown with a timeline."""
    return b.app._plan.key == name and b.app.session.timeline.display


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_layouts_go_around_and_the_view_stays(size: tuple[int, int]) -> None:
    async with at_end(size) as b:
        await b.press("home", "m", "right")
        before = b.app.session.timeline
        where = before.cursor_ns, before.window, before.mark
        for name in [*known()[1:], "operator"]:
            await b.press("L")
            await b.until(partial(shows, b, name))
            timeline = b.app.session.timeline
            assert (timeline.cursor_ns, timeline.mark) == (where[0], where[2])
            assert timeline.rows is before.rows
            assert b.app.focused is timeline
        assert b.app.session.timeline is not before
        assert "RESTARTED" in b.text("guide")
        side = b.app.session.query_one("#side").outer_size.width
        assert side == {80: 80, 120: 36, 200: 42}[size[0]], "the rules of the layouts before it are gone"


async def test_the_wall_has_large_figures() -> None:
    async with at_end((160, 50)) as b:
        await b.app.use_layout("wall")
        await b.until(lambda: "egress" in b.app.session.query_one(FiguresPanel).shown)
        shown = b.app.session.query_one(FiguresPanel).shown.splitlines()
        assert shown[0].split()[:2] == ["egress", "gateway"]
        assert shown[1].startswith(big("2.36")[0][:3])
        assert len(b.app.session.query("#keys")) == 0


async def test_the_report_has_the_result_in_words() -> None:
    async with at_end((160, 50)) as b:
        await b.app.use_layout("report")
        await b.until(lambda: "RESTARTED" in b.app.session.query_one(ReportPanel).shown)
        shown = b.app.session.query_one(ReportPanel).shown
        assert "restartNetwork: succeeded after" in shown
        assert "egress" in shown
        assert "doubts" in shown


async def test_a_running_operation_can_be_started_from_each_layout() -> None:
    async with at_ready() as b:
        for name in ("narrow", "wall", "report"):
            await b.app.use_layout(name)
            await b.press("r")
            await b.until(lambda: type(b.app.screen).__name__ == "ConfirmScreen")
            await b.press("escape")
        assert b.feed.sent == []


async def test_a_bad_layout_is_told_and_the_old_one_stays(tmp_path: Path) -> None:
    async with at_end() as b:
        (tmp_path / "x.yaml").write_text("nam: x\n")
        await b.app.use_layout(str(tmp_path / "x.yaml"))
        await b.until(lambda: "unknown key" in b.notes)
        assert b.app._plan.key == "operator"
        assert b.text("guide")


def test_a_users_layout_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "user_directory", lambda: tmp_path)
    (tmp_path / "mine.yaml").write_text("rows:\n  - {panel: timeline}\n")
    with pytest.raises(LayoutError, match=r"mine\.tcss"):
        load("mine", PANELS)
    (tmp_path / "mine.tcss").write_text("#timeline { border: none; }")
    assert load("mine", PANELS).key == "mine"
    assert "mine" in known()
    with pytest.raises(LayoutError, match="no layout's name"):
        load("../mine", PANELS)


def test_large_digits_are_three_lines_of_the_same_width() -> None:
    for shapes in (DIGITS, ASCII_DIGITS):
        assert set(shapes) == set("0123456789.")
        assert all(len({len(row) for row in shape}) == 1 and len(shape) == 3 for shape in shapes.values())
        assert len(set(shapes.values())) == len(shapes)
    assert all(row.isascii() for row in big("0123456789.", ascii_only=True))


def test_the_app_takes_a_layout() -> None:
    from .feeds import HandFeed

    assert WorkbenchApp(HandFeed(), "wall")._plan.key == "wall"
