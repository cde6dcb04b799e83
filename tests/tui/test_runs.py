# SPDX-License-Identifier: Apache-2.0
"""The run library's screens: rows, filter, order, marks, results, comparison, what they ask of the library."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input

from csworkbench.tui.actions import ACTIONS, Action
from csworkbench.tui.cloud_actions import CLOUD_ACTIONS
from csworkbench.tui.cloud_app import CloudApp
from csworkbench.tui.palette import offered
from csworkbench.tui.run_actions import COMPARISON_ACTIONS, RESULT_ACTIONS, RUN_ACTIONS
from csworkbench.tui.screen_app import RunsApp
from csworkbench.tui.screens.ask import AskScreen
from csworkbench.tui.screens.browsing import BrowsingScreen
from csworkbench.tui.screens.comparison import ComparisonScreen
from csworkbench.tui.screens.help import HelpScreen
from csworkbench.tui.screens.question import QuestionScreen
from csworkbench.tui.screens.reading import ReadingScreen
from csworkbench.tui.screens.run_result import RunResultScreen
from csworkbench.tui.screens.runs import RunsScreen
from csworkbench.tui.text import width

from .helpers import at_ready
from .piloted import Piloted
from .run_library import HandLibrary, row, story_result
from .synthetic import HOSTILE
from .test_cloud import OLD, HandSource, view


class Shown(Piloted[RunsApp]):
    """The app under a pilot."""

    def __init__(self, app: RunsApp, pilot: Pilot[Any], library: HandLibrary) -> None:
        super().__init__(app, pilot)
        self.library = library

    @property
    def rows(self) -> list[str]:
        return self.app.runs.view.text_rows()

    async def click_button(self, button: str) -> None:
        self.app.screen.query_one(button, Button).press()
        await self.pilot.pause()


@asynccontextmanager
async def shown(
    library: HandLibrary, size: tuple[int, int] = (120, 40), glyphs: str = "blocks", wait: bool = True
) -> AsyncIterator[Shown]:
    app = RunsApp(library, glyphs=glyphs)
    async with app.run_test(size=size) as pilot:
        s = Shown(app, pilot, library)
        if wait:
            await s.until(lambda: app.runs.read or app.runs.status.startswith("×"))
        yield s


@pytest.mark.parametrize(
    ("cls", "actions"),
    [(RunsScreen, RUN_ACTIONS), (RunResultScreen, RESULT_ACTIONS), (ComparisonScreen, COMPARISON_ACTIONS)],
)
def test_the_registry_has_what_the_screen_can_do(cls: type, actions: tuple[Action, ...]) -> None:
    own = {name for c in (cls, BrowsingScreen, ReadingScreen) if issubclass(cls, c) for name in vars(c)}
    assert {n for n in own if n.startswith("action_")} == {f"action_{a.handler.split('(')[0]}" for a in actions}
    keys = [key for a in actions for key in a.keys.split(",")]
    assert len(keys) == len(set(keys))


def test_ids_are_unique_over_all_registries() -> None:
    every = [a.id for r in (ACTIONS, CLOUD_ACTIONS, RUN_ACTIONS, RESULT_ACTIONS, COMPARISON_ACTIONS) for a in r]
    assert len(every) == len(set(every))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_what_it_shows(size: tuple[int, int]) -> None:
    runs = [
        row(0, live=True, verdict="live: baseline", figures={}),
        row(1, over_budget=True, verdict="restarted over budget", tags=("baseline",), note="after the move"),
        row(2, verdict="failed"),
        row(3, problem="not a run file", name=""),
    ]
    async with shown(HandLibrary(*runs), size) as s:
        assert all(width(r) <= size[0] for r in s.rows)
        assert "● " in s.rows[1]
        assert "live: baseline" in s.rows[1]
        assert "2.40 [2.30, 2.50]" in s.rows[2]
        assert "restarted over" in s.rows[2]
        assert "up" in s.rows[2]
        assert "unreadable" in s.rows[4]
        assert "4 runs · 1 live" in s.text(".browse-head")
        await s.press("down")
        assert "2026-run-1  restart 1 +baseline  after the move" in s.text(".browse-detail")
        assert "dns 2.00 [1.00, 3.00]" in s.text(".browse-detail")
        assert {a.id for a in offered(s.app.screen)} == {a.id for a in RUN_ACTIONS}


async def test_filter_order_and_marks() -> None:
    async with shown(HandLibrary(*(row(n, tags=("old",) if n % 2 else ()) for n in range(12)))) as s:
        rows = s.app.runs.rows
        await s.press("slash", *"+old restart", "enter")
        assert [r.run for r in rows.shown] == [f"2026-run-{n}" for n in (1, 3, 5, 7, 9, 11)]
        assert "6 of 12 rows with '+old restart'" in s.text(".browse-status")
        await s.press("space", "space")
        assert list(rows.marked) == ["2026-run-1", "2026-run-3"]
        await s.press("escape")  # all again; the marks stay
        assert len(rows.shown) == 12
        assert "2 marked" in s.text(".browse-status")
        assert s.app.screen.query_one(Input).value == ""
        s.app.runs.view.order_by(4)
        assert [r.run for r in rows.shown][:2] == ["2026-run-0", "2026-run-1"]  # least egress downtime first
        await s.press("S")
        assert rows.shown[0].run == "2026-run-11"
        await s.press("s")
        assert "by ingress s" in s.text(".browse-status")
        await s.press("a")
        assert len(rows.marked) == 12
        await s.press("a")
        assert not rows.marked


async def test_the_mouse() -> None:
    async with shown(HandLibrary(*(row(n) for n in range(5)))) as s:
        await s.pilot.click("#rows", offset=(30, 3))
        assert s.app.runs.rows.cursor == 2
        await s.pilot.click("#rows", offset=(60, 0))
        assert s.app.runs.rows.order == 3
        await s.pilot.click("#rows", offset=(30, 1 + s.app.runs.rows.cursor))
        assert isinstance(s.app.screen, RunResultScreen)


async def test_rows_come_as_they_are_read() -> None:
    library = HandLibrary(*(row(n) for n in range(20)), at_once=10)
    library.go.clear()
    async with shown(library, wait=False) as s:
        await s.until(lambda: len(s.app.runs.rows.every) == 10)
        assert "reading 10 of 20 run files" in s.text(".browse-status")
        await s.press("down", "down")
        library.go.set()
        await s.until(lambda: s.app.runs.read)
        assert len(s.app.runs.rows.every) == 20
        assert s.app.runs.rows.chosen == row(2)  # the cursor stays with its run


async def test_nothing_there_and_nothing_readable() -> None:
    async with shown(HandLibrary()) as s:
        assert "No runs under /var/lib/runs. csworkbench demo makes one." in "\n".join(s.rows)
        await s.press("enter", "r", "space", "a", "c", "e", "w", "t", "n", "D", "s", "S", "down", "end", "pageup")
        assert isinstance(s.app.screen, RunsScreen)
    library = HandLibrary(row(0))
    library.refuse["read"] = "/var/lib/runs: Permission denied"
    async with shown(library) as s:
        assert "× /var/lib/runs: Permission denied (g looks again)" in s.text(".browse-status")
        library.refuse.clear()
        await s.press("g")
        await s.until(lambda: s.app.runs.read)
        assert len(s.app.runs.rows.every) == 1


async def test_the_result_of_a_run() -> None:
    library = HandLibrary(row(0, note="[bold]told\x1b[31m"))
    library.go.clear()
    library.at_once = 0
    library.read = lambda told: told(1, 1, library.all)  # type: ignore[assignment]
    async with shown(library) as s:
        await s.press("enter")
        await s.until(lambda: "500 records" in s.text("#page-head"))
        library.go.set()
        await s.until(lambda: "RESTARTED" in s.text("#page-lines"))
        text = s.text("#page-lines")
        assert "2.00 s [1.40, 2.60]   worst vm" in text
        assert "Router r-57-VM replaced r-42-VM" in text
        assert "[bold]told [31m" in text  # as text: neither markup nor a colour
        assert "records" in text
        assert "icmp" in text
        await s.press("e")
        await s.until(lambda: "Exported to /runs/2026-run-0/export" in s.notes)
        await s.press("w")
        assert isinstance(s.app.screen, AskScreen)
        await s.press("escape", "question_mark")
        assert isinstance(s.app.screen, HelpScreen)
        await s.press("escape", "escape")
        assert isinstance(s.app.screen, RunsScreen)


async def test_a_result_that_cannot_be_read() -> None:
    library = HandLibrary(row(0))
    library.refuse["result"] = "run.db: damaged after entry 7"
    async with shown(library) as s:
        await s.press("enter")
        await s.until(lambda: "damaged after entry 7" in s.text("#page-lines"))
        await s.press("q")
        assert isinstance(s.app.screen, RunsScreen)


@pytest.mark.parametrize(("live", "keys"), [(False, ("r",)), (True, ("enter",)), (False, ("enter", "r"))])
async def test_replay_and_attach_end_the_app_with_the_run(live: bool, keys: tuple[str, ...]) -> None:
    async with shown(HandLibrary(row(0, live=live))) as s:
        await s.press(*keys)
        await s.until(lambda: not s.app.is_running)
    assert s.app.return_value == "2026-run-0"


async def test_what_was_found_is_still_there_after_a_visit() -> None:
    library = HandLibrary(*(row(n) for n in range(9)))
    async with shown(library) as s:
        await s.press("slash", *"restart", "enter", "space", "down")
        found = s.app.runs.rows
    app = RunsApp(library, found)
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.runs.rows.filter == "restart"
        assert app.runs.query_one(Input).has_class("-open")
        assert list(app.runs.rows.marked) == ["2026-run-0"]
        assert app.runs.rows.cursor == 2


async def test_a_live_run_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csworkbench.tui.screens.runs.LOOK_S", 0.05)
    library = HandLibrary(row(0, live=True, verdict="live: change"), row(1))
    async with shown(library) as s:
        library.all[0] = row(0, verdict="upgraded")
        await s.until(lambda: "upgraded" in s.rows[1])
        assert "live" not in s.text(".browse-head")


async def test_compare() -> None:
    library = HandLibrary(row(0), row(1), row(2))
    library.results["2026-run-1"] = story_result("2026-run-1", "restart cleanup=false")
    async with shown(library, (200, 60)) as s:
        await s.press("c")
        assert "Mark two runs or more first" in s.notes
        await s.press("a", "c")
        await s.until(lambda: "egress seconds down" in s.text("#page-lines"))
        text = s.text("#page-lines")
        assert "A  lab 4.22 4.22.0.0 · restart cleanup=true  2 runs  base" in text
        assert "B  lab 4.22 4.22.0.0 · restart cleanup=false  1 run" in text
        assert "percentages from fewer than 5 runs say little" in text
        assert "reduction" in text
        assert "◇" in text
        await s.press("b")
        await s.until(lambda: "restart cleanup=false  1 run  base" in s.text("#page-lines"))
        assert [did for did in library.did if did[0] == "result"] == [("result", f"2026-run-{n}") for n in range(3)]
        await s.press("w", "enter")
        await s.until(lambda: any(did[0] == "write" for did in library.did))
        await s.until(lambda: "comparison.md" in s.notes)
        await s.pilot.resize_terminal(80, 24)
        await s.pilot.pause()
        assert all(width(line) <= 76 for line in s.text("#page-lines").splitlines())


async def test_labels() -> None:
    async with shown(HandLibrary(row(0), row(1))) as s:
        await s.press("t", *"+baseline", "enter")
        await s.until(lambda: "+new" in s.rows[1])
        assert ("tag", ("2026-run-0",), "+baseline") in s.library.did
        await s.press("n", *"seen", "enter")
        await s.until(lambda: "seen" in s.text(".browse-detail"))
        s.library.refuse["tag"] = "'+ä' is no tag"
        await s.press("a", "t", *"+x", "enter")
        await s.until(lambda: "is no tag" in s.notes)
        assert ("tag", ("2026-run-0", "2026-run-1"), "+x") in s.library.did


async def test_reports_and_exports_of_several() -> None:
    async with shown(HandLibrary(row(0), row(1))) as s:
        await s.press("a", "w")
        field = s.app.screen.query_one(Input)
        assert field.value.endswith("report-2-runs.html")
        field.value = "/tmp/x/r.md"
        await s.press("enter")
        await s.until(lambda: "Written to /tmp/x/r.md" in s.notes)
        s.library.refuse["export"] = "No space left on device"
        await s.press("e")
        await s.until(lambda: s.notes.count("No space left on device") == 2)


async def test_deleting_asks_and_keeps_what_goes_on() -> None:
    async with shown(HandLibrary(row(0, live=True), row(1, tags=("keep",)), row(2))) as s:
        await s.press("D")
        assert "it is going on" in s.notes
        await s.press("a", "D")
        await s.until(lambda: isinstance(s.app.screen, QuestionScreen))
        text = s.text("#question")
        assert "2 with 2.0 MiB" in text
        assert "2026-run-1 +keep" in text
        assert "kept: 2026-run-0" in text
        await s.press("enter")  # the focus is on Cancel
        assert isinstance(s.app.screen, RunsScreen)
        assert not any(did[0] == "delete" for did in s.library.did)
        await s.press("D")
        await s.until(lambda: isinstance(s.app.screen, QuestionScreen))
        await s.press("y")
        await s.until(lambda: len(s.app.runs.rows.every) == 1)
        assert ("delete", ("2026-run-1", "2026-run-2")) in s.library.did


@pytest.mark.parametrize("glyphs", ["blocks", "ascii"])
async def test_names_from_strangers(glyphs: str) -> None:
    runs = [
        row(n, run=f"{name}{n}", name=name, note=name, verdict=name, tags=(name,)) for n, name in enumerate(HOSTILE)
    ]
    async with shown(HandLibrary(*runs), (200, 60), glyphs) as s:
        for line in s.rows:
            assert line.isprintable()
            assert width(line) <= 200
            assert glyphs == "blocks" or line.isascii()
        for keys in (("enter",), ("t",), ("n",), ("D",), ("question_mark",)) * 2:
            await s.press(*keys, "escape", "down")


@pytest.mark.parametrize("keys", [(), ("enter",), ("a", "c"), ("question_mark",), ("D",), ("t",), ("slash", "x")])
async def test_one_cell_and_back(keys: tuple[str, ...]) -> None:
    async with shown(HandLibrary(*(row(n) for n in range(40)))) as s:
        await s.press("end", *keys)
        for size in ((1, 1), (3, 2), (20, 5), (120, 40)):
            await s.pilot.resize_terminal(*size)
            await s.pilot.pause()
        if not keys:
            assert "restart 39" in s.rows[1 + 39 - s.app.runs.view.scroll_offset.y]


async def test_from_a_session_and_from_the_cloud() -> None:
    async with at_ready() as b:
        await b.press("v")
        assert "There is no run library here" in b.notes
        b.app._library = lambda: HandLibrary(row(0))
        await b.press("v")
        assert b.on(RunsScreen)
        await b.until(lambda: b.app.screen.read)  # type: ignore[attr-defined]
        await b.press("v", "q")
        assert not b.on(RunsScreen)
        await b.press("v")
        await b.until(lambda: b.app.screen.read)  # type: ignore[attr-defined]
        await b.press("r")
        await b.until(lambda: not b.app.is_running)
        assert b.app.wanted == "2026-run-0"
    app = CloudApp(HandSource(view(OLD)), library=HandLibrary(row(0)))
    async with app.run_test() as pilot:
        await pilot.press("v")
        await pilot.pause()
        assert isinstance(app.screen, RunsScreen)


@pytest.mark.slow
async def test_ten_thousand_runs() -> None:
    async with shown(HandLibrary(*(row(n) for n in range(10_000)), at_once=10_000)) as s:
        started = time.monotonic()
        await s.press("end", *["pageup"] * 20, "home", *["down"] * 20)
        await s.press("slash", *"restart 99", "enter", "escape", "s", "S", "a")
        assert len(s.app.runs.rows.marked) == 10_000
        assert time.monotonic() - started < 15  # seconds on a loaded machine
