# SPDX-License-Identifier: Apache-2.0
"""The actions of the run library's screens: one registry for keys, footer, palette and help, as for the session."""

from .actions import Action, Group, always

_ROWS: tuple[Action, ...] = (
    Action("runs.up", "up,k", "Row above", "Moves the cursor", Group.APP, "move(-1)"),
    Action("runs.down", "down,j", "Row below", "Moves the cursor", Group.APP, "move(1)"),
    Action("runs.page_up", "pageup", "Page up", "A screen of rows back", Group.APP, "page(-1)"),
    Action("runs.page_down", "pagedown", "Page down", "A screen of rows on", Group.APP, "page(1)"),
    Action("runs.first", "home", "First row", "To the top", Group.APP, "first"),
    Action("runs.last", "end", "Last row", "To the bottom", Group.APP, "last"),
)  # fmt: skip

RUN_ACTIONS: tuple[Action, ...] = (
    Action("runs.open", "enter", "Open", "A finished run's result; the timeline of one that goes on",
           Group.APP, "open", always, "Open"),
    Action("runs.replay", "r", "Replay", "The run in the workbench as it was recorded; attaches to one that goes on",
           Group.APP, "replay", always, "Replay"),
    Action("runs.mark", "space", "Mark", "Compare, tag, export, report and delete take all marked runs",
           Group.APP, "mark", always, "Mark"),
    Action("runs.mark_all", "a", "Mark all that are shown", "Filter first; again takes all marks away",
           Group.APP, "mark_all"),
    Action("runs.compare", "c", "Compare the marked runs", "Arm by arm, with intervals, reduction and test",
           Group.APP, "compare", always, "Compare"),
    Action("runs.filter", "slash", "Filter", "Shows the runs that have all words; Esc shows all again",
           Group.APP, "filter", always, "Filter"),
    Action("runs.sort", "s", "Sort by the next column", "A click on a title does it too",
           Group.APP, "sort", always, "Sort"),
    Action("runs.turn", "S", "Turn the order round", "Last first", Group.APP, "turn"),
    Action("runs.export", "e", "Export", "CSV files and summary.json, in the run's folder", Group.APP, "export"),
    Action("runs.report", "w", "Write a report", "HTML, Markdown, JUnit or JSON Lines, by the ending of its name",
           Group.APP, "report"),
    Action("runs.tag", "t", "Tag", "+baseline adds a tag, -old takes one away", Group.APP, "tag", always, "Tag"),
    Action("runs.note", "n", "Note", "What is to be remembered of the run under the cursor", Group.APP, "note"),
    Action("runs.delete", "D", "Delete", "Shows which, with their size, and asks; a run that goes on is kept",
           Group.APP, "delete"),
    Action("runs.read", "g", "Read again", "Looks at all run files once more", Group.APP, "read"),
    *_ROWS,
    Action("runs.help", "question_mark,f1", "Help", "All keys of this screen", Group.APP, "help", always, "Help"),
    Action("runs.leave", "escape,q", "Back", "Clears the filter first; then back to where you came from",
           Group.APP, "leave", always, "Back"),
)  # fmt: skip

RESULT_ACTIONS: tuple[Action, ...] = (
    Action("result.replay", "r,enter", "Replay", "The run in the workbench as it was recorded",
           Group.APP, "replay", always, "Replay"),
    Action("result.export", "e", "Export", "CSV files and summary.json, in the run's folder",
           Group.APP, "export", always, "Export"),
    Action("result.report", "w", "Write a report", "HTML, Markdown, JUnit or JSON Lines, by the ending of its name",
           Group.APP, "report", always, "Report"),
    Action("result.help", "question_mark,f1", "Help", "All keys of this screen", Group.APP, "help", always, "Help"),
    Action("result.leave", "escape,q", "Back", "To the list; ends the reading of a long run",
           Group.APP, "leave", always, "Back"),
)  # fmt: skip

COMPARISON_ACTIONS: tuple[Action, ...] = (
    Action("comparison.base", "b", "Compare with the next arm", "Each arm in turn is what the others are held against",
           Group.APP, "base", always, "Base"),
    Action("comparison.write", "w", "Write the comparison", "Markdown, CSV, JSON or text, by the ending of its name",
           Group.APP, "write", always, "Write"),
    Action("comparison.help", "question_mark,f1", "Help", "All keys of this screen",
           Group.APP, "help", always, "Help"),
    Action("comparison.leave", "escape,q", "Back", "To the list", Group.APP, "leave", always, "Back"),
)  # fmt: skip
