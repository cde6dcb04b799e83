# SPDX-License-Identifier: Apache-2.0
"""The cloud screen: what needs upgrading, as a list to browse. It changes nothing."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from csworkbench.tui.actions import Action
from csworkbench.tui.cloud import CloudLost, CloudSource, CloudView, summary
from csworkbench.tui.cloud_actions import CLOUD_ACTIONS
from csworkbench.tui.diagnostics import Diagnoser
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.messages import CloudFailed, CloudRead, CloudReading, VmChosen, VmMoved
from csworkbench.tui.text import clean
from csworkbench.tui.visit import RunsWanted
from csworkbench.tui.widgets.base import content
from csworkbench.tui.widgets.cloud_list import CloudList
from csworkbench.upgrade.facts import Level
from csworkbench.upgrade.hidden import hidden_line

from .cloud_detail import LinesScreen, VmScreen, check_lines, vm_lines
from .diagnostics import DiagnosticsScreen
from .help import HelpScreen, action_lines

_LEVEL_STYLES = {Level.PASS: "$success", Level.WARN: "$warning", Level.STOP: "b $error", Level.HIDDEN: "$secondary"}


class CloudScreen(Screen[None]):
    """Reads its source in a worker, which speaks to it by messages only."""

    BINDINGS: ClassVar[list[BindingType]] = [binding for action in CLOUD_ACTIONS for binding in action.bindings()]
    AUTO_FOCUS = "#cloud-rows"
    SCOPED_CSS = False  # else classes of screen and app, as -tall and -ascii, would not be seen
    CSS = """
    CloudScreen { background: $background; color: $foreground; }
    #cloud-head { background: $panel; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    #cloud-status { padding: 0 1; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    #cloud-detail { padding: 0 1; height: 2; color: $muted; background: $surface; }
    #cloud-filter { display: none; height: 1; border: none; padding: 0 1; background: $panel; }
    #cloud-filter.-open { display: block; }
    #cloud-rows { height: 1fr; padding: 0 1; overflow-x: hidden; scrollbar-size-vertical: 1; }
    .-ascii #cloud-rows { scrollbar-size-vertical: 0; }
    .-ascii #cloud-head, .-ascii #cloud-status { text-overflow: clip; }
    .-tiny #cloud-detail, .-tiny #cloud-status { display: none; }
    CloudList {
        & > .cloud-list--head { color: $secondary; text-style: bold; }
        & > .cloud-list--cell { color: $foreground; }
        & > .cloud-list--template { color: $warning; text-style: bold; }
        & > .cloud-list--scripts { color: $warning; }
        & > .cloud-list--unknown { color: #a48ad4; }
        & > .cloud-list--current { color: $success; }
        & > .cloud-list--cursor { background: $primary 25%; }
    }
    """

    def __init__(self, source: CloudSource, glyphs: Glyphs) -> None:
        super().__init__()
        self.source = source
        self.glyphs = glyphs
        self.view: CloudView | None = None
        self.status = ""
        self._reading = False

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the palette offers here."""
        return CLOUD_ACTIONS

    @property
    def vms(self) -> CloudList:
        """The rows."""
        return self.query_one(CloudList)

    def compose(self) -> ComposeResult:
        """Head, state of the reading, filter, rows, the row in words, keys."""
        yield Static("", id="cloud-head", markup=False)
        yield Static("", id="cloud-status", markup=False)
        yield Input(placeholder="words to look for; Enter keeps them, Esc shows all", id="cloud-filter", compact=True)
        yield CloudList(self.glyphs)
        yield Static("", id="cloud-detail", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Read at once."""
        self._show()
        self.action_read()

    def action_read(self) -> None:
        """Read the cloud once more; the rows stay until the new ones are there."""
        if not self._reading:
            self._reading = True
            self.status = "asking the management server"
            self._show()
            self.run_worker(self._read(), name="cloud", group="cloud")

    async def _read(self) -> None:
        try:
            view = await self.source.read(self._tell)
        except CloudLost as error:
            self.post_message(CloudFailed(str(error)))
            return
        self.post_message(CloudRead(view))

    def _tell(self, text: str) -> None:
        self.post_message(CloudReading(text))

    def on_cloud_reading(self, message: CloudReading) -> None:
        """Progress."""
        if self._reading:
            self.status = message.text
            self._show()

    def on_cloud_read(self, message: CloudRead) -> None:
        """New rows."""
        self._reading, self.status = False, ""
        self.view = message.view
        chosen = self.vms.chosen
        self.vms.rows.take(message.view.needs)
        self.vms.show(chosen.vm.id if chosen else "")
        self._show()

    def on_cloud_failed(self, message: CloudFailed) -> None:
        """Say so; what was read before stays."""
        self._reading, self.status = False, f"× {clean(message.text)} (g asks again)"
        self._show()

    def on_vm_moved(self, message: VmMoved) -> None:
        """The row in words."""
        message.stop()
        self._show()

    def on_vm_chosen(self, message: VmChosen) -> None:
        """As Enter."""
        message.stop()
        self.action_open()

    def _show(self) -> None:
        if not self.is_attached:
            return
        rows = self.vms.rows
        self._set("#cloud-head", [self._head()])
        shown = f"{len(rows.shown)} of {len(rows.every)} rows" + (
            f" with {clean(rows.filter)!r}" if rows.filter else ""
        )
        order = f" · by {self.vms.ordered_by}"
        left: Line = ((self.status, "$error" if self.status.startswith("×") else "$accent"),)
        self._set("#cloud-status", [left if self.status else ((shown + order, "$muted"), *self._stops())])
        chosen = self.vms.chosen
        failed = self.status.startswith("×")  # the line above may be too short for all of it
        about = self.status.removeprefix("× ") if failed else clean(chosen.reason) if chosen else ""
        self._set("#cloud-detail", [((about, "$error" if failed else ""),)])

    def _head(self) -> Line:
        parts: Line = ((" csworkbench ", "b $primary"), (f" {clean(self.source.name, 40)} ", "b"))
        if self.view is None:
            return parts
        return (*parts, (f" {clean(self.view.facts.fleet.server_version, 40)}  ", "$muted"), (summary(self.view), ""))

    def _stops(self) -> Line:
        findings = self.view.findings if self.view else ()
        parts = []
        for level in (Level.STOP, Level.WARN, Level.HIDDEN):
            titles = [f.title for f in findings if f.level is level]
            if titles:
                parts.append((f"  {level}: {', '.join(titles)}", _LEVEL_STYLES[level]))
        return tuple(parts)

    def _set(self, selector: str, lines: list[Line]) -> None:
        self.query_one(selector, Static).update(content(lines, self.glyphs), layout=False)

    # Actions; their names are in the registry

    def action_open(self) -> None:
        """The system VM under the cursor, in full."""
        chosen = self.vms.chosen
        if chosen is not None and self.view is not None:
            into: Line = (("d           ", "b $accent"), ("look into it: ping, arping, traceroute, its logs", "$muted"))
            lines = [*vm_lines(chosen), (), *check_lines(self.view.checks_of(chosen), passed=False), (), into]
            self.app.push_screen(VmScreen(str(chosen.vm.kind), lines, self.glyphs, self.action_diagnose))

    def action_checks(self) -> None:
        """All checks."""
        if self.view is not None:
            hidden = [
                ((f"not seen: {clean(h.command)}: {clean(h.why)}", "$muted"),)
                for h in self.view.facts.fleet.hidden
                if h.command not in hidden_line(self.view.findings)
            ]
            lines: list[Line] = [*check_lines(self.view.findings, passed=True), *hidden]
            self.app.push_screen(LinesScreen("preflight", lines, self.glyphs))

    def action_diagnose(self) -> None:
        """Ping and the like from inside the system VM under the cursor."""
        chosen = self.vms.chosen
        if chosen is None:
            return
        if isinstance(self.source, Diagnoser):
            self.app.push_screen(DiagnosticsScreen(self.source, chosen.vm, self.source.name, self.glyphs))
        else:
            self.notify("Nobody can be asked here", severity="warning", timeout=4, markup=False)

    def action_runs(self) -> None:
        """The run library."""
        self.post_message(RunsWanted())

    def action_filter(self) -> None:
        """Type words."""
        field = self.query_one(Input)
        field.add_class("-open")
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow while typing."""
        event.stop()
        chosen = self.vms.chosen
        self.vms.rows.narrow(event.value)
        self.vms.show(chosen.vm.id if chosen else "")
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Back to the rows; the filter stays."""
        event.stop()
        self.vms.focus()

    def action_sort(self) -> None:
        """By the next column."""
        self.vms.next_order()
        self._show()

    def action_turn(self) -> None:
        """Descending, or ascending again."""
        self.vms.order_by(self.vms.rows.order)
        self._show()

    def action_move(self, rows: int) -> None:
        """Up or down."""
        self.vms.move(rows)

    def action_page(self, pages: int) -> None:
        """A screen of rows."""
        self.vms.move(pages * self.vms.page)

    def action_first(self) -> None:
        """The first row."""
        self.vms.go_to(0)

    def action_last(self) -> None:
        """The last row."""
        self.vms.go_to(len(self.vms.rows.shown) - 1)

    def action_help(self) -> None:
        """The keys of this screen."""
        self.app.push_screen(HelpScreen(self.glyphs, action_lines(CLOUD_ACTIONS)))

    def action_leave(self) -> None:
        """Close the filter, or the screen."""
        field = self.query_one(Input)
        if field.has_class("-open"):
            field.value = ""
            field.remove_class("-open")
            self.vms.focus()
            return
        self.dismiss()
