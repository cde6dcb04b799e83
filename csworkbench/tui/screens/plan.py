# SPDX-License-Identifier: Apache-2.0
"""The plan screen: one run from its operation to its exact calls, before anything is started."""

from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType
from textual.widgets import OptionList

from csworkbench.model.operation import TARGETS
from csworkbench.model.scenario import Scenario
from csworkbench.tui.actions import Action
from csworkbench.tui.guide import Line
from csworkbench.tui.plan import Ground, PlanError
from csworkbench.tui.plan_actions import PLAN_ACTIONS
from csworkbench.tui.plan_fields import FIELDS, Field, FieldError
from csworkbench.tui.plan_messages import LoginsTried, PlanFailed, RunStarted
from csworkbench.tui.plan_view import CHOICE, FIELD
from csworkbench.tui.text import clean, fit
from csworkbench.upgrade.choices import Choice

from .ask import AskScreen
from .cloud_detail import LinesScreen
from .help import HelpScreen, action_lines
from .plan_reading import PlanReading
from .question import QuestionScreen


class PlanScreen(PlanReading):
    """Edits a scenario and starts it."""

    BINDINGS: ClassVar[list[BindingType]] = [binding for action in PLAN_ACTIONS for binding in action.bindings()]

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the palette offers here."""
        return PLAN_ACTIONS

    # What can be done; the names are in the registry

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter or the mouse."""
        event.stop()
        self.action_change()

    def action_change(self) -> None:
        """Choose the operation, change the field, or show all of the fact."""
        row = self.row
        if row is None:
            return
        if row.kind == CHOICE:
            self._choose(self.choices[int(row.id.rpartition("-")[2])])
        elif row.kind == FIELD:
            self._ask(next(f for f in FIELDS if row.id == f"{FIELD}-{f.id}"))
        elif row.about:
            self.app.push_screen(LinesScreen(row.section, list(row.about), self.glyphs))

    def _choose(self, choice: Choice) -> None:
        if choice.why_not:
            self.say(f"{choice.title} does not fit: {choice.why_not}")
            return
        names = {self.planner.draft(c, self._target).name for c in self.choices}
        name = self.planner.draft(choice, self._target).name if self.scenario.name in names else self.scenario.name
        target = {kind: choice.id if kind == choice.kind else "" for kind in TARGETS}
        self.scenario = replace(self.scenario, name=name, operation=choice.operation, **target)  # type: ignore[arg-type]
        self.force = False
        self._look()

    def _ask(self, field: Field, text: str | None = None) -> None:
        shown = field.show(self.scenario) if text is None else text
        value = "" if shown == field.empty else shown

        def answered(answer: str | None) -> None:
            if answer is None:
                return
            try:
                self.scenario = self.planner.checked(field.take(self.scenario, answer))
            except (FieldError, PlanError) as error:
                self.say(str(error))
                self._ask(field, answer)
                return
            self._look()

        self.app.push_screen(AskScreen(field.label, field.hint, self.glyphs, value), answered)

    def action_force(self) -> None:
        """Go ahead although a check says stop, or not."""
        if not self._stops():
            self.say("No check says stop: there is nothing to force")
            return
        self.force = not self.force
        self.show()

    def action_start(self) -> None:
        """Ask; then start the engine."""
        if why := self.why_not_start():
            self.say(why)
            return
        try:
            scenario = self.planner.checked(self.scenario)
        except PlanError as error:
            self.say(str(error))
            return

        def answered(yes: bool | None) -> None:
            if yes and not self.why_not_start():
                self._begin("starting the engine")
                self.run_worker(self._start(scenario), name="start", group="plan")

        title = "start the run?"
        self.app.push_screen(QuestionScreen(title, self._summary(), "Start measuring", self.glyphs), answered)

    def _summary(self) -> list[Line]:
        survey, phases = self.survey, self.scenario.phases
        assert survey is not None  # noqa: S101 - asked by why_not_start
        tenants = f"{survey.reached} of {len(survey.tenants)} tenants" if survey.tenants else "no tenants"
        first = f"Probes start in {tenants}{' and outside' if survey.outside else ''}; "
        then = (
            "then r asks once more, and only then it operates."
            if survey.planned is not None
            else "nothing is operated: q ends it."
        )
        lines: list[Line] = [
            ((fit("Target", 13), "$muted"), (clean(survey.target), "b")),
            ((fit("Operation", 13), "$muted"), (clean(self.scenario.operation.title), "b")),
        ]
        if survey.planned is not None:
            names = ["API call", *[""] * (len(survey.planned.calls) - 1)]
            lines += [
                ((fit(name, 13), "$muted"), (clean(call), "$primary"))
                for name, call in zip(names, survey.planned.calls, strict=False)
            ]
        lines.append(
            ((fit("Now", 13), "$muted"), (f"{first}a baseline of {phases.baseline:g} s is measured; {then}", ""))
        )
        if self.force and self._stops():
            lines.append(((fit("Force", 13), "b $error"), (f"preflight says stop: {', '.join(self._stops())}", "")))
        if survey.planned is not None:
            lines.append(((fit("Consequence", 13), "$muted"), (clean(survey.planned.consequence, 1_000), "$warning")))
        return lines

    async def _start(self, scenario: Scenario) -> None:
        try:
            run = await self.planner.start(scenario, force=self.force)
        except PlanError as error:
            self.post_message(PlanFailed(str(error)))
            return
        self.app.post_message(RunStarted(run))

    def action_logins(self) -> None:
        """Log in everywhere, and out again."""
        if self.busy or self._ground is None or self.survey is None:
            self.say("The cloud has not answered yet")
        elif self.read_only:
            self.say("READ ONLY: nobody logs in to tenants from here")
        elif not self.survey.reached:
            self.say("No tenant has a way to it")
        else:
            self._begin("logging in")
            self.run_worker(self._try(self._ground), name="logins", group="plan")

    async def _try(self, ground: Ground) -> None:
        self.post_message(LoginsTried(await ground.try_logins(self.scenario, self._tell)))

    def on_logins_tried(self, message: LoginsTried) -> None:
        """Who refuses, and why."""
        self.busy, self.status = False, ""
        self.show()
        bad = {name: why for name, why in message.found.items() if why}
        good = len(message.found) - len(bad)
        head: Line = ((f"{good} of {len(message.found)} logins work.", "b $success" if not bad else "b $warning"),)
        lines: list[Line] = [((fit(clean(n, 60), 18) + " ", "b"), (clean(why), "$warning")) for n, why in bad.items()]
        self.app.push_screen(LinesScreen("logins", [head, *([()] if lines else []), *lines], self.glyphs))

    def action_save(self) -> None:
        """Ask where, then write."""
        words = "-".join(w for w in clean(self.scenario.name, 60).lower().split() if w.isalnum()) or "run"
        self._save_as(self.file or f"{words}.yaml")

    def _save_as(self, suggested: str) -> None:
        def answered(file: str | None) -> None:
            if not file:
                return
            try:
                where = self.planner.save(self.scenario, file, overwrite=file == self.file)
            except PlanError as error:
                self.say(str(error))
                self._save_as(file)
                return
            self.file = file
            self.say(f"Saved as {where}; run it headless with: csworkbench run {where}", "information")

        hint = "the scenario file to write; `csworkbench run FILE` runs it"
        self.app.push_screen(AskScreen("save as", hint, self.glyphs, suggested), answered)

    def action_open_file(self) -> None:
        """Ask which, then take it in place of this one."""

        def answered(file: str | None) -> None:
            if not file:
                return
            try:
                scenario = self.planner.load(file)
            except PlanError as error:
                self.say(str(error))
                return
            self.take(scenario, file)

        self.app.push_screen(AskScreen("open a scenario file", "its path", self.glyphs, self.file), answered)

    def take(self, scenario: Scenario, file: str) -> None:
        """Another scenario, from a file."""
        self.scenario, self.file, self.choices = scenario, file, of_file(scenario)
        self._target, self._why = scenario.target[1], f"from {file}"
        self.survey, self._ground, self.force = None, None, False
        self.workers.cancel_group(self, "plan")
        self.busy = False
        self.action_read()

    def action_move(self, by: int) -> None:
        """Up or down."""
        (self.options.action_cursor_down if by > 0 else self.options.action_cursor_up)()

    def action_about(self) -> None:
        """All about the row, to scroll in."""
        if self.row is not None:
            self.app.push_screen(LinesScreen(self.row.section, list(self.row.about), self.glyphs))

    def action_help(self) -> None:
        """The keys of this screen."""
        self.app.push_screen(HelpScreen(self.glyphs, action_lines(PLAN_ACTIONS)))

    def action_leave(self) -> None:
        """Back; an engine that is being started is waited for."""
        if self.busy and self.status == "starting the engine":
            self.say("The engine is being started: one moment")
            return
        self.dismiss()


def of_file(scenario: Scenario) -> tuple[Choice, ...]:
    """What a scenario file leaves to choose: its operation, or only to measure."""
    kind, name = scenario.target
    own = Choice(scenario.operation.title, scenario.operation, kind, name, "as the file says")
    if scenario.operation.is_none:
        return (own,)
    none = type(scenario.operation)()
    return (own, Choice(none.title, none, kind, name, "nothing is operated"))
