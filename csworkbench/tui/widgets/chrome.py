# SPDX-License-Identifier: Apache-2.0
"""The frame around the run: header, guide, detail line, keys."""

from collections.abc import Iterable

from textual.reactive import reactive
from textual.widgets import Footer

from csworkbench.model.event import Level, Phase
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line, Part, guidance
from csworkbench.tui.text import clean, fit, width
from csworkbench.tui.times import span
from csworkbench.tui.view import RunView

from .base import LinesPanel

LEVELS = {Level.INFO: "$muted", Level.WARN: "$warning", Level.ERROR: "$error"}


class HeaderPanel(LinesPanel):
    """One line: what, where, which phase, how long since the change, who is connected."""

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__(view, glyphs, panel_id="header")

    def lines(self) -> Iterable[Line]:
        """The header, filled to the panel's width."""
        right = self._right()
        room = self.content_size.width or 80
        need = sum(width(text) for text, _ in right)
        left = [p for p in self._left() if p[0]]
        free = room - need - 1
        shown: list[Part] = []
        for text, style in left:
            if free <= 0:
                break
            shown.append((text if width(text) <= free else fit(text, free), style))
            free -= width(text)
        return [(*shown, (" " * max(free + 1, 1), ""), *right)]

    def _left(self) -> list[Part]:
        opened, view = self.view.state.opened, self.view
        if opened is None:
            return [(" csworkbench ", "b $primary")]
        return [
            (" csworkbench ", "b $primary"),
            (f" {clean(opened.cloud, 40)} · {clean(view.network, 60)} ", "b"),
            (f"  {clean(opened.operation, 60)} ", "$muted"),
        ]

    def _right(self) -> list[Part]:
        view = self.view
        parts: list[Part] = [(f"{view.state.phase.value} ", "$accent" if view.moving else "$muted")]
        change = view.change_ns
        if change is not None:
            end = view.state.phase_ns(Phase.COLLECT) or view.state.phase_ns(Phase.DONE) or view.now_ns
            parts.append((f" change {span(end - change)} ", "b"))
        connected, every = view.channels
        if every:
            parts.append((f" ch {connected}/{every} ", "$muted" if connected == every else "$warning"))
        parts.append(self._mode())
        return parts

    def _mode(self) -> Part:
        view = self.view
        if view.lost and not view.closed:
            return (" × feed lost ", "b $error")
        if view.playback is not None:
            pace = "over" if view.over else "paused" if view.playback.paused else f"{view.playback.speed:g}x"
            return (f" replay {pace} ", "b $primary")
        if not view.live:
            return (" recorded ", "b $primary")
        if view.closed or view.over:
            return (" ended ", "$muted")
        return (" ● attached, read-only ", "$warning") if view.read_only else (" ● rec ", "b $error")


class GuidePanel(LinesPanel):
    """What the run is doing and what to press."""

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__(view, glyphs, panel_id="guide")
        self._mood = ""

    def lines(self) -> Iterable[Line]:
        """The guidance; its mood becomes a class."""
        found = guidance(self.view)
        if found.mood != self._mood:
            self.remove_class(f"-{self._mood}").add_class(f"-{found.mood}")
            self._mood = found.mood
        return found.lines


class DetailPanel(LinesPanel):
    """Two lines: what stands under the timeline's cursor, and the newest notice."""

    text = reactive("", layout=False, repaint=False)

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__(view, glyphs, panel_id="detail")

    def lines(self) -> Iterable[Line]:
        """Both lines."""
        notices = self.view.state.notices
        notice: Line = ()
        if notices:
            at_ns, newest = notices[-1]
            since = span(at_ns - self.view.state.started_ns)
            notice = ((f"{since} ", "$faint"), (clean(newest.text), LEVELS[newest.level]))
        return [((self.text or " ", ""),), notice]

    def watch_text(self) -> None:
        """Draw a new detail at once."""
        self.show()


class KeysPanel(Footer):
    """The keys that work now, from the registry of actions."""

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__(show_command_palette=False, compact=True, id="keys")

    def show(self) -> None:
        """Nothing: Textual keeps the footer."""
