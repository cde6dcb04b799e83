# SPDX-License-Identifier: Apache-2.0
"""The cloud screen: rows, filter, order, details; 10,000 routers; names from strangers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from csworkbench.tui.actions import ACTIONS
from csworkbench.tui.cloud import COLUMNS, CloudLost, CloudView, listing
from csworkbench.tui.cloud_actions import CLOUD_ACTIONS
from csworkbench.tui.cloud_app import CloudApp
from csworkbench.tui.palette import offered
from csworkbench.tui.screens.browsing import BrowsingScreen
from csworkbench.tui.screens.cloud import CloudScreen
from csworkbench.tui.screens.cloud_detail import LinesScreen, hanging
from csworkbench.tui.screens.help import HelpScreen
from csworkbench.tui.text import width
from csworkbench.upgrade import Facts, assess, preflight
from tests.upgrade.fleets import OLD_SUM, fleet, router

from .helpers import at_ready
from .synthetic import HOSTILE

PATIENCE_S = 20.0


def view(*vms: Any, **others: Any) -> CloudView:
    facts = Facts(fleet(*vms, **others))
    return CloudView(facts, assess(facts.fleet), preflight(facts))


class HandSource:
    """Gives what a test puts into it."""

    name = "cloud-1"

    def __init__(self, *found: CloudView | CloudLost) -> None:
        self.found = list(found)
        self.reads = 0

    async def read(self, progress: Callable[[str], None]) -> CloudView:
        self.reads += 1
        progress("listRouters: 500 of 900")
        await asyncio.sleep(0)
        item = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(item, CloudLost):
            raise item
        return item


OLD = router(7, version="4.19.1", software_version="4.19.1.0", scripts_version=OLD_SUM, requires_upgrade=True)
CODE = router(8, software_version="4.21.0.0", scripts_version=OLD_SUM)


@asynccontextmanager
async def shown(
    source: HandSource, size: tuple[int, int] = (120, 40), ascii_only: bool = False
) -> AsyncIterator[tuple[CloudApp, Pilot[Any]]]:
    app = CloudApp(source, glyphs="ascii" if ascii_only else "blocks")
    async with app.run_test(size=size) as pilot:
        end = time.monotonic() + PATIENCE_S
        while app.cloud.found is None and not app.cloud.status.startswith("×"):
            assert time.monotonic() < end
            await pilot.pause(0.01)
        await pilot.pause()
        yield app, pilot


def screen_text(app: CloudApp, selector: str) -> str:
    return str(app.screen.query_one(selector).render())


def test_the_registry_has_what_the_screen_can_do() -> None:
    own = {name for c in (CloudScreen, BrowsingScreen) for name in vars(c) if name.startswith("action_")}
    assert own == {f"action_{a.handler.split('(')[0]}" for a in CLOUD_ACTIONS}
    keys = [key for a in CLOUD_ACTIONS for key in a.keys.split(",")]
    assert len(keys) == len(set(keys))
    assert {a.id for a in CLOUD_ACTIONS} & {a.id for a in ACTIONS} == set()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_what_it_shows(size: tuple[int, int]) -> None:
    async with shown(HandSource(view(OLD, CODE)), size) as (app, pilot):
        rows = app.cloud.view.text_rows()
        assert all(width(row) <= size[0] for row in rows)
        assert [row.split()[0] for row in rows[1:5]] == ["r-7-VM", "r-8-VM", "r-101-VM", "r-102-VM"]
        assert "new template 4.19.1" in rows[1]
        assert "restart with cleanup" in rows[1]
        assert "1 new template · 1 new scripts · 2 current" in screen_text(app, ".browse-head")
        assert "template 4.19.1 is older" in screen_text(app, ".browse-detail")
        if size[0] >= 120:
            assert "template 4.19.1" in rows[1].split("cleanup")[1]
        await pilot.press("down", "enter")
        assert isinstance(app.screen, LinesScreen)
        text = screen_text(app, "#lines")
        assert "needs new scripts only" in text
        assert "restartNetwork id=net-8" in text
        assert "livepatch=true" in text


async def test_filter_order_and_back() -> None:
    source = HandSource(view(OLD, CODE))
    async with shown(source) as (app, pilot):
        await pilot.press("slash", *"4.19 temp", "enter")
        assert [a.vm.name for a in app.cloud.view.rows.shown] == ["r-7-VM"]
        assert "1 of 4 rows" in screen_text(app, ".browse-status")
        await pilot.press("escape")
        assert len(app.cloud.view.rows.shown) == 4
        assert app.screen.query_one(Input).value == ""
        app.cloud.view.order_by(0)
        names = [a.vm.name for a in app.cloud.view.rows.shown]
        assert names == ["r-7-VM", "r-8-VM", "r-101-VM", "r-102-VM"]
        await pilot.press("S")
        assert [a.vm.name for a in app.cloud.view.rows.shown] == names[::-1]
        await pilot.press("s")
        assert app.cloud.view.ordered_by == "serves"
        await pilot.press("end")
        chosen = app.cloud.rows.chosen
        await pilot.press("g")
        await pilot.pause()
        assert source.reads == 2
        assert app.cloud.rows.chosen is not None
        assert chosen is not None
        assert app.cloud.rows.chosen.vm.id == chosen.vm.id  # the cursor stays with its router
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "q")
        await pilot.pause()
    assert app.return_code == 0


async def test_a_cloud_that_does_not_answer() -> None:
    source = HandSource(CloudLost("listApis: no route to host"), view(OLD))
    async with shown(source) as (app, pilot):
        assert "no route to host" in screen_text(app, ".browse-status")
        await pilot.press("enter", "p", "down", "g")
        end = time.monotonic() + PATIENCE_S
        while app.cloud.found is None:
            assert time.monotonic() < end
            await pilot.pause(0.01)
        assert len(app.cloud.view.rows.shown) == 3


@pytest.mark.parametrize("ascii_only", [False, True])
async def test_names_from_strangers(ascii_only: bool) -> None:
    vms = [
        replace(OLD, id=f"id{n}", name=name, network=name, vpc=name, zone=name, version=name, state=name)
        for n, name in enumerate(HOSTILE)
    ]
    async with shown(HandSource(view(*vms)), (200, 60), ascii_only) as (app, pilot):
        for row in app.cloud.view.text_rows():
            assert row.isprintable()
            assert not ascii_only or row.isascii()
            assert width(row) <= 200
        for _ in vms:
            await pilot.press("enter", "escape", "down")
        await pilot.press("p", "escape")


@pytest.mark.slow
async def test_ten_thousand_routers() -> None:
    kinds = (OLD, CODE, OLD)
    many = [replace(kinds[n % 3], id=f"i{n}", name=f"r-{n}-VM", network=f"net{n}") for n in range(10_000)]
    async with shown(HandSource(view(*many))) as (app, pilot):
        rows = app.cloud.view
        assert len(rows.rows.shown) == 10_002
        started = time.monotonic()
        await pilot.press("end", *["pageup"] * 20, "home", *["down"] * 20)
        for text in ("r-99", "r-9999", ""):
            rows.rows.narrow(text)
            rows.show()
        rows.order_by(0)
        rows.order_by(1)
        rows.text_rows()
        assert time.monotonic() - started < 15  # seconds on a loaded machine; a widget for each row takes minutes
        await pilot.press("end")
        assert rows.rows.chosen is not None
        assert rows.rows.chosen.vm.name in rows.text_rows()[-1]


def test_order_is_natural_and_stable() -> None:
    rows = listing()
    rows.take(assess(fleet(*(router(n) for n in (10, 9, 2)))))
    rows.sort(0)
    assert [a.vm.name for a in rows.shown] == ["r-2-VM", "r-9-VM", "r-10-VM", "r-101-VM", "r-102-VM"]
    rows.narrow("ZONE1 r-1")
    assert [a.vm.name for a in rows.shown] == ["r-10-VM", "r-101-VM", "r-102-VM"]


def test_columns_fit() -> None:
    for cells in range(20, 260):
        columns = listing().fitting(cells)
        assert sum(n for _, n in columns) + len(columns) - 1 <= cells
        assert columns[0][0] == 0
    assert len(listing().fitting(200)) == len(COLUMNS)


def test_long_lines_hang_under_their_text() -> None:
    lines = hanging((("Need  ", ""), ("one two three four five", "b")), 14)
    assert ["".join(text for text, _ in line).rstrip() for line in lines] == [
        "Need  one two", "      three", "      four", "      five",
    ]  # fmt: skip


async def test_from_a_session_there_and_back() -> None:
    async with at_ready() as b:
        await b.press("c")
        assert "There is no cloud to ask" in b.notes
        b.app._cloud = HandSource(view(OLD))
        await b.press("c")
        assert b.on(CloudScreen)
        assert {a.id for a in offered(b.app.screen)} == {a.id for a in CLOUD_ACTIONS}
        await b.press("q")
        assert not b.on(CloudScreen)
