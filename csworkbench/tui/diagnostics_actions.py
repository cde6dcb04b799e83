# SPDX-License-Identifier: Apache-2.0
"""The actions of the diagnostics screen: one registry for keys, footer, palette and help, as for the session."""

from .actions import Action, Group, always

DIAGNOSTICS_ACTIONS: tuple[Action, ...] = (
    Action("diagnostics.ping", "p", "Ping", "From inside the VM; an IPv6 address takes ping6",
           Group.APP, "ask('ping')", always, "Ping"),
    Action("diagnostics.arping", "a", "Arping", "Who answers for an address in a network of the VM",
           Group.APP, "ask('arping')", always, "Arping"),
    Action("diagnostics.traceroute", "t", "Traceroute", "The way from the VM; an IPv6 address takes traceroute6",
           Group.APP, "ask('traceroute')", always, "Traceroute"),
    Action("diagnostics.collect", "c", "Fetch its logs", "The archive of getDiagnosticsData, into a folder of yours",
           Group.APP, "collect", always, "Logs"),
    Action("diagnostics.write", "w", "Keep what was said", "All questions and answers in a text file",
           Group.APP, "write", always, "Keep"),
    Action("diagnostics.up", "up,k", "Up", "Scrolls", Group.APP, "scroll(-1)"),
    Action("diagnostics.down", "down,j", "Down", "Scrolls", Group.APP, "scroll(1)"),
    Action("diagnostics.help", "question_mark,f1", "Help", "All keys of this screen",
           Group.APP, "help", always, "Help"),
    Action("diagnostics.leave", "escape,q", "Back", "To the cloud; a job that was begun ends by itself",
           Group.APP, "leave", always, "Back"),
)  # fmt: skip
