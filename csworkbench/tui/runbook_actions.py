# SPDX-License-Identifier: Apache-2.0
"""The one registry of what can be done on the runbook's screen: bindings, footer and help are made from it."""

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class RunbookAction:
    """`handler` names an `action_…` method of the runbook screen; `footer` the word shown there."""

    id: str
    keys: str
    shown: str
    title: str
    help: str
    handler: str
    footer: str = ""


ACTIONS: tuple[RunbookAction, ...] = (
    RunbookAction("runbook.run", "r", "r", "Run a check or command", "A command asks first", "run_step", "Run"),
    RunbookAction("runbook.done", "d", "d", "Mark done", "With what was seen, if you like", "mark('done')", "Done"),
    RunbookAction("runbook.note", "n", "n", "Note evidence", "Kept with time and name", "mark('evidence')", "Note"),
    RunbookAction("runbook.skip", "s", "s", "Skip", "Asks why", "mark('skipped')", "Skip"),
    RunbookAction("runbook.fail", "x", "x", "Mark failed", "Asks why", "mark('failed')", "Fail"),
    RunbookAction(
        "runbook.back", "b", "b", "Roll back", "After a step has failed; asks why", "mark('rollback')", "Back"
    ),
    RunbookAction("runbook.again", "a", "a", "Do it again", "Opens a finished step once more", "mark('again')"),
    RunbookAction("runbook.copy", "y", "y", "Copy the commands", "To the terminal, and to a file", "copy", "Copy"),
    RunbookAction("runbook.current", "c", "c", "Go to the current step", "The one whose turn it is", "current"),
    RunbookAction("runbook.down", "j", "j Down", "Next step", "Moves in the list", "move(1)"),
    RunbookAction("runbook.up", "k", "k Up", "Step before", "Moves in the list", "move(-1)"),
    RunbookAction("runbook.help", "question_mark,f1", "? F1", "Help", "All keys, and the signs", "help", "Help"),
    RunbookAction("runbook.quit", "q", "q", "Leave", "--resume goes on", "leave", "Quit"),
)


def bindings() -> list[Binding]:
    """All actions as Textual bindings."""
    return [
        Binding(a.keys, a.handler, a.footer or a.title, show=bool(a.footer), id=a.id, key_display=a.shown.split()[0])
        for a in ACTIONS
    ]
