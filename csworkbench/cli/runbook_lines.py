# SPDX-License-Identifier: Apache-2.0
"""A runbook on plain lines: the plan, where a walk is, and one question per step."""

import asyncio
import shutil
import textwrap
from pathlib import Path

import click

from csworkbench.cloudstack.text import one_line
from csworkbench.upgrade.runbook.entry import Did
from csworkbench.upgrade.runbook.markdown import describe, took
from csworkbench.upgrade.runbook.model import Kind, Runbook, Step
from csworkbench.upgrade.runbook.record import Record
from csworkbench.upgrade.runbook.state import Outcome, State, Status
from csworkbench.upgrade.runbook.walk import Refused, Walk

WIDEST = 100
OUTPUT_LINES = 20
MARK = {
    Status.PENDING: " ", Status.BEGUN: "~", Status.DONE: "+", Status.SKIPPED: "-", Status.FAILED: "x", Status.OUT: ".",
}  # fmt: skip


def shown(text: str, limit: int = 2_000) -> str:
    """Text fit for one line of a terminal."""
    return one_line(text, limit)


def _width() -> int:
    return min(shutil.get_terminal_size((80, 24)).columns, WIDEST)


def say(text: str, indent: str = "  ") -> None:
    """Paragraphs, wrapped to the terminal."""
    for line in text.splitlines():
        for part in textwrap.wrap(shown(line), max(20, _width() - len(indent)), break_on_hyphens=False) or [""]:
            click.echo(indent + part)


def copy_line(text: str) -> None:
    """A command, never wrapped: it is to be copied."""
    click.echo("    " + shown(text, 4_000))


def plan(book: Runbook) -> None:
    """All steps, and nothing done."""
    click.echo(shown(book.name))
    for number, step in numbered(book):
        condition = f" (when {step.when.step} is {step.when.result})" if step.when else ""
        click.echo(f"{number:>4}  {step.kind:<7}  {shown(step.title)}{condition}")


def numbered(book: Runbook) -> list[tuple[str, Step]]:
    """Each step with its number; those of the way back are R1, R2 …"""
    forward = [(str(n), step) for n, step in enumerate(book.steps, 1)]
    return forward + [(f"R{n}", step) for n, step in enumerate(book.rollback, 1)]


def status(state: State, record: Record) -> None:
    """Where the walk is, one line for each step."""
    click.echo(f"{shown(state.runbook.name)}: {state.outcome}")
    click.echo(f"record {record.path}")
    current = state.current
    for number, step in numbered(state.runbook):
        found = state.of(step)
        here = ">" if current is not None and step.id == current.id else " "
        last = found.entries[-1] if found.entries else None
        when = f"  {last.at[:19]} {shown(last.who, 40)} {took(found)}".rstrip() if last else ""
        click.echo(f"{here}{MARK[found.status]} {number:>3}  {state.told(step):<14} {step.id}{when}")


def goodbye(walk: Walk, file: Path) -> None:
    """How it ended, and how to go on."""
    outcome = walk.state.outcome
    click.echo(f"{outcome}; record {walk.record.path}", err=True)
    if outcome not in (Outcome.DONE, Outcome.ROLLED_BACK):
        click.echo(f"go on: csworkbench runbook {file} --resume", err=True)
    click.echo(f"evidence: csworkbench runbook {file} --export FILE.md", err=True)


async def checks_only(walk: Walk) -> None:
    """Do the checks whose turn it is; end at a step that is not one, or at one that fails."""
    while (step := walk.state.current) is not None and step.kind is Kind.CHECK:
        try:
            good = await walk.perform(step)
        except Refused as error:
            click.echo(f"csworkbench: {error}", err=True)
            return
        _finding(walk, step)
        if not good:
            return
    if step is not None:
        click.echo(f"{step.id}: a person is needed: {shown(step.title)}", err=True)


def _finding(walk: Walk, step: Step) -> None:
    found = walk.state.of(step)
    click.echo(f"{MARK[found.status]} {step.id}: {found.status} {took(found)}".rstrip())
    if found.entries:
        last = found.entries[-1]
        say(last.text, "    ")
        for line in last.output.splitlines()[-OUTPUT_LINES:]:
            click.echo("    | " + shown(line, _width() - 6))
        if last.log:
            click.echo(f"    all output: {walk.record.path / last.log}")


class Lines:
    """Asks at each step. A person sits at the terminal."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk

    def run(self) -> None:
        """Until the end, or a pause."""
        click.echo(f"{shown(self.walk.state.runbook.name)}\n")
        while (step := self.walk.state.current) is not None:
            self._show(step)
            if not self._turn(step):
                return
            click.echo("")

    def _show(self, step: Step) -> None:
        number = next(n for n, s in numbered(self.walk.state.runbook) if s.id == step.id)
        status = self.walk.state.of(step).status
        suffix = "" if status is Status.PENDING else f"  [{status}]"
        click.echo(f"{number}. {shown(step.title)}  ({step.kind}, {step.id}){suffix}")
        if step.text:
            say(step.text)
        for command in step.commands:
            copy_line(command)
        if step.kind is Kind.COMMAND:
            copy_line("csworkbench " + " ".join(step.run))
        if step.check is not None:
            say(describe(step.check), "    ")
        if step.expects:
            say(f"Expected: {step.expects}")
        if status is Status.BEGUN and step.kind is Kind.COMMAND:
            last = self.walk.state.of(step).entries[-1]
            say(
                f"It was begun at {last.at} by {last.who}, and its end is not known. It may still run, or have ended: "
                f"look at {self.walk.record.path / last.log} before you run it again."
            )

    def _turn(self, step: Step) -> bool:
        """One answer; False for a pause."""
        status = self.walk.state.of(step).status
        automatic = step.kind is not Kind.MANUAL
        if step.kind is Kind.CHECK and status in (Status.PENDING, Status.BEGUN) and self.walk.rows is not None:
            self._perform(step)
            return True
        choices = {"d": "done", "n": "note evidence", "s": "skip", "x": "failed", "p": "pause"}
        if automatic:
            choices = {"r": "run", **choices}
        if step.kind is Kind.CHECK:
            del choices["d"]
        if status is Status.FAILED:
            del choices["x"]
            if not self.walk.why_not(step, Did.ROLLBACK):
                choices = {"b": "roll back", **choices}
        answer = _ask(", ".join(f"{key} {word}" for key, word in choices.items()) + ": ")
        if answer in ("p", None):
            return False
        if answer not in choices:
            click.echo("Please answer with one of the letters.")
            return True
        return self._answer(step, answer)

    def _answer(self, step: Step, answer: str) -> bool:
        did = {"d": Did.DONE, "n": Did.EVIDENCE, "s": Did.SKIPPED, "x": Did.FAILED, "b": Did.ROLLBACK}.get(answer)
        if did is None:
            self._perform(step)
            return True
        question = {"d": "What was seen (Enter for nothing): ", "n": "Evidence: "}.get(answer, "Why: ")
        text = _ask(question, word=False)
        if text is None:
            return False
        try:
            self.walk.mark(step, did, text)
        except Refused as error:
            click.echo(f"{error}")
            return True
        if did is Did.FAILED and not self.walk.why_not(step, Did.ROLLBACK):
            back = len(self.walk.state.runbook.way_back(step))
            sure = _ask(f"Roll back now ({back} steps)? y/N: ")
            if sure in ("y", "yes"):
                self.walk.mark(step, Did.ROLLBACK, text)
        return True

    def _perform(self, step: Step) -> None:
        try:
            asyncio.run(self.walk.perform(step))
        except Refused as error:
            click.echo(f"{error}")
            return
        _finding(self.walk, step)


def _ask(question: str, *, word: bool = True) -> str | None:
    """A line that a person typed; None at the end of input."""
    try:
        line = input(question)
    except EOFError:
        return None
    line = line.strip()
    return line.lower()[:3] if word else line
