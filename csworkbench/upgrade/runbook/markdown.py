# SPDX-License-Identifier: Apache-2.0
"""A walk as Markdown: what was to be done, what was done, by whom and when. All text is escaped. Pure."""

import re
from collections.abc import Iterator
from datetime import datetime

from csworkbench.cloudstack.text import one_line

from .entry import Did, Entry
from .model import Check, Kind, Scalar, Step
from .state import State, Status, StepState

_SPECIAL = re.compile(r"([\\`*_\[\]<>&|~$@]|:(?=//))")
_LEADING = re.compile(r"^([#+=-]|\d+(?=[.)]))")  # at the beginning of a line: headings, lists, underlines
_RUN = re.compile(r"`+")
_WORD = {
    Did.STARTED: "started", Did.EVIDENCE: "evidence", Did.DONE: "done", Did.SKIPPED: "skipped",
    Did.FAILED: "failed", Did.AGAIN: "asked for again", Did.ROLLBACK: "roll-back begun", Did.OPENED: "opened",
}  # fmt: skip


def render(state: State, record: str, cloud: str = "") -> str:
    """The whole record as one document."""
    book = state.runbook
    return (
        "\n".join([f"# {inline(book.name)}", "", *_head(state, record, cloud), *_table(state), *_steps(state)]) + "\n"
    )


def inline(text: str, limit: int = 2_000) -> str:
    """Text on one line that Markdown, and the HTML in it, shows as it is."""
    line = _SPECIAL.sub(r"\\\1", one_line(text, limit))
    return _LEADING.sub(lambda m: m[1] + "\\" if m[1].isdigit() else "\\" + m[1], line)


def block(text: str, language: str = "") -> list[str]:
    """Lines of code in a fence that they cannot end."""
    lines = [_line(line) for line in text.expandtabs().splitlines()] or [""]
    fence = "`" * max(3, 1 + max((len(run) for line in lines for run in _RUN.findall(line)), default=0))
    return [fence + language, *lines, fence]


def _line(text: str) -> str:
    """A line with its indentation, and nothing that moves a cursor or turns the text round."""
    body = text.lstrip(" ")
    return " " * min(len(text) - len(body), 80) + one_line(body, 4_000)


def prose(text: str) -> list[str]:
    """Paragraphs, escaped line by line."""
    return [inline(line) for line in text.splitlines()]


def _head(state: State, record: str, cloud: str) -> Iterator[str]:
    book = state.runbook
    if book.about:
        yield from (*prose(book.about), "")
    if book.source:
        yield from (f"Source: {inline(book.source)}", "")
    yield f"- Record: {inline(record)}"
    if cloud:
        yield f"- Cloud: {inline(cloud)}"
    if state.opened is not None:
        yield f"- Begun: {_when(state.opened)} by {inline(state.opened.who)}"
    for entry in state.resumed:
        yield f"- Resumed: {_when(entry)} by {inline(entry.who)}"
    if state.last is not None:
        yield f"- Last entry: {_when(state.last)} by {inline(state.last.who)}"
    yield f"- Outcome: **{state.outcome}**"
    if state.rolled_from:
        yield f"- Rolled back because of: {inline(state.rolled_from)}"
    people = sorted({e.who for found in state.steps.values() for e in found.entries})
    if people:
        yield f"- Who: {', '.join(inline(p) for p in people)}"
    yield ""


def _table(state: State) -> Iterator[str]:
    yield from ("| # | Step | Kind | State | When (UTC) | Took | Who |", "|---|---|---|---|---|---|---|")
    for number, step in _numbered(state):
        found = state.of(step)
        end = _end(found)
        when, who = (_when(end), inline(end.who)) if end else ("", "")
        yield f"| {number} | {inline(step.title)} | {step.kind} | {state.told(step)} | {when} | {took(found)} | {who} |"
    yield ""


def _steps(state: State) -> Iterator[str]:
    back = False
    for number, step in _numbered(state):
        if number.startswith("R") and not back:
            back = True
            yield from ("## Roll-back", "")
        yield from _step(number, step, state)


def _step(number: str, step: Step, state: State) -> Iterator[str]:
    yield from (f"### {number}. {inline(step.title)} ({state.told(step)})", "")
    if step.text:
        yield from (*prose(step.text), "")
    if step.when is not None:
        yield from (f"Only when {inline(step.when.step)} is {step.when.result}.", "")
    if step.commands:
        yield from (*block("\n".join(step.commands), "console"), "")
    if step.kind is Kind.COMMAND:
        yield from (*block("csworkbench " + " ".join(step.run), "console"), "")
    if step.check is not None:
        yield from (*block(describe(step.check)), "")
    if step.expects:
        yield from (f"Expected: {inline(step.expects)}", "")
    for entry in state.of(step).entries:
        yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[str]:
    head = f"- {_when(entry)} **{_WORD[entry.did]}** by {inline(entry.who)}"
    lines = entry.text.splitlines()
    if len(lines) == 1:
        yield f"{head}: {inline(lines[0])}"
    else:
        yield head
        if lines:
            yield from ("", *("  " + line for line in block(entry.text)))
    if entry.output:
        yield from ("", *("  " + line for line in block(entry.output)))
    yield ""


def describe(check: Check) -> str:
    """A check in words, one condition a line."""
    params = "".join(f" {name}={_value(value)}" for name, value in check.params.items())
    lines = [f"{check.command}{params}"]
    lines += [f"of those where {name} is {_values(values)}" for name, values in check.where.items()]
    lines += [f"every {name} is {_values(values)}" for name, values in check.every.items()]
    lines += [f"no {name} is {_values(values)}" for name, values in check.none.items()]
    lines += [f"every {name} is of release {release}" for name, release in check.release.items()]
    if check.one_value_of:
        lines.append(f"all have the same {check.one_value_of}")
    if check.at_least:
        lines.append(f"at least {check.at_least}")
    if check.at_most is not None:
        lines.append(f"at most {check.at_most}")
    return "\n".join(lines)


def _value(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(values: tuple[Scalar, ...]) -> str:
    return " or ".join(_value(value) for value in values)


def _numbered(state: State) -> Iterator[tuple[str, Step]]:
    yield from ((str(n), step) for n, step in enumerate(state.runbook.steps, 1))
    yield from ((f"R{n}", step) for n, step in enumerate(state.runbook.rollback, 1))


def _when(entry: Entry) -> str:
    return inline(entry.at.replace("T", " ").removesuffix("Z"), 40)


def _end(found: StepState) -> Entry | None:
    if found.status is Status.PENDING:
        return None
    return next((e for e in reversed(found.entries) if e.did not in (Did.EVIDENCE, Did.ROLLBACK)), None)


def took(found: StepState) -> str:
    """How long an ended step took from its last start, such as `3.2 s` or `4 min 10 s`; empty when not known."""
    end = _end(found)
    start = next((e for e in reversed(found.entries) if e.did is Did.STARTED), None)
    if end is None or start is None or end is start:
        return ""
    try:
        seconds = (datetime.fromisoformat(end.at) - datetime.fromisoformat(start.at)).total_seconds()
    except (ValueError, TypeError):
        return ""
    if seconds < 0:
        return ""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"
