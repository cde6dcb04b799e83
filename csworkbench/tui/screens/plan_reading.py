# SPDX-License-Identifier: Apache-2.0
"""The part of the plan screen that asks the cloud and draws what it told."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from csworkbench.model.scenario import Scenario
from csworkbench.tui.cloud import CloudLost
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.plan import Ground, PlanError, Planner, Survey
from csworkbench.tui.plan_fields import FIELDS
from csworkbench.tui.plan_messages import GroundFound, PlanFailed, PlanTold
from csworkbench.tui.plan_view import Row, lines_of, rows, summary
from csworkbench.tui.text import clean
from csworkbench.tui.widgets.base import content
from csworkbench.upgrade.choices import Choice
from csworkbench.upgrade.facts import Level

from .cloud_detail import hanging

READ_ONLY = "READ ONLY: nothing can be started here (--read-only, or read_only of the cloud's profile)"


class PlanReading(Screen[None]):
    """Draws a plan; its planner asks the cloud, in workers that speak to the screen by messages only."""

    AUTO_FOCUS = "#plan-rows"
    SCOPED_CSS = False  # else classes of screen and app, as -tall and -ascii, would not be seen
    CSS = """
    PlanReading { background: $background; color: $foreground; }
    #plan-head { background: $panel; padding: 0 1; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    #plan-status { padding: 0 1; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    #plan-rows { height: 1fr; border: none; padding: 0; background: $background; scrollbar-size-vertical: 1;
        text-wrap: nowrap; }
    #plan-rows > .option-list--option { padding: 0 1; }
    #plan-about { height: 6; background: $surface; padding: 0 1; scrollbar-size-vertical: 1; }
    .-tall #plan-about { height: 12; }
    .-tiny #plan-about { display: none; }
    .-ascii #plan-rows, .-ascii #plan-about { scrollbar-size-vertical: 0; }
    .-ascii #plan-head, .-ascii #plan-status { text-overflow: clip; }
    """

    def __init__(
        self,
        planner: Planner,
        scenario: Scenario,
        choices: Sequence[Choice],
        target: str,
        glyphs: Glyphs,
        *,
        why: str = "",
        read_only: bool = False,
    ) -> None:
        super().__init__()
        self.planner, self.scenario, self.choices = planner, scenario, tuple(choices)
        self.glyphs, self.read_only = glyphs, read_only
        self.survey: Survey | None = None
        self.status = ""
        self.force = False
        self.busy = False
        self.file = ""  # where it was opened from or saved to: may be written again
        self._ground: Ground | None = None
        self._target, self._why = target, why
        self._rows: list[Row] = []

    @property
    def options(self) -> OptionList:
        """The rows."""
        return self.query_one("#plan-rows", OptionList)

    @property
    def row(self) -> Row | None:
        """The one under the cursor."""
        at = self.options.highlighted
        return self._rows[at] if at is not None and at < len(self._rows) else None

    def compose(self) -> ComposeResult:
        """Head, state, rows, the row in full, keys."""
        yield Static("", id="plan-head", markup=False)
        yield Static("", id="plan-status", markup=False)
        yield OptionList(id="plan-rows", markup=False, compact=True)
        with VerticalScroll(id="plan-about", can_focus=False):
            yield Static("", id="plan-about-text", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Ask at once."""
        self.show()
        self.action_read()

    def on_resize(self) -> None:
        """Other widths."""
        self.call_after_refresh(self.show)

    # Asking the cloud

    def action_read(self) -> None:
        """Read the target; what was read before stays until then."""
        if not self.busy:
            self._begin("asking the cloud")
            self.run_worker(self._read(), name="ground", group="plan")

    async def _read(self) -> None:
        try:
            ground = await self.planner.ground(self.scenario, self.choices, self._tell)
        except (CloudLost, PlanError) as error:
            self.post_message(PlanFailed(f"{error} (g asks again)"))
            return
        self.post_message(GroundFound(ground))

    def _tell(self, text: str) -> None:
        self.post_message(PlanTold(text))

    def _begin(self, status: str) -> None:
        self.busy, self.status = True, status
        self.show()

    def on_plan_told(self, message: PlanTold) -> None:
        """Progress."""
        if self.busy:
            self.status = message.text
            self._show_head()

    def on_ground_found(self, message: GroundFound) -> None:
        """Look at the plan against it."""
        self.busy, self.status = False, ""
        self._ground = message.ground
        self._look()

    def on_plan_failed(self, message: PlanFailed) -> None:
        """Say so; what was read before stays."""
        self.busy, self.status = False, f"× {clean(message.text)}"
        self.show()

    def _look(self) -> None:
        if self._ground is not None:
            self.survey = self._ground.survey(self.scenario)
        self.show()

    # Drawing

    def show(self) -> None:
        """Draw everything; the cursor stays on its row."""
        if not self.is_attached:
            return
        before = self.row
        self._rows = rows(self.scenario, self.choices, self.survey, self._why)
        cells = max(40, self.size.width - 3)
        drawn = [
            Option(content([line], self.glyphs), id=row.id)
            for row, line in zip(self._rows, lines_of(self._rows, cells), strict=True)
        ]
        self.options.clear_options()
        self.options.add_options(drawn)
        ids = [row.id for row in self._rows]
        self.options.highlighted = ids.index(before.id) if before is not None and before.id in ids else 0
        self._show_head()
        self._show_about()

    def _show_head(self) -> None:
        mode = (" READ ONLY ", "key") if self.read_only else ("", "")
        target = clean(self.survey.target if self.survey else self._target, 60)
        head: Line = (
            (" csworkbench ", "b $primary"), (f" plan · {clean(self.scenario.cloud, 30)} · ", ""), (target, "b"),
            ("  ", ""), mode,
        )  # fmt: skip
        self.query_one("#plan-head", Static).update(content([head], self.glyphs))
        self.query_one("#plan-status", Static).update(content([self._state()], self.glyphs))

    def _state(self) -> Line:
        if self.status:
            return ((self.status, "$error" if self.status.startswith("×") else "$accent"),)
        if why := self.why_not_start():
            return (("r waits: ", "b $warning"), (why, "$warning"))
        if self.force and self._stops():
            return (("--force: ", "b $error"), ("goes ahead although a check says stop", "$warning"))
        return (("Ready: r starts the run", "b $success"), (f" · {summary(self.survey)}", "$muted"))

    def _show_about(self) -> None:
        row = self.row
        about = list(row.about) if row is not None else []
        if row is not None and row.does and about:
            about[0] = (*about[0], (f"   {row.does}", "$faint"))
        room = max(30, self.size.width - 4)
        lines = [piece for line in about for piece in hanging(line, room)]
        self.query_one("#plan-about-text", Static).update(content(lines, self.glyphs))
        self.query_one("#plan-about", VerticalScroll).scroll_home(animate=False)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """The text below follows the cursor."""
        event.stop()
        self._show_about()

    # What holds the start

    def _stops(self) -> list[str]:
        return [f.title for f in self.survey.findings if f.level is Level.STOP] if self.survey is not None else []

    def why_not_start(self) -> str:
        """Why the run cannot be started now; empty when it can."""
        survey, stops = self.survey, self._stops()
        if self.read_only:
            return READ_ONLY
        if self.busy or survey is None:
            return self.status or "the cloud has not answered yet"
        labels = [f.label for f in FIELDS if f.id in survey.missing]
        reasons = (
            (bool(survey.refused), clean(survey.refused)),
            (bool(labels), f"{' and '.join(labels)} to be filled in"),
            (not survey.lanes, "nothing could be measured: no lane fits this target and these vantages"),
            (bool(stops) and not self.force, f"preflight says stop: {', '.join(stops)}; F goes ahead all the same"),
        )
        return next((why for applies, why in reasons if applies), "")

    def say(self, text: str, severity: str = "warning") -> None:
        """A word to the person."""
        level = "information" if severity == "information" else "warning"
        self.notify(self.glyphs.plain(clean(text)), severity=level, timeout=8, markup=False)  # type: ignore[arg-type]
