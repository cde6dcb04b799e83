# SPDX-License-Identifier: Apache-2.0
"""Texts that an operator must be able to read in full on 80 columns."""

import pytest
from textual.app import App
from textual.containers import VerticalScroll
from textual.widgets import Button, Static

from csworkbench.model.event import Level, Notice, OperationPlanned
from csworkbench.results.headline import lanes_of
from csworkbench.tui.actions import ACTIONS, Action
from csworkbench.tui.campaign_actions import CAMPAIGN_ACTIONS
from csworkbench.tui.cloud_actions import CLOUD_ACTIONS
from csworkbench.tui.diagnostics_actions import DIAGNOSTICS_ACTIONS
from csworkbench.tui.glyphs import ASCII, BLOCK
from csworkbench.tui.guide import guidance
from csworkbench.tui.home_actions import CHOOSE_ACTIONS, HOME_CLOUD_ACTIONS
from csworkbench.tui.plan_actions import PLAN_ACTIONS
from csworkbench.tui.playback import Playback
from csworkbench.tui.run_actions import COMPARISON_ACTIONS, RESULT_ACTIONS, RUN_ACTIONS
from csworkbench.tui.screens.confirm import ConfirmScreen
from csworkbench.tui.screens.help import action_lines
from csworkbench.tui.text import width
from csworkbench.tui.view import RunView
from csworkbench.tui.widgets.time import last_of_each

SCREENS = {
    "session": ACTIONS, "campaign": CAMPAIGN_ACTIONS, "cloud": CLOUD_ACTIONS, "diagnostics": DIAGNOSTICS_ACTIONS,
    "choose": CHOOSE_ACTIONS, "home": HOME_CLOUD_ACTIONS, "plan": PLAN_ACTIONS, "runs": RUN_ACTIONS,
    "result": RESULT_ACTIONS, "comparison": COMPARISON_ACTIONS,
}  # fmt: skip


@pytest.mark.parametrize("actions", SCREENS.values(), ids=list(SCREENS))
def test_the_help_cuts_no_title(actions: tuple[Action, ...]) -> None:
    told = ["".join(text for text, _ in line) for line in action_lines(actions)]
    for action, line in zip(actions, told, strict=True):
        assert action.title in line and action.help in line


def _footer(actions: tuple[Action, ...], *, replay: bool) -> str:
    shown = [a for a in actions if a.footer and (replay or not a.id.startswith("replay."))]
    if replay:  # the session hides the start of what cannot be started
        shown = [a for a in shown if a.id != "operation.start"]
    return " ".join(f"{a.bindings()[0].key_display} {a.footer}" for a in shown)


@pytest.mark.parametrize("replay", [False, True], ids=["live", "replay"])
@pytest.mark.parametrize("actions", SCREENS.values(), ids=list(SCREENS))
def test_the_footer_fits_80_columns(actions: tuple[Action, ...], replay: bool) -> None:
    footer = _footer(actions, replay=replay)
    assert width(footer) <= 80, footer


def test_ascii_has_a_mark_for_both_orders_of_a_list() -> None:
    assert ASCII.plain("▴") == "^"
    assert ASCII.plain("▾") == "v"


def test_one_lane_is_not_lanes() -> None:
    assert [lanes_of(n) for n in (0, 1, 2)] == ["0 lanes", "1 lane", "2 lanes"]


@pytest.mark.parametrize("destructive", [False, True])
async def test_the_question_keeps_nothing_back_and_its_buttons_are_seen(destructive: bool) -> None:
    consequence = "load balancers are gone until all rules have been applied again; " * 20 + "that was all."
    planned = OperationPlanned(
        "restart net8", "net8 (net-8)", consequence, ("restartNetwork id=1",), destructive, "net8"
    )
    app = App[None]()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(ConfirmScreen(planned, (), BLOCK))
        await pilot.pause()
        screen = app.screen
        text = str(screen.query_one("#confirm-lines", Static).content)
        assert "that was all." in text
        folded = [line for line in text.splitlines() if line.startswith(" " * 13)]
        assert len(folded) > 10, "what is broken hangs under its first line"
        button = screen.query_one("#go", Button)
        assert screen.region.contains_region(button.region)
        scroll = screen.query_one(VerticalScroll)
        if not destructive:
            await pilot.press("down", "down")
            assert scroll.scroll_target_y == 2


def test_a_replay_does_not_ask_for_what_cannot_be_started() -> None:
    view = RunView(live=False, where="", read_only=False, clock=lambda: 0)
    view.playback = Playback()
    told = ["".join(text for text, _ in line) for line in guidance(view).lines]
    assert told[-1].split() == ["A", "recording:", "z", "pauses", "it,", ">", "faster,", "<", "slower."]


def test_a_step_that_counts_takes_one_line() -> None:
    steps = [(n, Notice(Level.INFO, text)) for n, text in enumerate(
        ("reading 1 network", "pushing probes 1/10", "pushing probes 2/10", "pushing probes 10/10", "ready")
    )]  # fmt: skip
    refused = [(n, Notice(Level.WARN, f"vm0{n}: refused")) for n in (8, 9)]
    assert last_of_each(refused) == refused
    assert [notice.text for _, notice in last_of_each(steps)] == ["reading 1 network", "pushing probes 10/10", "ready"]
