# SPDX-License-Identifier: Apache-2.0
"""The actions of the campaign screen: one registry for keys, footer, palette and help, as for the session."""

from .actions import Action, Group, always

CAMPAIGN_ACTIONS: tuple[Action, ...] = (
    Action("campaign.open", "enter", "Open its run", "The timeline of the target's run, live or in replay",
           Group.APP, "open", always, "Open"),
    Action("campaign.about", "d", "All about the target", "Call, consequence, hosts, why it waits, figures",
           Group.APP, "about"),
    Action("campaign.pause", "p", "Pause", "Nothing more is started until somebody goes on; asks first",
           Group.APP, "command('pause')", always, "Pause"),
    Action("campaign.go_on", "o", "Go on", "Ends a pause, a stop, or the wait after the canary; asks first",
           Group.APP, "command('go-on')", always, "Go on"),
    Action("campaign.skip", "x", "Skip the target", "It is not operated, or not any more; asks first",
           Group.APP, "command('skip')", always, "Skip"),
    Action("campaign.retry", "t", "Try the target again", "One that failed, was skipped or is unknown; asks first",
           Group.APP, "command('retry')", always, "Retry"),
    Action("campaign.stop", "X", "Stop the campaign", "What runs is finished, nothing more is started; asks first",
           Group.APP, "command('stop')", always, "Stop"),
    Action("campaign.left_out", "l", "What was left out", "Selected by the plan, and still no target",
           Group.APP, "left_out"),
    Action("campaign.filter", "slash", "Filter", "Shows the targets that have all words; Esc shows all again",
           Group.APP, "filter", always, "Filter"),
    Action("campaign.sort", "s", "Sort by the next column", "A click on a title does it too", Group.APP, "sort"),
    Action("campaign.turn", "S", "Turn the order round", "Last first", Group.APP, "turn"),
    Action("campaign.up", "up,k", "Row above", "Moves the cursor", Group.APP, "move(-1)"),
    Action("campaign.down", "down,j", "Row below", "Moves the cursor", Group.APP, "move(1)"),
    Action("campaign.page_up", "pageup", "Page up", "A screen of rows back", Group.APP, "page(-1)"),
    Action("campaign.page_down", "pagedown", "Page down", "A screen of rows on", Group.APP, "page(1)"),
    Action("campaign.first", "home", "First row", "To the top", Group.APP, "first"),
    Action("campaign.last", "end", "Last row", "To the bottom", Group.APP, "last"),
    Action("campaign.help", "question_mark,f1", "Help", "All keys of this screen", Group.APP, "help", always, "Help"),
    Action("campaign.leave", "escape,q", "Leave", "Clears the filter first; the campaign goes on without this window",
           Group.APP, "leave", always, "Leave"),
)  # fmt: skip
