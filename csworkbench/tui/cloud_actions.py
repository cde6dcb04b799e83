# SPDX-License-Identifier: Apache-2.0
"""The actions of the cloud screen: one registry for keys, footer, palette and help, as for the session."""

from .actions import Action, Group, always

CLOUD_ACTIONS: tuple[Action, ...] = (
    Action("cloud.open", "enter,i", "Open", "Why, which call, what it costs, and the checks before it",
           Group.APP, "open", always, "Open"),
    Action("cloud.filter", "slash", "Filter", "Shows the rows that have all words; Esc shows all again",
           Group.APP, "filter", always, "Filter"),
    Action("cloud.sort", "s", "Sort by the next column", "A click on a title does it too",
           Group.APP, "sort", always, "Sort"),
    Action("cloud.turn", "S", "Turn the order round", "Last first",
           Group.APP, "turn"),
    Action("cloud.checks", "p", "Preflight", "All checks with their remedies",
           Group.APP, "checks", always, "Preflight"),
    Action("cloud.read", "g", "Read again", "Asks the management server for everything once more",
           Group.APP, "read", always, "Read again"),
    Action("cloud.diagnose", "d", "Look into it", "Ping, arping and traceroute from inside the VM; its logs",
           Group.APP, "diagnose"),
    Action("cloud.runs", "v", "All runs", "Find, open, compare, tag, export and delete what has been measured",
           Group.APP, "runs"),
    Action("cloud.up", "up,k", "Row above", "Moves the cursor", Group.APP, "move(-1)"),
    Action("cloud.down", "down,j", "Row below", "Moves the cursor", Group.APP, "move(1)"),
    Action("cloud.page_up", "pageup", "Page up", "A screen of rows back", Group.APP, "page(-1)"),
    Action("cloud.page_down", "pagedown", "Page down", "A screen of rows on", Group.APP, "page(1)"),
    Action("cloud.first", "home", "First row", "To the top", Group.APP, "first"),
    Action("cloud.last", "end", "Last row", "To the bottom", Group.APP, "last"),
    Action("cloud.help", "question_mark,f1", "Help", "All keys of this screen", Group.APP, "help", always, "Help"),
    Action("cloud.leave", "escape,q", "Back", "Clears the filter first; then back to where you came from",
           Group.APP, "leave", always, "Back"),
)  # fmt: skip
