# SPDX-License-Identifier: Apache-2.0
"""The actions of the plan screen: one registry for keys, footer, palette and help, as for the session."""

from .actions import Action, Group, always

PLAN_ACTIONS: tuple[Action, ...] = (
    Action("plan.start", "r", "Start the run", "Asks first, then measures the baseline; r operates after it",
           Group.APP, "start", always, "Start"),
    Action("plan.change", "enter,space", "Choose or change",
           "Chooses an operation, changes a field, shows all of a fact", Group.APP, "change", always, "Change"),
    Action("plan.about", "i", "All about this row", "The text below the rows, in full",
           Group.APP, "about", always, "About"),
    Action("plan.logins", "t", "Try the logins", "Logs in to each tenant and out again; says who refuses, and why",
           Group.APP, "logins", always, "Try logins"),
    Action("plan.save", "s", "Save as a scenario file", "For `csworkbench run`, for next time, for a colleague",
           Group.APP, "save", always, "Save"),
    Action("plan.open", "o", "Open a scenario file", "In place of what is on the screen",
           Group.APP, "open_file", always, "Open"),
    Action("plan.force", "F", "Ignore a stop of the checks", "Once more takes it back",
           Group.APP, "force"),
    Action("plan.read", "g", "Ask the cloud again", "Target, tenants, rules, checks and calls anew",
           Group.APP, "read"),
    Action("plan.up", "up,k", "Row above", "Moves the cursor", Group.APP, "move(-1)"),
    Action("plan.down", "down,j", "Row below", "Moves the cursor", Group.APP, "move(1)"),
    Action("plan.help", "question_mark,f1", "Help", "All keys of this screen", Group.APP, "help", always, "Help"),
    Action("plan.leave", "escape,q", "Back", "To the cloud; nothing has been started",
           Group.APP, "leave", always, "Back"),
)  # fmt: skip
