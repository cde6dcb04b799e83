# SPDX-License-Identifier: Apache-2.0
"""The actions of the first screen and of the cloud screen that runs are planned from."""

from dataclasses import replace

from .actions import Action, Group, always
from .cloud_actions import CLOUD_ACTIONS

CHOOSE_ACTIONS: tuple[Action, ...] = (
    Action("home.choose", "enter,space", "Open this cloud", "Asks it first; says what is wrong when it does not answer",
           Group.APP, "choose", always, "Open"),
    Action("home.new", "n", "New cloud", "Endpoint, API key and secret; tested, then kept in config.yaml",
           Group.APP, "new", always, "New"),
    Action("home.test", "t", "Test the connection", "Says what answers, or what is wrong and what to do",
           Group.APP, "test", always, "Test"),
    Action("home.read", "g", "Look again", "Configuration, cloudmonkey, environment, test cloud",
           Group.APP, "read", always, "Look again"),
    Action("home.up", "up,k", "Row above", "Moves the cursor", Group.APP, "move(-1)"),
    Action("home.down", "down,j", "Row below", "Moves the cursor", Group.APP, "move(1)"),
    Action("home.help", "question_mark,f1", "Help", "All keys of this screen", Group.APP, "help", always, "Help"),
    Action("home.leave", "escape,q", "Quit", "Nothing is left behind but what was kept", Group.APP, "leave", always,
           "Quit"),
)  # fmt: skip

OWN_ACTIONS: tuple[Action, ...] = (
    Action("cloud.plan", "enter", "Plan a run", "Operation, vantages, phases, checks and exact calls, before anything",
           Group.APP, "plan", always, "Plan"),
    Action("cloud.details", "i", "Details", "Why, which call, what it costs, and the checks before it",
           Group.APP, "open", always, "Details"),
    Action("cloud.scenario", "o", "Open a scenario file", "Planned from a file of this cloud",
           Group.APP, "scenario", always, "Scenario"),
    Action("cloud.attach", "a", "Attach", "The newest run that goes on, e.g. one that was left running",
           Group.APP, "attach"),
    Action("cloud.other", "w", "Another cloud", "The list of clouds, and a new one", Group.APP, "other"),
)  # fmt: skip

_WORDS = {"cloud.sort": "", "cloud.read": "", "cloud.runs": "Runs"}  # what the footer of 80 columns has room for
HOME_CLOUD_ACTIONS: tuple[Action, ...] = (
    *OWN_ACTIONS,
    *(replace(a, footer=_WORDS.get(a.id, a.footer)) for a in CLOUD_ACTIONS if a.id != "cloud.open"),
)
