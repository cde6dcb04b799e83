# SPDX-License-Identifier: Apache-2.0
"""The workbench from its start: which cloud, a new one, plan, run, and back to the cloud."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from csworkbench.tui.actions import ACTIONS
from csworkbench.tui.cloud import CloudLost
from csworkbench.tui.home import CloudChoice, Profile, Tried
from csworkbench.tui.home_actions import CHOOSE_ACTIONS, HOME_CLOUD_ACTIONS
from csworkbench.tui.home_app import HomeApp
from csworkbench.tui.palette import offered
from csworkbench.tui.screens.choose import ChooseScreen
from csworkbench.tui.screens.cloud import CloudScreen
from csworkbench.tui.screens.cloud_detail import LinesScreen
from csworkbench.tui.screens.confirm import ConfirmScreen, LeaveScreen
from csworkbench.tui.screens.help import HelpScreen
from csworkbench.tui.screens.home_cloud import HomeCloudScreen
from csworkbench.tui.screens.plan import PlanScreen
from csworkbench.tui.screens.profile import ProfileScreen
from csworkbench.tui.screens.session import SessionScreen
from csworkbench.tui.text import width

from .piloted import Piloted
from .plans import HandHome
from .synthetic import HOSTILE, Story

PROD = CloudChoice("prod", "prod", "config.yaml", "https://prod.example.org/client/api")
CMK = CloudChoice("old", "old", "cloudmonkey", "https://old.example.org/client/api", read_only=True)
LAB = CloudChoice("lab", "test cloud", "up", "http://127.0.0.1:1/client/api")
START = CloudChoice("good", "test cloud", "start one of CloudStack 4.22", starts=True)
BAD = CloudChoice("bad", "test cloud", "start one that cannot", starts=True)


class Bench(Piloted[HomeApp]):
    """The workbench under a pilot."""

    def __init__(self, app: HomeApp, home: HandHome, pilot: Pilot[None]) -> None:
        super().__init__(app, pilot)
        self.home = home

    def look(self) -> None:
        if self.app.is_running:
            self.app.tick()

    async def reach(self, kind: type) -> None:
        await self.until(lambda: isinstance(self.app.screen, kind))

    def text(self, selector: str) -> str:
        return " ".join(str(self.app.screen.query_one(selector, Static).render()).split())

    @property
    def rows(self) -> list[str]:
        screen = self.app.screen
        assert isinstance(screen, ChooseScreen)
        options = screen.options
        return [str(options.get_option_at_index(i).prompt) for i in range(options.option_count)]


@asynccontextmanager
async def home_of(
    home: HandHome, size: tuple[int, int] = (80, 24), read_only: bool = False, ascii_only: bool = False
) -> AsyncIterator[Bench]:
    app = HomeApp(home, read_only=read_only, glyphs="ascii" if ascii_only else "blocks")
    async with app.run_test(size=size) as pilot:
        b = Bench(app, home, pilot)
        if isinstance(app.screen, ChooseScreen):
            await b.until(lambda: not getattr(app.screen, "busy", False))
        yield b


async def at_cloud(b: Bench) -> None:
    await b.until(lambda: isinstance(b.app.screen, HomeCloudScreen) and b.app.screen.found is not None)


def test_the_registries_have_what_the_screens_can_do() -> None:
    for screen, actions in ((ChooseScreen, CHOOSE_ACTIONS), (HomeCloudScreen, HOME_CLOUD_ACTIONS)):
        classes = [c for c in screen.__mro__ if c.__module__.startswith("csworkbench.")]
        own = {name for c in classes for name in vars(c) if name.startswith("action_")}
        assert own == {f"action_{a.handler.split('(')[0]}" for a in actions}
        keys = [key for a in actions for key in a.keys.split(",")]
        assert len(keys) == len(set(keys))
        assert {a.id for a in actions} & {a.id for a in ACTIONS} == set()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_first_start(size: tuple[int, int]) -> None:
    async with home_of(HandHome(CMK, START), size) as b:
        assert "No cloud is configured yet" in b.text("#choose-guide")
        assert [row.split()[0] for row in b.rows] == ["old", "test", "new"]
        assert "READ ONLY" in b.rows[0]
        assert all(width(row) <= size[0] - 2 for row in b.rows)
        assert {a.id for a in offered(b.app.screen)} == {a.id for a in CHOOSE_ACTIONS}
        await b.press("question_mark")
        assert isinstance(b.app.screen, HelpScreen)
        await b.press("escape", "q")
        await b.pilot.pause()
    assert b.app.return_code == 0


async def test_one_configured_cloud_is_opened_at_once() -> None:
    async with home_of(HandHome(PROD, first="prod")) as b:
        await at_cloud(b)
        await b.press("w")
        await b.reach(ChooseScreen)
        await b.until(lambda: len(b.rows) == 2)
        assert "Enter opens a cloud" in b.text("#choose-guide")
        await b.press("enter")
        await at_cloud(b)
        await b.press("q")
        await b.reach(ChooseScreen)


async def test_a_broken_configuration_is_said() -> None:
    home = HandHome(PROD, first="prod")
    home.broken = "config.yaml:3: key 'clouds' is repeated (first on line 1)"
    async with home_of(home) as b:
        await b.until(lambda: "repeated" in b.text("#choose-status"))
        assert len(b.rows) == 1
        home.broken = ""
        await b.press("g")
        await b.until(lambda: len(b.rows) == 2)


async def test_a_cloud_that_does_not_answer_is_not_opened() -> None:
    home = HandHome(PROD)
    home.tried = Tried(False, "the TLS certificate of prod is not trusted", "Give the file of the CA")
    async with home_of(home) as b:
        await b.press("enter")
        await b.until(lambda: "not trusted. Give the file of the CA" in b.text("#choose-status"))
        assert isinstance(b.app.screen, ChooseScreen)
        home.tried = Tried(True, "CloudStack 4.22.0.0 answers")
        await b.press("t")
        await b.until(lambda: "4.22.0.0 answers" in b.text("#choose-status"))
        assert isinstance(b.app.screen, ChooseScreen)


async def test_the_test_cloud_is_started() -> None:
    async with home_of(HandHome(BAD, START)) as b:
        await b.press("t")
        assert "nothing to test yet" in b.notes
        await b.press("enter")
        await b.until(lambda: "no namespaces; `csworkbench doctor` helps" in b.text("#choose-status"))
        await b.press("down", "enter")
        await at_cloud(b)


async def test_read_only_starts_no_test_cloud() -> None:
    async with home_of(HandHome(START), read_only=True) as b:
        await b.press("enter")
        assert "READ ONLY: no test cloud is started" in b.notes
        assert isinstance(b.app.screen, ChooseScreen)


async def fill(b: Bench, **texts: str) -> None:
    for name, text in texts.items():
        b.app.screen.query_one(f"#new-{name}", Input).value = text
    await b.pilot.pause()


async def test_a_new_cloud_is_tested_then_kept() -> None:
    async with home_of(HandHome(START)) as b:
        await b.press("n")
        await b.reach(ProfileScreen)
        assert b.app.screen.query_one("#new-secret", Input).password
        await b.press("ctrl+t")
        assert "Name is missing." in b.text("#new-status")
        await b.press(*"prod", "enter")
        assert b.app.focused is b.app.screen.query_one("#new-endpoint")
        await fill(b, endpoint="https://c/client/api", key="k", secret="s3cret")
        b.home.tried = Tried(False, "the server answers, but refuses this key or its secret", "Copy both again")
        await b.press("ctrl+t")
        await b.until(lambda: "refuses this key or its secret. Copy both again" in b.text("#new-status"))
        assert b.home.kept == []
        assert "s3cret" not in "".join(line.text for line in b.app.screen._compositor.render_strips())
        b.home.tried = Tried(True, "CloudStack 4.22.0.0 answers")
        b.app.screen.query_one("#new-ca_file", Input).focus()
        await b.press("enter")
        await at_cloud(b)
        assert b.home.kept == b.home.asked[1:] == [Profile("prod", "https://c/client/api", "k", "s3cret")]


async def test_a_new_cloud_that_is_not_reached_yet_and_a_name_that_is_taken() -> None:
    async with home_of(HandHome(START)) as b:
        await b.press("n")
        await b.reach(ProfileScreen)
        await fill(b, name="taken", endpoint="https://c/client/api", key="k", secret="s")
        await b.press("ctrl+k")
        assert "choose another name" in b.text("#new-status")
        await fill(b, name="later")
        await b.press("ctrl+k")
        await at_cloud(b)
        assert (b.home.asked, [p.name for p in b.home.kept]) == ([], ["later"])


async def test_a_new_cloud_is_given_up() -> None:
    async with home_of(HandHome(START)) as b:
        await b.press("n", "escape")
        assert isinstance(b.app.screen, ChooseScreen)
        assert b.home.kept == []


async def to_session(b: Bench) -> None:
    await at_cloud(b)
    await b.press("enter")
    await b.until(lambda: isinstance(b.app.screen, PlanScreen) and b.app.screen.survey is not None)
    await b.press("r", "y")
    await b.reach(SessionScreen)


async def test_from_the_cloud_to_the_result_and_back() -> None:
    home = HandHome(PROD, first="prod")
    async with home_of(home) as b:
        await to_session(b)
        await b.until(lambda: b.app.view.state.phase.value == "ready")
        await b.press("r")
        assert isinstance(b.app.screen, ConfirmScreen)
        await b.press("y")
        await b.until(lambda: home.planner.feed.sent)
        assert home.planner.feed.sent == [("start", {})]
        story = Story()
        home.planner.feed.give(story.events()[len(story.until_ready()) :])
        await b.until(lambda: b.app.view.closed)
        await b.press("e")
        await b.until(lambda: "Exported to /runs/x/export" in b.notes)
        reads = home.source.reads
        await b.press("q")
        await b.reach(HomeCloudScreen)
        await b.until(lambda: home.source.reads == reads + 1)
        assert home.planner.closed == 1
        assert not any(isinstance(s, PlanScreen | SessionScreen) for s in b.app.screen_stack)
        await to_session(b)  # and once more


async def test_a_run_is_left_running_and_attached_again() -> None:
    home = HandHome(PROD, first="prod")
    async with home_of(home) as b:
        await to_session(b)
        await b.press("c")
        await b.until(lambda: type(b.app.screen) is CloudScreen)
        await b.press("q")
        await b.reach(SessionScreen)
        await b.press("q")
        assert isinstance(b.app.screen, LeaveScreen)
        await b.press("l")
        await b.reach(HomeCloudScreen)
        assert "The run goes on: a shows it again" in b.notes
        await b.press("a")
        assert "No run is going on" in b.notes
        home.going = home.planner.run()
        await b.press("a")
        await b.reach(SessionScreen)


async def test_read_only_everywhere() -> None:
    home = HandHome(PROD, first="prod", read_only=True)
    async with home_of(home, read_only=True) as b:
        await at_cloud(b)
        assert "READ ONLY" in b.text(".browse-head")
        await b.press("enter")
        await b.until(lambda: isinstance(b.app.screen, PlanScreen) and b.app.screen.survey is not None)
        await b.press("r")
        assert "READ ONLY: nothing can be started here" in b.notes
        await b.press("escape")
        home.going = home.planner.run()
        await b.press("a")
        await b.until(lambda: b.app.view.state.phase.value == "ready")
        await b.press("r")
        assert not isinstance(b.app.screen, ConfirmScreen)
        assert home.planner.feed.sent == []
        await b.press("q")
        assert isinstance(b.app.screen, LeaveScreen)
        await b.press("s")
        assert home.planner.feed.sent == []


async def test_details_and_a_scenario_file() -> None:
    async with home_of(HandHome(PROD, first="prod")) as b:
        await at_cloud(b)
        await b.press("i")
        assert isinstance(b.app.screen, LinesScreen)
        await b.press("escape", "o")
        b.app.screen.query_one(Input).value = "none.yaml"
        await b.press("enter")
        assert "none.yaml: cannot be read" in b.notes
        await b.press("o")
        b.app.screen.query_one(Input).value = "mine.yaml"
        await b.press("enter")
        await b.reach(PlanScreen)


async def test_nothing_is_planned_on_a_cloud_that_was_not_read() -> None:
    home = HandHome(PROD, first="prod")
    home.source.found = [CloudLost("listApis: no route to host")]
    async with home_of(home) as b:
        await b.until(lambda: "no route to host" in b.text(".browse-status"))
        assert b.text(".browse-detail") == "listApis: no route to host (g asks again)"
        await b.press("enter")
        assert "has not been read" in b.notes


@pytest.mark.parametrize("ascii_only", [False, True])
async def test_names_from_strangers(ascii_only: bool) -> None:
    clouds = [CloudChoice(f"c{i}", name, name, name, read_only=bool(i % 2)) for i, name in enumerate(HOSTILE)]
    home = HandHome(*clouds)
    home.tried = Tried(False, HOSTILE[0] * 99, HOSTILE[1])
    async with home_of(home, ascii_only=ascii_only) as b:
        await b.press("t")
        await b.until(lambda: b.text("#choose-status").startswith(("×", "x")))
        for line in b.app.screen._compositor.render_strips():
            assert all(c.isprintable() and (c.isascii() or not ascii_only) for c in line.text), line.text
        assert all(width(row) <= 78 for row in b.rows)


async def test_a_click_on_the_row_under_the_cursor_plans_and_no_more() -> None:
    async with home_of(HandHome(PROD, first="prod")) as b:
        await at_cloud(b)
        under = b.app.screen
        await b.pilot.click("ListingView", offset=(5, 1))
        await b.reach(PlanScreen)
        assert b.app.screen_stack[-2] is under
