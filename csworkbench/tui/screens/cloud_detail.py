# SPDX-License-Identifier: Apache-2.0
"""One system VM in full, and the checks: lines in a dialog."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line, Part
from csworkbench.tui.text import clean, fit, width
from csworkbench.tui.widgets.base import content
from csworkbench.upgrade.facts import Finding, Level
from csworkbench.upgrade.hidden import HIDDEN_REMEDY, hidden_line
from csworkbench.upgrade.needs import Assessment, Need
from csworkbench.upgrade.served import name_of

_NEED_STYLES = {
    Need.TEMPLATE: "b $warning",
    Need.SCRIPTS: "$warning",
    Need.UNKNOWN: "#a48ad4",
    Need.CURRENT: "$success",
}
_LEVELS = {
    Level.PASS: ("pass", "$success"),
    Level.WARN: ("warn", "$warning"),
    Level.STOP: ("STOP", "b $error"),
    Level.HIDDEN: ("hidden", "$secondary"),
}


WIDEST = 114
FRAME = 8  # border, padding and scroll bar


def vm_lines(a: Assessment) -> list[Line]:
    """What it is, what it needs and why, the operation, its call and its consequence."""
    vm, remedy = a.vm, a.remedy
    where = " in ".join(clean(text, 60) for text in (name_of(vm), vm.zone) if text)
    versions = (
        ("template", vm.version), ("software", vm.software_version), ("agent", vm.agent_version),
        ("scripts", vm.scripts_version[:12]),
    )  # fmt: skip
    told = " · ".join(f"{name} {clean(value, 40)}" for name, value in versions if value) or "none"
    role = f", {clean(vm.redundant_state, 20)}" if vm.redundant_state else ""
    lines = [
        _field("Name", clean(vm.name, 80), "b"),
        _field("Is", f"{vm.kind} of {where}, {clean(vm.state, 20)}{role}"),
        _field("Versions", told),
        _field("Need", str(a.need), _NEED_STYLES[a.need]),
        *(_field("" if i else "Because", clean(text)) for i, text in enumerate(a.reasons)),
        *(_field("" if i else "But", clean(text), "$warning") for i, text in enumerate(a.doubts)),
        _field("Operation", str(remedy.operation), "b"),
    ]
    if remedy.call:
        lines.append(_field("API call", clean(remedy.call), "$primary"))
    if remedy.consequence:
        lines.append(_field("Consequence", clean(remedy.consequence)))
    why = f": {clean(remedy.patch.why)}" if remedy.patch.why else ""
    return [*lines, _field("Live patch", f"{remedy.patch.answer}{why}")]


def _field(name: str, text: str, style: str = "") -> Line:
    return ((fit(name, 12), "$muted"), (text, style))


def check_lines(findings: Iterable[Finding], *, passed: bool) -> list[Line]:
    """The checks of the whole cloud; without `passed` only those that say something. What is hidden is said once."""
    lines: list[Line] = []
    findings = tuple(findings)
    for f in findings:
        if f.level is Level.HIDDEN or (f.level is Level.PASS and not passed):
            continue
        word, style = _LEVELS[f.level]
        lines.append(((fit(word, 8), style), (f"{f.title}: ", "b"), (clean(f.evidence), "")))
        if f.remedy:
            lines.append(((" " * 8, ""), (f"→ {f.remedy}", "$muted")))
    if told := hidden_line(findings):
        word, style = _LEVELS[Level.HIDDEN]
        lines += [((fit(word, 8), style), (clean(told), "")), ((" " * 8, ""), (f"→ {HIDDEN_REMEDY}", "$muted"))]
    return lines or [(("No check says warn or stop.", "$success"),)]


def hanging(line: Line, room: int) -> list[Line]:
    """A line broken at blanks; what follows its first part stays to the right of that part."""
    if len(line) < 2:
        return [line]
    label, *rest = line
    indent = width(label[0])
    lines: list[list[Part]] = [[label]]
    used = indent
    for text, style in rest:
        for word in re.findall(r"\S+\s*|\s+", text):
            if used + width(word.rstrip()) > room and used > indent:
                lines.append([(" " * indent, "")])
                used = indent
            lines[-1].append((word, style))
            used += width(word)
    return [tuple(parts) for parts in lines]


class LinesScreen(ModalScreen[None]):
    """Scrolls with the arrow keys; Esc, q and Enter close it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "close", "Close")]
    AUTO_FOCUS = "#lines-text"
    SCOPED_CSS = False  # the rules are for those that are made from it
    CSS = """
    LinesScreen { align: center middle; background: $background 60%; }
    LinesScreen .dialog {
        width: 114; max-width: 96%; height: auto; max-height: 92%;
        background: $surface; border: round $primary; border-title-color: $primary;
        border-subtitle-color: $secondary; padding: 1 2;
    }
    .-ascii LinesScreen .dialog { border: ascii $primary; }
    #lines-text { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
    """

    def __init__(self, title: str, lines: Sequence[Line], glyphs: Glyphs) -> None:
        super().__init__()
        self._title, self._lines, self._glyphs = title, lines, glyphs

    def compose(self) -> ComposeResult:
        """The text."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = self._title  # ours: a title is markup
            dialog.border_subtitle = "Esc closes"
            with VerticalScroll(id="lines-text"):
                yield Static(self._content(), id="lines", markup=False)

    def on_resize(self) -> None:
        """Another width, other breaks."""
        self.query_one("#lines", Static).update(self._content())

    def _content(self) -> Content:
        """The lines, broken for the width that there is."""
        room = min(WIDEST, self.app.size.width * 96 // 100) - FRAME
        wrapped = [piece for line in self._lines for piece in hanging(line, room)]
        return content(wrapped, self._glyphs)

    def action_close(self) -> None:
        """Back to the list."""
        self.dismiss()


class VmScreen(LinesScreen):
    """One system VM; `d` closes it and looks into the VM."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("d", "diagnose", "Look into it")]

    def __init__(self, title: str, lines: Sequence[Line], glyphs: Glyphs, diagnose: Callable[[], None]) -> None:
        super().__init__(title, lines, glyphs)
        self._diagnose = diagnose

    def action_diagnose(self) -> None:
        """To the other screen."""
        self.dismiss()
        self.call_after_refresh(self._diagnose)
