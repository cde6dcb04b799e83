# SPDX-License-Identifier: Apache-2.0
"""The plan screen: what it shows, what it refuses, and what it asks before a run is started."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from csworkbench.tui.cloud import CloudLost
from csworkbench.tui.home_app import HomeApp
from csworkbench.tui.plan import TenantWay
from csworkbench.tui.plan_actions import PLAN_ACTIONS
from csworkbench.tui.plan_fields import FIELDS, FieldError, duration, seconds_of
from csworkbench.tui.screens.ask import AskScreen
from csworkbench.tui.screens.cloud_detail import LinesScreen
from csworkbench.tui.screens.help import HelpScreen
from csworkbench.tui.screens.plan import PlanScreen
from csworkbench.tui.screens.question import QuestionScreen
from csworkbench.tui.screens.session import SessionScreen
from csworkbench.tui.text import width
from csworkbench.upgrade.facts import Level

from .piloted import Piloted
from .plans import CALL, CODE, STOP, SURVEY, HandGround, HandHome, HandPlanner, the_view
from .synthetic import HOSTILE


class Bench(Piloted[HomeApp]):
    """The workbench with the plan screen in front."""

    def __init__(self, app: HomeApp, home: HandHome, pilot: Pilot[None]) -> None:
        super().__init__(app, pilot)
        self.home = home

    @property
    def plan(self) -> PlanScreen:
        return next(s for s in self.app.screen_stack if isinstance(s, PlanScreen))

    async def go_to(self, row: str) -> None:
        """Put the cursor there."""
        self.plan.options.highlighted = [r.id for r in self.plan._rows].index(row)
        await self.pilot.pause()
        assert self.plan.row is not None
        assert self.plan.row.id == row

    async def type(self, text: str) -> None:
        """Put a text into the one line that is asked for, and Enter."""
        self.app.screen.query_one(Input).value = text
        await self.press("enter")

    @property
    def rows(self) -> list[str]:
        return [str(self.plan.options.get_option_at_index(i).prompt) for i in range(self.plan.options.option_count)]


def whole(text: str) -> str:
    """Broken lines as one."""
    return " ".join(text.split())


@asynccontextmanager
async def planning(
    planner: HandPlanner | None = None, size: tuple[int, int] = (80, 24), read_only: bool = False,
    ascii_only: bool = False,
) -> AsyncIterator[Bench]:  # fmt: skip
    home = HandHome(first="cloud-1", read_only=read_only)
    home.planner = planner or home.planner
    app = HomeApp(home, glyphs="ascii" if ascii_only else "blocks")
    async with app.run_test(size=size) as pilot:
        b = Bench(app, home, pilot)
        await b.until(lambda: getattr(app.screen, "view", None) is not None)
        await b.press("enter")
        await b.until(lambda: isinstance(app.screen, PlanScreen) and not app.screen.busy)
        yield b


def test_the_registry_has_what_the_screen_can_do() -> None:
    classes = [c for c in PlanScreen.__mro__ if c.__module__.startswith("csworkbench.")]
    own = {name for c in classes for name in vars(c) if name.startswith("action_")}
    assert own == {f"action_{a.handler.split('(')[0]}" for a in PLAN_ACTIONS}
    keys = [key for a in PLAN_ACTIONS for key in a.keys.split(",")]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_what_it_shows(size: tuple[int, int]) -> None:
    async with planning(size=size) as b:
        rows = b.rows
        assert all(width(row) <= size[0] for row in rows)
        assert rows[0].startswith("operation  ● live patch")
        assert "recommended" in rows[0]
        assert "1 of 2 tenants · 6 lanes · preflight: 1 pass" in b.text("#plan-status")
        assert "haproxy is restarted." in b.text("#plan-about-text")
        assert any(CALL[:40] in row for row in rows)
        assert any("1 of 2 VMs have a way to them" in row for row in rows)
        assert any(row.startswith("vantages") for row in rows)
        assert b.home.planner.started == []


async def test_facts_open_in_full() -> None:
    async with planning() as b:
        for row, words in (
            ("fact-tenants", "left out: no port-forwarding rule leads to its port 22"),
            ("fact-lanes", "dns: the network offers no Dns"),
            ("fact-checks", "management servers"),
            ("fact-calls", "makeredundant=false"),
        ):
            await b.go_to(row)
            assert words in whole(b.text("#plan-about-text"))
            await b.press("enter")
            assert isinstance(b.app.screen, LinesScreen)
            assert words in whole(b.text("#lines"))
            await b.press("escape")


async def test_another_operation_and_one_that_does_not_fit() -> None:
    async with planning() as b:
        await b.press("down", "enter")
        assert b.plan.scenario.operation.restart is not None
        assert b.plan.scenario.name == "restart network with cleanup net8"
        assert b.rows[1].lstrip().startswith("●")
        last = len(b.plan.choices) - 1
        assert b.plan.choices[last].why_not
        await b.press(*["down", "j"] * 4, "up", "k", "down", "down")
        assert b.plan.options.highlighted == 9
        await b.go_to(f"choice-{last}")
        assert "It does not fit: " in b.text("#plan-about-text")
        await b.press("enter")
        assert "does not fit" in b.notes
        assert b.plan.scenario.operation.restart is not None


async def test_fields_are_typed_and_refused_with_a_reason() -> None:
    async with planning() as b:
        await b.go_to("field-phase-baseline")
        await b.press("enter")
        assert isinstance(b.app.screen, AskScreen)
        await b.type("soon")
        assert "'soon' is no duration" in b.notes
        await b.type("500ms")
        assert "is not between 1 and" in b.notes
        await b.type("2m")
        assert b.plan.scenario.phases.baseline == 120
        assert "2m" in b.rows[[r.id for r in b.plan._rows].index("field-phase-baseline")]
        await b.go_to("field-user")
        await b.press("enter")
        await b.type("ops")
        await b.go_to("field-budget")
        await b.press("enter")
        await b.type("egress 10s, ingress 500ms")
        assert b.plan.scenario.budget == {"egress": 10.0, "ingress": 0.5}
        await b.go_to("field-vms")
        await b.press("enter", "escape")
        tenants = b.plan.scenario.vantages.tenants
        assert tenants is not None
        assert (tenants.user, tenants.vms) == ("ops", "all")


async def test_start_asks_and_shows_the_run() -> None:
    async with planning() as b:
        await b.press("r")
        assert isinstance(b.app.screen, QuestionScreen)
        text = b.text("#question")
        assert "then r asks once more, and only then it operates" in whole(text)
        assert "livepatch=true" in text
        assert b.app.screen.query_one("#go").region.bottom <= 24, "the button is on the screen"
        await b.press("escape", "r", "n")
        assert b.home.planner.started == []
        await b.press("r", "y")
        await b.until(lambda: isinstance(b.app.screen, SessionScreen))
        (scenario, force), *more = b.home.planner.started
        assert (scenario.operation.names, force, more) == (("live_patch",), False, [])
        await b.until(lambda: b.app.view.state.phase.value == "ready")
        assert b.home.planner.feed.sent == [], "nothing is operated yet"


async def test_an_engine_that_does_not_start() -> None:
    planner = HandPlanner()
    planner.refusal = "the engine did not start; see /runs/x/engine.log"
    async with planning(planner) as b:
        await b.press("r", "y")
        await b.until(lambda: "did not start" in b.text("#plan-status"))
        assert isinstance(b.app.screen, PlanScreen)
        assert b.plan.why_not_start() == ""


async def test_a_stop_is_forced_only_by_hand() -> None:
    planner = HandPlanner(HandGround(replace(SURVEY, findings=(*SURVEY.findings, STOP))))
    async with planning(planner) as b:
        assert "preflight says stop: pending jobs; F goes ahead all the same" in b.text("#plan-status")
        await b.press("r")
        assert isinstance(b.app.screen, PlanScreen)
        await b.press("F", "r")
        assert "preflight says stop: pending jobs" in b.text("#question")
        await b.press("y")
        await b.until(lambda: planner.started)
        assert planner.started[0][1] is True


async def test_nothing_to_force() -> None:
    async with planning() as b:
        await b.press("F")
        assert "nothing to force" in b.notes
        assert not b.plan.force


@pytest.mark.parametrize(
    ("survey", "why"),
    [
        (replace(SURVEY, refused="restartNetwork: this key may not call it.", planned=None), "may not call it"),
        (replace(SURVEY, missing=("egress_target",)), "egress target to be filled in"),
        (replace(SURVEY, lanes=()), "no lane fits"),
    ],
)
async def test_why_it_cannot_start(survey: object, why: str) -> None:
    async with planning(HandPlanner(HandGround(survey))) as b:  # type: ignore[arg-type]
        assert why in b.text("#plan-status")
        await b.press("r")
        assert isinstance(b.app.screen, PlanScreen)
        assert why in b.notes


async def test_read_only() -> None:
    async with planning(read_only=True) as b:
        assert "READ ONLY" in b.text("#plan-head")
        await b.press("r")
        assert "READ ONLY: nothing can be started here" in b.notes
        await b.press("t")
        assert "READ ONLY: nobody logs in" in b.notes
        assert (b.home.planner.started, isinstance(b.app.screen, PlanScreen)) == ([], True)


async def test_a_cloud_that_does_not_answer_is_asked_again() -> None:
    planner = HandPlanner()
    good, planner.answer = planner.answer, CloudLost("listNetworks: no route to host")
    async with planning(planner) as b:
        assert "no route to host (g asks again)" in b.text("#plan-status")
        assert any("asking the cloud" in row for row in b.rows)
        await b.press("r")
        assert isinstance(b.app.screen, PlanScreen)
        planner.answer = good
        await b.press("g")
        await b.until(lambda: b.plan.survey is not None)
        assert "Ready" in b.text("#plan-status")


async def test_logins() -> None:
    ground = HandGround(logins={"vm01": "", "vm02": "vm02: Permission denied for user ops"})
    async with planning(HandPlanner(ground)) as b:
        await b.press("t")
        await b.until(lambda: isinstance(b.app.screen, LinesScreen))
        assert "1 of 2 logins work" in b.text("#lines")
        assert "Permission denied" in b.text("#lines")


async def test_save_and_open() -> None:
    async with planning() as b:
        await b.press("s")
        assert b.app.screen.query_one(Input).value == "live-patch-net8.yaml"
        await b.type("there.yaml")
        assert "there already" in b.notes
        await b.type("mine.yaml")
        assert "csworkbench run mine.yaml" in b.notes
        await b.press("s", "enter")
        assert b.home.planner.saved == [("mine.yaml", False), ("mine.yaml", True)]
        await b.press("o")
        await b.type("none.yaml")
        assert "cannot be read" in b.notes
        await b.press("o")
        await b.type("mine.yaml")
        await b.until(lambda: not b.plan.busy and b.plan.survey is not None)
        assert b.plan.scenario.name == "from a file"
        assert [c.title for c in b.plan.choices] == ["live patch", "measure only"]


async def test_help_and_back() -> None:
    async with planning() as b:
        await b.press("question_mark")
        assert isinstance(b.app.screen, HelpScreen)
        await b.press("escape", "escape")
        assert not isinstance(b.app.screen, PlanScreen)
        assert b.app.is_running


@pytest.mark.parametrize("ascii_only", [False, True])
async def test_names_from_strangers(ascii_only: bool) -> None:
    ways = tuple(TenantWay(name, name, name, name if i % 2 else "") for i, name in enumerate(HOSTILE))
    findings = tuple(replace(STOP, level=Level.WARN, evidence=name) for name in HOSTILE)
    assert SURVEY.planned is not None
    planned = replace(SURVEY.planned, target=HOSTILE[0] * 300, consequence=HOSTILE[1], calls=tuple(HOSTILE))
    survey = replace(SURVEY, target=HOSTILE[0] * 300, tenants=ways, findings=findings, planned=planned)
    async with planning(HandPlanner(HandGround(survey)), ascii_only=ascii_only) as b:
        b.home.source.found = [the_view(replace(CODE, name=HOSTILE[0] * 300, network=HOSTILE[1]))]
        for shown in b.plan._rows:
            await b.go_to(shown.id)
            for line in b.app.screen._compositor.render_strips():
                assert all(c.isprintable() and (c.isascii() or not ascii_only) for c in line.text), line.text
        assert all(width(row) <= 80 for row in b.rows)
        await b.press("r")
        assert isinstance(b.app.screen, QuestionScreen)
        assert b.app.screen.query_one("#go").region.bottom <= 24


def test_durations() -> None:
    for text, seconds in (("500ms", 0.5), ("30s", 30), ("10m", 600), ("1.5h", 5400)):
        assert seconds_of(text) == seconds
        assert seconds_of(duration(seconds)) == seconds
    for text in ("", "30", "s", "-1s", "1d"):
        with pytest.raises(FieldError, match=r"write e\.g\."):
            seconds_of(text)


def test_every_field_reads_what_it_wrote() -> None:
    from csworkbench.model.scenario import Scenario

    texts = {
        "vms": "vm01, vm02", "user": "ops", "key": "~/k", "jump": "a@b:22, c", "host_key": "accept-new",
        "refused": "fail", "outside": "192.0.2.1", "egress_target": "192.0.2.9", "lanes": "egress, dns",
        "phase-baseline": "45s", "phase-confirm": "90s", "phase-settle_limit": "5m", "budget": "egress 10s",
        "name": "mine",
    }  # fmt: skip
    for field in FIELDS:
        written = field.take(Scenario("x", network="n"), texts[field.id])
        assert field.show(written) == texts[field.id]
        assert written != Scenario("x", network="n")
    for name, bad in (("vms", " "), ("refused", "no"), ("host_key", "x"), ("budget", "egres 1s"), ("name", " ")):
        with pytest.raises(FieldError):
            next(f for f in FIELDS if f.id == name).take(Scenario("x", network="n"), bad)
