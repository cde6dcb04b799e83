# SPDX-License-Identifier: Apache-2.0
"""The runbook's screen under a pilot."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.content import Content
from textual.widgets import OptionList, Static

from csworkbench.tui import runbook_view
from csworkbench.tui.runbook_actions import ACTIONS
from csworkbench.tui.runbook_app import COPIED, RunbookApp
from csworkbench.tui.screens.runbook_dialogs import WordsScreen
from csworkbench.upgrade.runbook.entry import Did
from csworkbench.upgrade.runbook.model import Check, Kind, Runbook, Step
from csworkbench.upgrade.runbook.record import Record
from csworkbench.upgrade.runbook.state import Outcome, State, Status
from csworkbench.upgrade.runbook.walk import Walk

from .piloted import Piloted

HOSTILE = "[b]x[/b] [/] \x1b[2J\u202e$(reboot)"
BOOK = Runbook(
    "walk",
    (
        Step("one", HOSTILE, text=HOSTILE, commands=("echo 1", "echo 2")),
        Step("hosts", "Hosts", Kind.CHECK, check=Check("listHosts", every={"state": ("Up",)})),
        Step("last", "Last", Kind.COMMAND, run=("doctor",)),
    ),
    (Step("back", "Back"),),
)


class Bench(Piloted[RunbookApp]):
    async def words(self, text: str) -> None:
        await self.press(*("space" if c == " " else c for c in text), "enter")

    def status(self, step_id: str) -> Status:
        step = self.app.walk.state.runbook.step(step_id)
        assert step is not None
        return self.app.walk.state.of(step).status

    @property
    def detail(self) -> str:
        return str(self.app.main.query_one("#detail-text", Static).content)

    @property
    def rows(self) -> list[str]:
        steps = self.app.main.query_one("#steps", OptionList)
        return [str(steps.get_option_at_index(i).prompt) for i in range(steps.option_count)]


async def up(_: Check) -> list[dict[str, Any]]:
    return [{"name": HOSTILE, "state": "Down"}]


@asynccontextmanager
async def bench(tmp_path: Path, size: tuple[int, int] = (120, 40), ascii_only: bool = False) -> AsyncIterator[Bench]:
    walk = Walk(State(BOOK), Record(tmp_path), "me@here", "lab", up, tmp_path, ("true",))
    app = RunbookApp(walk, glyphs="ascii" if ascii_only else "blocks")
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield Bench(app, pilot)


async def test_a_walk_by_keys(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.press("n")
        await b.words("looked")
        await b.press("d")
        await b.press("enter")
        await b.until(lambda: b.status("one") is Status.DONE)
        assert b.app.main.chosen.id == "hosts", "the cursor goes along"
        await b.press("r")
        await b.until(lambda: b.status("hosts") is Status.FAILED)
        await b.until(lambda: "state is not Up" in b.detail)
        await b.press("s")
        await b.words("known")
        await b.until(lambda: b.status("hosts") is Status.SKIPPED)
        await b.press("r", "y")
        await b.until(lambda: b.app.walk.state.outcome is Outcome.DONE)
        did = [e.did for e in Record(tmp_path).entries()]
        assert did == [Did.EVIDENCE, Did.DONE, Did.STARTED, Did.FAILED, Did.SKIPPED, Did.STARTED, Did.DONE]
        await b.press("q")
    assert b.app.return_code in (0, None)


async def test_failure_and_the_way_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.press("x")
        await b.press("enter")
        assert b.status("one") is Status.PENDING, "a failure needs words"
        await b.words("broke")
        await b.until(lambda: b.status("one") is Status.FAILED)
        await b.press("b")
        await b.words("give up")
        await b.until(lambda: b.app.walk.state.outcome is Outcome.ROLLING_BACK)
        await b.until(lambda: b.app.main.chosen.id == "back")
        await b.press("d", "enter")
        await b.until(lambda: b.app.walk.state.outcome is Outcome.ROLLED_BACK)


async def test_commands_are_copied_to_the_terminal_and_to_a_file(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.press("y")
        await b.until((tmp_path / COPIED).exists)
        assert (tmp_path / COPIED).read_text() == "echo 1\necho 2\n"
        assert b.app.clipboard == "echo 1\necho 2"


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_hostile_text_is_shown_as_text(tmp_path: Path, size: tuple[int, int]) -> None:
    async with bench(tmp_path, size, ascii_only=size[0] == 80) as b:
        everything = "\n".join([*b.rows, b.detail])
        assert "[b]x[/b]" in everything
        assert not {"\x1b", "\u202e"} & set(everything)
        assert len(b.rows) == 4
        if size[0] == 80:
            assert everything.isascii()
        await b.press("n")
        await b.until(lambda: isinstance(b.app.screen, WordsScreen))
        title = b.app.screen.query_one(".dialog").border_title
        assert title is not None
        assert "[b]x[/b]" in Content.from_markup(title).plain


def test_every_key_is_in_the_help() -> None:
    text = "\n".join("".join(part for part, _ in line) for line in runbook_view.help_lines())
    assert all(action.title in text for action in ACTIONS)
    keys = [key for action in ACTIONS for key in action.keys.split(",")]
    assert len(keys) == len(set(keys))
