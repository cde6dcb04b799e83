# SPDX-License-Identifier: Apache-2.0
"""All keys from the registry, and what the glyphs mean."""

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from csworkbench.tui.actions import ACTIONS, Action, Group
from csworkbench.tui.glyphs import Cell, Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.text import fit, width
from csworkbench.tui.widgets.base import content

from .cloud_detail import FRAME, WIDEST, hanging

SIDE_BY_SIDE = 90  # cells that keys, title and help take in one line
MEANINGS: tuple[tuple[Cell, str, str], ...] = (
    (Cell.UP, "$success", "up"),
    (Cell.DOWN, "$error", "down"),
    (Cell.EDGE, "$warning", "an outage begins or ends somewhere in here"),
    (Cell.DEGRADED, "$accent", "up and down by turns"),
    (Cell.UNKNOWN, "$secondary", "unknown: the prober could not tell"),
    (Cell.BLIND, "$faint", "blind: no sample where one was due"),
    (Cell.AMBIGUOUS, "$warning", "down, but a control lane as well: perhaps not the router"),
    (Cell.NONE, "", "no data yet"),
)


def action_lines(actions: Iterable[Action]) -> list[Line]:
    """A line for each action: keys, title, help."""
    return [((f"  {fit(a.shown_keys, 16)}", "b"), (fit(a.title, 29), ""), (a.help, "$muted")) for a in actions]


HERE = {
    "timeline-rows": (
        "The timeline has the keys",
        "Left and Right move the cursor in time, Up and Down between lanes; Enter unfolds a service, m measures from",
        "the cursor, n writes a note there, [ and ] go from outage to outage, f follows the present again.",
    ),
    "outages": (
        "The list of outages has the keys",
        "Up and Down choose an outage, the most important one first; Enter jumps to its place in the timeline.",
        "Esc goes back to the timeline.",
    ),
}


def here_lines(focused: str) -> list[Line]:
    """What can be done where the keys go now; nothing for a widget that takes none."""
    if focused not in HERE:
        return []
    heading, *texts = HERE[focused]
    return [((heading, "b $accent"),), (("  ", ""), (" ".join(texts), "")), ()]


def help_lines(glyphs: Glyphs, every: tuple[Action, ...] = ACTIONS) -> list[Line]:
    """The help as lines; made from the registry of actions."""
    lines: list[Line] = []
    for group in Group:
        lines.append(((group.value, "b $accent"),))
        lines += [*action_lines(a for a in every if a.group is group), ()]
    lines.append((("Lanes", "b $accent"),))
    for cell, style, meaning in MEANINGS:
        lines.append(((f"  {glyphs.cells[cell] * 4}{' ' * 12}", style), (meaning, "")))
    marks = (
        (glyphs.start + glyphs.line * 2 + glyphs.end, "a job; its ends are as wide as the time between two polls"),
        (glyphs.mark + glyphs.unsure * 3, "an event; CloudStack tells whole seconds of its own clock"),
        (glyphs.second * 4, "a second MAC answers for the gateway as well"),
    )
    lines += [((f"  {fit(mark, 16)}", "$primary"), (meaning, "")) for mark, meaning in marks]
    lines += [(), (("Figures are  down [lowest, highest]  in seconds, for the worst VM of a service.", "$muted"),)]
    return lines


def _below(line: Line) -> tuple[Line, ...]:
    """An action's help below its title."""
    if len(line) != 3:
        return (line,)
    keys, title, more = line
    return (keys, title), ((" " * width(keys[0]), ""), more)


class HelpScreen(ModalScreen[None]):
    """Scrolls with the arrow keys; any of Esc, q, ? and F1 closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,f1", "close", "Close")]
    AUTO_FOCUS = "#help-text"

    def __init__(self, glyphs: Glyphs, lines: list[Line] | None = None) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._lines = help_lines(glyphs) if lines is None else lines

    def compose(self) -> ComposeResult:
        """The text."""
        with Vertical(classes="dialog -wide") as dialog:
            dialog.border_title = "help"
            dialog.border_subtitle = "Esc closes"
            with VerticalScroll(id="help-text"):
                yield Static(self._content(), id="help-lines", markup=False)

    def on_resize(self) -> None:
        """Another width, other breaks."""
        self.query_one("#help-lines", Static).update(self._content())

    def _content(self) -> Content:
        """The lines, broken for the width that there is."""
        room = min(WIDEST, self.app.size.width * 96 // 100) - FRAME
        lines = [piece for line in self._lines for piece in (_below(line) if room < SIDE_BY_SIDE else (line,))]
        return content([piece for line in lines for piece in hanging(line, room)], self._glyphs)

    def action_close(self) -> None:
        """Back to the run."""
        self.dismiss()
