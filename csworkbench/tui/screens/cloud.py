# SPDX-License-Identifier: Apache-2.0
"""The cloud screen: what needs upgrading, as a list to browse. It changes nothing."""

from typing import ClassVar

from textual.binding import BindingType

from csworkbench.tui import cloud
from csworkbench.tui.actions import Action
from csworkbench.tui.cloud import CloudLost, CloudSource, CloudView, summary
from csworkbench.tui.cloud_actions import CLOUD_ACTIONS
from csworkbench.tui.diagnostics import Diagnoser
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.messages import CloudFailed, CloudRead, CloudReading
from csworkbench.tui.text import clean
from csworkbench.tui.visit import RunsWanted
from csworkbench.upgrade.facts import Level
from csworkbench.upgrade.hidden import hidden_line
from csworkbench.upgrade.needs import Assessment

from .browsing import BrowsingScreen
from .cloud_detail import LinesScreen, VmScreen, check_lines, vm_lines
from .diagnostics import DiagnosticsScreen
from .help import HelpScreen, action_lines

_LEVEL_STYLES = {Level.PASS: "$success", Level.WARN: "$warning", Level.STOP: "b $error", Level.HIDDEN: "$secondary"}


class CloudScreen(BrowsingScreen[Assessment]):
    """Reads its source in a worker, which speaks to it by messages only."""

    BINDINGS: ClassVar[list[BindingType]] = [binding for action in CLOUD_ACTIONS for binding in action.bindings()]
    CSS = BrowsingScreen.CSS + "CloudScreen > .browse-detail { text-wrap: wrap; }"

    def __init__(self, source: CloudSource, glyphs: Glyphs) -> None:
        super().__init__(cloud.listing(), glyphs)
        self.source = source
        self.found: CloudView | None = None
        self._reading = False

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the palette offers here."""
        return CLOUD_ACTIONS

    def on_mount(self) -> None:
        """Read at once."""
        super().on_mount()
        self.action_read()

    def action_read(self) -> None:
        """Read the cloud once more; the rows stay until the new ones are there."""
        if not self._reading:
            self._reading = True
            self.status = "asking the management server"
            self.show()
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
            self.show()

    def on_cloud_read(self, message: CloudRead) -> None:
        """New rows."""
        self._reading, self.status = False, ""
        self.found = message.view
        self.rows.take(message.view.needs)
        self.view.show()
        self.show()

    def on_cloud_failed(self, message: CloudFailed) -> None:
        """Say so; what was read before stays."""
        self._reading, self.status = False, f"× {clean(message.text)} (g asks again)"
        self.show()

    def head(self) -> Line:
        """Which cloud, its server, how many need what."""
        parts: Line = ((" csworkbench ", "b $primary"), (f" {clean(self.source.name, 40)} ", "b"))
        if self.found is None:
            return parts
        return (*parts, (f" {clean(self.found.facts.fleet.server_version, 40)}  ", "$muted"), (summary(self.found), ""))

    def state(self) -> Line:
        """How many rows, and the checks that do not pass."""
        return (*super().state(), *self._stops())

    def detail(self) -> list[Line]:
        """Why; a reading that failed in full: the line above may be too short for all of it."""
        if self.status.startswith("×"):
            return [((self.status.removeprefix("× "), "$error"),)]
        chosen = self.rows.chosen
        return [((clean(chosen.reason) if chosen else "", ""),)]

    def _stops(self) -> Line:
        findings = self.found.findings if self.found else ()
        parts = []
        for level in (Level.STOP, Level.WARN, Level.HIDDEN):
            titles = [f.title for f in findings if f.level is level]
            if titles:
                parts.append((f"  {level}: {', '.join(titles)}", _LEVEL_STYLES[level]))
        return tuple(parts)

    # Actions; their names are in the registry

    def action_open(self) -> None:
        """The system VM under the cursor, in full."""
        chosen = self.rows.chosen
        if chosen is not None and self.found is not None:
            into: Line = (("d           ", "b $accent"), ("look into it: ping, arping, traceroute, its logs", "$muted"))
            lines = [*vm_lines(chosen), (), *check_lines(self.found.checks_of(chosen), passed=False), (), into]
            self.app.push_screen(VmScreen(str(chosen.vm.kind), lines, self.glyphs, self.action_diagnose))

    def action_checks(self) -> None:
        """All checks."""
        if self.found is not None:
            hidden = [
                ((f"not seen: {clean(h.command)}: {clean(h.why)}", "$muted"),)
                for h in self.found.facts.fleet.hidden
                if h.command not in hidden_line(self.found.findings)
            ]
            lines: list[Line] = [*check_lines(self.found.findings, passed=True), *hidden]
            self.app.push_screen(LinesScreen("preflight", lines, self.glyphs))

    def action_diagnose(self) -> None:
        """Ping and the like from inside the system VM under the cursor."""
        chosen = self.rows.chosen
        if chosen is None:
            return
        if isinstance(self.source, Diagnoser):
            self.app.push_screen(DiagnosticsScreen(self.source, chosen.vm, self.source.name, self.glyphs))
        else:
            self.notify("Nobody can be asked here", severity="warning", timeout=4, markup=False)

    def action_runs(self) -> None:
        """The run library."""
        self.post_message(RunsWanted())

    def action_help(self) -> None:
        """The keys of this screen."""
        self.app.push_screen(HelpScreen(self.glyphs, action_lines(CLOUD_ACTIONS)))

    def action_leave(self) -> None:
        """Close the filter, or the screen."""
        if not self.closed_filter():
            self.dismiss()
