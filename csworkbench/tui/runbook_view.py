# SPDX-License-Identifier: Apache-2.0
"""What the runbook's screen shows, as lines of styled text. Pure."""

from csworkbench.upgrade.runbook.entry import Did
from csworkbench.upgrade.runbook.markdown import describe, took
from csworkbench.upgrade.runbook.model import Kind, Runbook, Step
from csworkbench.upgrade.runbook.state import Outcome, State, Status

from .guide import Line
from .runbook_actions import ACTIONS
from .text import clean, fit

SIGN = {
    Status.PENDING: ("○", "$muted"), Status.BEGUN: ("▸", "b $accent"), Status.DONE: ("✓", "$success"),
    Status.SKIPPED: ("–", "$secondary"), Status.FAILED: ("✗", "b $error"), Status.OUT: ("·", "$faint"),
}  # fmt: skip
MEANING = {
    Status.PENDING: "not done yet", Status.BEGUN: "begun; its end is not known", Status.DONE: "done",
    Status.SKIPPED: "skipped, with a reason", Status.FAILED: "failed", Status.OUT: "does not apply: its condition",
}  # fmt: skip
STYLE = {
    Outcome.OPEN: "$foreground", Outcome.FAILED: "b $error", Outcome.DONE: "b $success",
    Outcome.ROLLING_BACK: "b $warning", Outcome.ROLLED_BACK: "b $warning",
}  # fmt: skip
OUTPUT_LINES = 40
ENTRIES = 20


def header(state: State, cloud: str, who: str) -> Line:
    """One line: name, outcome, how many steps are settled."""
    settled = sum(state.settled(step) for step in state.branch)
    return (
        (clean(state.runbook.name, 60), "b"),
        (f"  {state.outcome} ", STYLE[state.outcome]),
        (f"{settled} of {len(state.branch)}", "$muted"),
        (f"  {clean(cloud, 30) or 'no cloud'}  {clean(who, 40)}", "$muted"),
    )


def labels(book: Runbook) -> dict[str, str]:
    """Numbers by step id; the way back counts R1, R2 …"""
    found = {step.id: str(n) for n, step in enumerate(book.steps, 1)}
    return found | {step.id: f"R{n}" for n, step in enumerate(book.rollback, 1)}


def row(state: State, step: Step, label: str, cells: int) -> Line:
    """A step in the list."""
    status = state.of(step).status
    sign, style = SIGN[status]
    current = state.current
    here = current is not None and current.id == step.id
    quiet = "$faint" if status is Status.OUT or step not in state.branch else "b" if here else ""
    return ((f"{'▸' if here else ' '}", "b $accent"), (f"{sign} ", style), (fit(label, 4), "$muted"),
            (fit(clean(step.title), max(4, cells - 7)), quiet))  # fmt: skip


def detail(state: State, step: Step, label: str) -> list[Line]:
    """All about a step: what is to be done, and what has become of it."""
    found = state.of(step)
    sign, style = SIGN[found.status]
    lines: list[Line] = [
        ((f"{label}. {clean(step.title)}", "b"),),
        ((f"{sign} {state.told(step)}", style), (f"  {step.kind}  {step.id}  {took(found)}", "$muted")),
        (),
    ]
    lines += [((clean(text), ""),) for text in step.text.splitlines()]
    if step.when is not None:
        lines.append(((f"Only when {step.when.step} is {step.when.result}.", "$muted"),))
    words = [*step.commands, *(["csworkbench " + " ".join(step.run)] if step.kind is Kind.COMMAND else [])]
    if words:
        lines += [(), (("Commands", "$muted"),), *(((f"  {clean(word, 2_000)}", "$primary"),) for word in words)]
    if step.check is not None:
        lines += [(), (("Check", "$muted"),)]
        lines += [((f"  {clean(text)}", "$primary"),) for text in describe(step.check).splitlines()]
    if step.expects:
        lines += [(), (("Expected  ", "$muted"), (clean(step.expects), ""))]
    if found.entries:
        lines += [(), (("What happened", "$muted"),)]
    for entry in found.entries[-ENTRIES:]:
        tone = "$error" if entry.did is Did.FAILED else "$success" if entry.did is Did.DONE else "$foreground"
        lines.append(
            ((f"  {clean(entry.at[:19])} ", "$muted"), (entry.did.value, tone), (f" {clean(entry.who)}", "$muted"))
        )
        lines += [((f"    {clean(text)}", ""),) for text in entry.text.splitlines()]
        lines += [((f"    │ {clean(text)}", "$muted"),) for text in entry.output.splitlines()[-OUTPUT_LINES:]]
    return [line for n, line in enumerate(lines) if line or lines[n - 1]]


def help_lines() -> list[Line]:
    """All keys and signs."""
    lines: list[Line] = [((f"  {fit(a.shown, 10)}", "b"), (fit(a.title, 26), ""), (a.help, "$muted")) for a in ACTIONS]
    lines.append(())
    lines += [((f"  {fit(SIGN[status][0], 10)}", SIGN[status][1]), (text, "")) for status, text in MEANING.items()]
    return lines
