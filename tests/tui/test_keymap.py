# SPDX-License-Identifier: Apache-2.0
"""Keys of one's own, themes and glyphs."""

import re
from pathlib import Path

import pytest

from csworkbench.config import ConfigError
from csworkbench.config.keys_file import load_keys
from csworkbench.tui.app import WorkbenchApp
from csworkbench.tui.keymap import KeymapError, remapped
from csworkbench.tui.screens.help import HelpScreen
from csworkbench.tui.theme import THEMES

from .feeds import HandFeed
from .helpers import Bench
from .synthetic import Story


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"time.zoomin": "i"}, "unknown action 'time.zoomin'; did you mean 'time.zoom_in'"),
        ({"time.zoom_in": "q"}, "time.zoom_in: key 'q' is that of app.quit"),
        ({"time.zoom_in": "i", "time.zoom_out": "i"}, "key 'i' is that of"),
        ({"time.zoom_in": ""}, "'' is no key"),
        ({"time.zoom_in": "i j"}, "'i j' is no key"),
        ({"rows.jump": "x"}, "stay as they are"),
    ],
)
def test_what_cannot_be_used_is_said(keys: dict[str, str], message: str) -> None:
    with pytest.raises(KeymapError, match=message.replace("(", "\\(")):
        remapped(keys)


def test_two_actions_may_change_places() -> None:
    changed = {a.id: a.keys for a in remapped({"time.mark": "n", "time.note": "m", "time.zoom_in": "+, i"})}
    assert (changed["time.mark"], changed["time.note"], changed["time.zoom_in"]) == ("n", "m", "plus,i")


def test_errors_name_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    assert load_keys(file) == {}
    file.write_text("clouds: {}\nkeys:\n  time.zoom_in: i\n")
    assert load_keys(file) == {"time.zoom_in": "i"}
    for text, message in (
        ("  time.zoom_in: i\n  app.nothing: x\n", r"config\.yaml:4: unknown action"),
        ("  time.zoom_in: [i]\n", r"config\.yaml:3: time.zoom_in: write a key"),
        ("  time.zoom_in: q\n", r"config\.yaml:3: time.zoom_in: key 'q'"),
    ):
        file.write_text(f"clouds: {{}}\nkeys:\n{text}")
        with pytest.raises(ConfigError, match=message):
            load_keys(file)
    file.write_text("keys: i\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:1: keys"):
        load_keys(file)


OWN = {"time.zoom_in": "i", "run.export": "x"}


async def test_own_keys_work_and_are_shown() -> None:
    feed = HandFeed(live=False)
    feed.give(Story().events())
    feed.end()
    app = WorkbenchApp(feed, clock=lambda: 0, keys=OWN)
    async with app.run_test(size=(120, 40)) as pilot:
        b = Bench(app, feed, pilot)
        await b.until(lambda: "RESTARTED" in b.text("guide"))
        assert " x  export" in b.text("guide")
        window = app.session.timeline.window
        assert window is not None
        await b.press("plus")
        assert app.session.timeline.window == window
        await b.press("i")
        assert app.session.timeline.window != window
        await b.press("question_mark")
        await b.until(lambda: b.on(HelpScreen))
        assert any("  i               Zoom in" in str(w.render()) for w in app.screen.query("Static"))


def test_all_themes_have_what_the_stylesheets_ask_for() -> None:
    for theme in THEMES.values():
        assert set(THEMES["dark"].variables) - set(theme.variables) == set(), theme.name


@pytest.mark.parametrize("theme", sorted(THEMES))
async def test_each_theme_and_no_colour_at_all(theme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    feed = HandFeed(live=False)
    feed.give(Story().events())
    feed.end()
    app = WorkbenchApp(feed, clock=lambda: 0, theme=theme)
    async with app.run_test(size=(80, 24)) as pilot:
        b = Bench(app, feed, pilot)
        await b.until(lambda: "RESTARTED" in b.text("guide"))
        picture = app.export_screenshot()
        found = {c.lower() for c in re.findall(r"fill=\"(#[0-9a-fA-F]{6})\"", picture)}
        grey = {c for c in found if c[1:3] == c[3:5] == c[5:7]}
        assert found - grey <= {"#ff5f57", "#febc2e", "#28c840", "#0c0c0c", "#c5c8c6"}, "only the picture's own frame"
