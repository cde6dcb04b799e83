# SPDX-License-Identifier: Apache-2.0
"""One registry: keys, footer, palette, help and handlers say the same."""

from collections import Counter

from csworkbench.tui.actions import ACTIONS, BY_ID, Group
from csworkbench.tui.app import WorkbenchApp
from csworkbench.tui.glyphs import ASCII, BLOCK
from csworkbench.tui.palette import PALETTE, offered
from csworkbench.tui.screens.help import help_lines
from csworkbench.tui.screens.session import SessionScreen

from .helpers import at_ready


def test_ids_and_keys_are_unique() -> None:
    assert len(BY_ID) == len(ACTIONS)
    keys = Counter(key for action in ACTIONS for key in action.keys.split(","))
    assert [key for key, times in keys.items() if times > 1] == []


def test_every_handler_exists() -> None:
    for action in ACTIONS:
        owner: type = WorkbenchApp if action.handler.startswith("app.") else SessionScreen
        name = action.handler.removeprefix("app.").split("(")[0]
        assert callable(getattr(owner, f"action_{name}", None)), action.id


def test_every_action_of_the_screen_is_in_the_registry() -> None:
    classes = [c for c in SessionScreen.__mro__ if c.__module__.startswith("csworkbench.")]
    own = {name for c in classes for name in vars(c) if name.startswith("action_")}
    registered = {f"action_{a.handler.split('(')[0]}" for a in ACTIONS if not a.handler.startswith("app.")}
    assert own == registered


async def test_bindings_are_those_of_the_registry() -> None:
    async with at_ready() as b:
        bound = {
            (binding.id, key, binding.action, binding.description, binding.show)
            for key, bindings in b.app.session._bindings.key_to_bindings.items()
            for binding in bindings
            if binding.id in BY_ID
        }
        wanted = {
            (a.id, key, a.handler.replace("{key}", key), a.footer or a.title, bool(a.footer))
            for a in ACTIONS
            for key in a.keys.split(",")
        }
        assert {(i, k.replace("upper_", ""), *rest) for i, k, *rest in bound} == wanted


async def test_the_footer_shows_what_the_registry_says() -> None:
    for size, left_out in (((120, 40), {"Panel"}), ((80, 24), set())):
        async with at_ready(size) as b:
            await b.until(lambda: len(b.app.session.query("FooterKey")) > 0)
            shown = [getattr(key, "description", "") for key in b.app.session.query("FooterKey")]
            wanted = [a for a in ACTIONS if a.footer not in left_out | {""} and a.group is not Group.REPLAY]
            assert shown == [a.footer for a in wanted]


def test_the_palette_offers_all_but_itself() -> None:
    assert {a.id for a in offered()} == set(BY_ID) - {PALETTE, "rows.jump"}


def test_help_has_every_action_with_its_keys() -> None:
    for glyphs in (BLOCK, ASCII):
        lines = ["".join(text for text, _ in line) for line in help_lines(glyphs)]
        for action in ACTIONS:
            assert any(action.shown_keys in ln and action.title in ln and action.help in ln for ln in lines), action.id
        for group in Group:
            assert group.value in lines


def test_every_action_says_why_not_or_is_available() -> None:
    from csworkbench.tui.view import RunView

    view = RunView(live=True, where="", read_only=False, clock=lambda: 0)
    refused = {a.id: a.refusal(view) for a in ACTIONS if a.refusal(view)}
    assert refused["operation.start"] == "still preparing"
    assert refused["run.export"] == "nothing has been measured yet"
    assert "app.quit" not in refused
