# SPDX-License-Identifier: Apache-2.0
"""The campaign screen: waves, targets, breaches, why what waits waits, and what a person says to the campaign."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from csworkbench.tui.campaign import CampaignLost, Live, LiveRun, view_of
from csworkbench.tui.campaign_actions import CAMPAIGN_ACTIONS
from csworkbench.tui.screen_app import CampaignApp
from csworkbench.tui.screens.browsing import BrowsingScreen
from csworkbench.tui.screens.campaign import CampaignScreen
from csworkbench.tui.screens.cloud_detail import LinesScreen
from csworkbench.tui.screens.question import QuestionScreen
from csworkbench.tui.text import width
from csworkbench.upgrade.campaign import CampaignPlan, Entry, LeftOut
from csworkbench.upgrade.campaign import record as rec
from csworkbench.upgrade.campaign.plan import Canary
from tests.upgrade.campaign.support import Fake, plan, targets

from .piloted import Piloted
from .synthetic import HOSTILE


class HandLink:
    """A campaign in memory."""

    name = "20261120-220000-small"

    def __init__(self, fake: Fake, live: Mapping[str, LiveRun] | None = None) -> None:
        self.fake = fake
        self.running: Live | None = Live(live or {})
        self.told = 0
        self.sent: list[tuple[str, str]] = []
        self.lost = self.refuse = ""

    @property
    def plan(self) -> CampaignPlan:
        return self.fake.plan

    def news(self) -> Sequence[Entry]:
        if self.lost:
            raise CampaignLost(self.lost)
        found = self.fake.journal[self.told :]
        self.told += len(found)
        return found

    def live(self) -> Live | None:
        return self.running

    def send(self, do: str, target: str = "") -> str:
        self.sent.append((do, target))
        if self.refuse:
            raise CampaignLost(self.refuse)
        return f"{do}: done"


def small(waves: tuple[int, ...] = (0, 1, 1, 1, 2, 2), **changes: object) -> Fake:
    """The canary is through, wave 1 is at work."""
    fake = Fake(plan(canary=Canary(1), waves=(3, "rest"), **changes)).open(targets(waves))
    fake.start()
    fake.end("id-01")
    fake.start()
    return fake


class Shown(Piloted[CampaignApp]):
    """The app under a pilot."""

    def __init__(self, app: CampaignApp, pilot: Pilot[Any], link: HandLink) -> None:
        super().__init__(app, pilot)
        self.link = link

    @property
    def rows(self) -> list[str]:
        return self.app.campaign.view.text_rows()

    @property
    def banner(self) -> str:
        return self.text("#campaign-banner")


@asynccontextmanager
async def shown(link: HandLink, size: tuple[int, int] = (120, 40), glyphs: str = "blocks") -> AsyncIterator[Shown]:
    app = CampaignApp(link, glyphs=glyphs)
    async with app.run_test(size=size) as pilot:
        s = Shown(app, pilot, link)
        await s.until(lambda: app.campaign.now is not None or app.campaign.status.startswith("×"))
        yield s


def test_the_registry_has_what_the_screen_can_do() -> None:
    own = {name for c in (CampaignScreen, BrowsingScreen) for name in vars(c) if name.startswith("action_")}
    assert own == {f"action_{a.handler.split('(')[0]}" for a in CAMPAIGN_ACTIONS}
    keys = [key for a in CAMPAIGN_ACTIONS for key in a.keys.split(",")]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_what_it_shows(size: tuple[int, int]) -> None:
    fake = small()
    live = {"run-2": LiveRun("change", {"egress": 3.25, "ingress": 0.0})}
    async with shown(HandLink(fake, live), size) as s:
        assert all(width(row) <= size[0] for row in s.rows)
        waves = s.text("#campaign-waves").splitlines()
        assert waves[0].startswith("canary    ████████████████████████ 1 of 1")
        assert "0 of 3  3 running" in waves[1]
        assert "0 of 2  2 waiting" in waves[2]
        assert "1 of 6 done, 3 at work" in s.banner
        assert "running: change" in s.rows[1]
        assert "3.25 of 10" in s.rows[1]
        last = next(row for row in s.rows if "net-01" in row)
        assert "upgraded" in last
        assert "1.40" in last
        waiting = next(row for row in s.rows if "net-05" in row)
        assert "wave 1" in waiting  # comes first


async def test_a_breach_and_an_unknown_are_in_clear_sight_and_what_holds_it() -> None:
    fake = small()
    link = HandLink(fake)
    async with shown(link) as s:
        assert "OVER BUDGET" not in s.banner
        (first, run), (second, other) = fake.running()[:2]
        fake.write(rec.Breached(first, run, "egress", 12.3, 10.0))
        await s.until(lambda: "OVER BUDGET  net-02: egress has been down 12.30 s, its budget is 10 s" in s.banner)
        assert "stopped for that: nothing more is started  (o goes on)" in s.banner
        assert "no estimate while a person is awaited" in s.banner
        assert "12.30 of 10" in s.rows[1]
        assert "running over" in s.rows[1]
        assert "stopped" in next(row for row in s.rows if "net-05" in row)
        fake.write(rec.Unclear(second, other, "the engine is gone"))
        await s.until(lambda: "UNKNOWN  net-03: look at it, then retry or skip" in s.banner)
        link.running = None
        await s.until(lambda: "Nobody conducts it now" in s.banner)


async def test_the_cursor_stays_with_its_target_and_the_filter_finds() -> None:
    fake = small()
    async with shown(HandLink(fake)) as s:
        await s.press("slash", *"net-03", "enter")
        assert [r.target.name for r in s.app.campaign.rows.shown] == ["net-03"]
        await s.press("escape")
        assert s.app.campaign.rows.chosen is not None
        fake.end("id-02")
        await s.until(lambda: "2 of 6 done" in s.banner)
        assert s.app.campaign.rows.chosen.target.name == "net-03"
        await s.pilot.click("#rows", offset=(30, 0))
        assert s.app.campaign.view.ordered_by == "name"


@pytest.mark.parametrize(
    ("key", "target", "sent", "word"),
    [
        ("p", "", ("pause", ""), "Nothing more is started until somebody goes on"),
        ("X", "", ("stop", ""), "the campaign's process ends"),
        ("o", "", ("go-on", ""), "What holds it"),
        ("x", "net-05", ("skip", "id-05"), "net-05 is not operated"),
        ("t", "net-05", ("retry", "id-05"), "net-05 is operated again: restart cleanup=true"),
    ],
)
async def test_commands_ask_first(key: str, target: str, sent: tuple[str, str], word: str) -> None:
    async with shown(HandLink(small())) as s:
        rows = s.app.campaign.rows
        while target and rows.chosen is not None and rows.chosen.target.name != target:
            await s.press("down")
        await s.press(key)
        assert isinstance(s.app.screen, QuestionScreen)
        assert word in s.text("#question")
        await s.press("escape")
        assert not s.link.sent
        await s.press(key, "y")
        await s.until(lambda: s.link.sent == [sent] and f"{sent[0]}: done" in s.notes)
        s.link.refuse = "nobody takes it"
        await s.press(key, "y")
        await s.until(lambda: "nobody takes it" in s.notes)


async def test_what_is_at_work_is_not_skipped() -> None:
    async with shown(HandLink(small())) as s:
        await s.press("x")
        assert "net-02 is running: its operation cannot be recalled or repeated" in s.notes
        assert isinstance(s.app.screen, CampaignScreen)


async def test_enter_opens_the_run_or_what_is_known_of_a_waiting_target() -> None:
    async with shown(HandLink(small())) as s:
        await s.press("d")
        assert isinstance(s.app.screen, LinesScreen)
        assert "run-2" in s.text("#lines")
        await s.press("escape")
        await s.press(*["down"] * 3, "enter")
        assert isinstance(s.app.screen, LinesScreen)
        assert "wave 1 comes first" in s.text("#lines")
        await s.press("escape", "home", "enter")
        await s.until(lambda: not s.app.is_running)
    assert s.app.return_value == "run-2"


async def test_a_journal_that_cannot_be_read_is_said_and_tried_again() -> None:
    link = HandLink(small())
    link.lost = "journal.jsonl: Permission denied"
    async with shown(link) as s:
        assert "× journal.jsonl: Permission denied" in s.text(".browse-status")
        await s.press("enter", "d", "p", "x", "l", "down", "end")
        link.lost = ""
        await s.until(lambda: len(s.app.campaign.rows.every) == 6)


@pytest.mark.parametrize("glyphs", ["blocks", "ascii"])
async def test_names_from_strangers(glyphs: str) -> None:
    of = [
        replace(t, name=name, zone=name, routers=(name,), consequence=name, call=name)
        for t, name in zip(targets([0] + [1] * 9), HOSTILE, strict=True)
    ]
    fake = Fake(plan())
    fake.write(rec.Opened("me", "small", "lab", tuple(of), tuple(LeftOut(name, name) for name in HOSTILE)))
    fake.start()
    fake.write(rec.Breached("id-01", "run-1", "egress", 12.3, 10.0), rec.Unclear("id-01", "run-1", HOSTILE[0]))
    async with shown(HandLink(fake), (200, 60), glyphs) as s:
        for line in (*s.rows, *s.banner.splitlines()):
            assert line.isprintable()
            assert glyphs == "blocks" or line.isascii()
        await s.press("d", "escape", "l", "escape", "x", "escape", "t", "escape", "end", "d", "escape")


@pytest.mark.parametrize("keys", [(), ("d",), ("p",), ("l",)])
async def test_one_cell_and_back(keys: tuple[str, ...]) -> None:
    async with shown(HandLink(small())) as s:
        await s.press(*keys)
        for size in ((1, 1), (3, 2), (20, 5), (120, 40)):
            await s.pilot.resize_terminal(*size)
            await s.pilot.pause()


async def test_the_end_of_it() -> None:
    fake = small((0, 1))
    fake.end("id-02")
    async with shown(HandLink(fake), (80, 24)) as s:
        assert "2 of 2 settled; nothing is left to do" in s.banner
        assert [line.split()[0] for line in s.text("#campaign-waves").splitlines()] == ["canary", "wave"]


def test_a_view_of_ten_thousand_targets_is_quick() -> None:
    fake = Fake(plan()).open(targets([0] + [1] * 9_999))
    fake.start()
    started = time.monotonic()
    found = view_of(fake.plan, fake.state, Live(), fake.now)
    assert time.monotonic() - started < 5
    assert len(found.rows) == 10_000
