# SPDX-License-Identifier: Apache-2.0
"""The one registry of actions. Key bindings, footer, command palette and help screen are made from it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from textual.binding import Binding

from .view import RunView


class Group(StrEnum):
    """How the help screen groups actions."""

    RUN = "Run"
    TIME = "Timeline"
    REPLAY = "Replay"
    ROWS = "Lanes and outages"
    APP = "Workbench"


Refusal = Callable[[RunView], str]


def always(_: RunView) -> str:
    """Available in every situation."""
    return ""


def _to_start(view: RunView) -> str:
    return view.why_not_start()


def _to_export(view: RunView) -> str:
    return "" if view.has_samples else "nothing has been measured yet"


def _with_outages(view: RunView) -> str:
    return "" if view.outages else "no outage so far"


def _in_replay(view: RunView) -> str:
    return "" if view.playback is not None else "this is not a replay"


def _to_note(view: RunView) -> str:
    return view.why_no_note()


def _with_lanes(view: RunView) -> str:
    return "" if view.state.lanes else "no lanes yet"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person can do.

    `handler` names an `action_…` method of the session screen, or of the app with the prefix `app.`. `refusal` says why
    the action is not available now, in words; empty means that it is.
    """

    id: str
    keys: str
    title: str
    help: str
    group: Group
    handler: str
    refusal: Refusal = always
    footer: str = ""  # the word in the footer; empty: not shown there

    @property
    def shown_keys(self) -> str:
        """The keys as people read them: `+ =`."""
        keys = [SHOWN.get(k, k) for k in self.keys.split(",")]
        return f"{keys[0]} to {keys[-1]}" if self.by_key else " ".join(keys)

    def bindings(self) -> list[Binding]:
        """The action as Textual's key bindings: one, or one for each key where the handler wants to know the key."""
        keys = self.keys.split(",")
        return [
            Binding(
                keys_of_one, self.handler.replace("{key}", keys_of_one), self.footer or self.title,
                show=bool(self.footer), id=self.id, key_display=SHOWN.get(keys[0], keys[0]), tooltip=self.help,
            ) for keys_of_one in (keys if self.by_key else [self.keys])
        ]  # fmt: skip

    @property
    def by_key(self) -> bool:
        """True where each key does a thing of its own; such keys stay as they are."""
        return "{key}" in self.handler


SHOWN = {
    "plus": "+", "minus": "-", "equals_sign": "=", "left_square_bracket": "[", "right_square_bracket": "]",
    "question_mark": "?", "space": "Space", "enter": "Enter", "left": "Left", "right": "Right", "up": "Up",
    "down": "Down", "shift+left": "Shift+Left", "shift+right": "Shift+Right", "ctrl+p": "^p", "ctrl+q": "^q",
    "ctrl+c": "^c", "f1": "F1", "home": "Home", "end": "End", "tab": "Tab", "pageup": "PgUp", "pagedown": "PgDn",
    "escape": "Esc", "less_than_sign": "<", "greater_than_sign": ">", "comma": ",", "full_stop": ".",
    "ctrl+left": "Ctrl+Left", "ctrl+right": "Ctrl+Right", "slash": "/",
}  # fmt: skip

ACTIONS: tuple[Action, ...] = (
    Action("operation.start", "r", "Start the operation", "Shows the exact API calls, and asks before it acts",
           Group.RUN, "start_operation", _to_start, "Start"),
    Action("run.export", "e", "Export the measurements", "Writes CSV files and summary.json, and says where",
           Group.RUN, "export", _to_export, "Export"),
    Action("time.follow", "f", "Follow the present", "Turns the page when the present reaches its edge",
           Group.TIME, "follow", _with_lanes, "Follow"),
    Action("time.zoom_in", "plus,equals_sign", "Zoom in", "Less time per column, down to 0.05 s",
           Group.TIME, "zoom(-1)", _with_lanes, "Zoom"),
    Action("time.zoom_out", "minus", "Zoom out", "More time per column, up to 60 s",
           Group.TIME, "zoom(1)", _with_lanes),
    Action("time.fit", "0", "Show the whole run", "The zoom at which all that was measured fits",
           Group.TIME, "fit", _with_lanes),
    Action("time.left", "left,h", "Cursor left", "One column back; pans at the edge",
           Group.TIME, "move(-1)", _with_lanes),
    Action("time.right", "right,l", "Cursor right", "One column on; pans at the edge",
           Group.TIME, "move(1)", _with_lanes),
    Action("time.page_left", "shift+left,b", "Pan left", "Half a page back in time",
           Group.TIME, "pan(-1)", _with_lanes),
    Action("time.page_right", "shift+right,w", "Pan right", "Half a page on in time",
           Group.TIME, "pan(1)", _with_lanes),
    Action("time.home", "home", "Go to the change", "Puts the cursor where the change began",
           Group.TIME, "go_to_change", _with_lanes),
    Action("time.base", "u", "Relative, UTC or local time", "The axis counts from the change, or shows a time of day",
           Group.TIME, "cycle_time"),
    Action("time.mark", "m", "Measure from here", "Sets a mark; the detail line shows how far the cursor is from it",
           Group.TIME, "mark", _with_lanes),
    Action("time.note", "n", "Write a note", "Kept in the run at the cursor's time, and shown with the events",
           Group.TIME, "note", _to_note),
    Action("detail.copy", "y", "Copy the detail line",
           "To the terminal's clipboard, and to copied.txt in the run's folder",
           Group.TIME, "copy", _with_lanes),
    Action("replay.pause", "z", "Pause or go on", "The replay stands, or goes on from where it stands",
           Group.REPLAY, "replay_pause", _in_replay, "Pause"),
    Action("replay.slower", "less_than_sign,comma", "Slower", "Down to a quarter of the recording's pace",
           Group.REPLAY, "replay_speed(-1)", _in_replay),
    Action("replay.faster", "greater_than_sign,full_stop", "Faster", "Up to a hundred times the recording's pace",
           Group.REPLAY, "replay_speed(1)", _in_replay),  # no room for it in the footer of 80 columns
    Action("replay.back", "ctrl+left", "10 s back", "Shows the ten seconds before once more",
           Group.REPLAY, "replay_skip(-10)", _in_replay),
    Action("replay.on", "ctrl+right", "10 s on", "Leaves out ten seconds",
           Group.REPLAY, "replay_skip(10)", _in_replay),
    Action("replay.cursor", "g", "Go on from the cursor", "The replay continues at the timeline's cursor",
           Group.REPLAY, "replay_cursor", _in_replay),
    Action("rows.up", "up,k", "Lane above", "Moves the cursor to the row above",
           Group.ROWS, "select(-1)", _with_lanes),
    Action("rows.down", "down,j", "Lane below", "Moves the cursor to the row below",
           Group.ROWS, "select(1)", _with_lanes),
    Action("rows.fold", "enter,space", "Fold or unfold a service", "Shows all VMs of a service or only the worst one",
           Group.ROWS, "fold", _with_lanes, "Unfold"),
    Action("rows.jump", "1,2,3,4,5,6,7,8,9", "Jump to a service", "The digit stands before its first row",
           Group.ROWS, "jump({key})", _with_lanes),
    Action("rows.find", "slash", "Show only lanes with a text", "A VM, an address, a service; an empty text shows all",
           Group.ROWS, "find", _with_lanes),
    Action("outage.previous", "left_square_bracket", "Previous outage", "Jumps to the outage before the cursor",
           Group.ROWS, "outage(-1)", _with_outages),
    Action("outage.next", "right_square_bracket", "Next outage", "Jumps to the outage after the cursor",
           Group.ROWS, "outage(1)", _with_outages, "Outage"),
    Action("outage.list", "o", "Go to the outage list", "Enter in the list jumps to its place in time",
           Group.ROWS, "outage_list"),
    Action("timeline.focus", "escape", "Back to the timeline", "From the outage list",
           Group.ROWS, "timeline"),
    Action("panel.next", "p", "Next side panel", "A narrow terminal shows one side panel at a time",
           Group.APP, "next_panel", always, "Panel"),
    Action("app.cloud", "c", "The cloud's routers", "What needs upgrading in this cloud, and is now a safe time",
           Group.APP, "app.cloud"),
    Action("app.runs", "v", "All runs", "Find, open, compare, tag, export and delete what has been measured",
           Group.APP, "app.runs"),
    Action("app.layout", "L", "Next layout", "Operator, narrow, report, wall, and those of your own",
           Group.APP, "app.next_layout"),
    Action("app.help", "question_mark,f1", "Help", "All keys, and what the glyphs mean",
           Group.APP, "app.help", always, "Help"),
    Action("app.palette", "ctrl+p", "Command palette", "Search all actions by name",
           Group.APP, "app.command_palette"),
    Action("app.quit", "q", "Quit", "A live run is left running or stopped, as you say",
           Group.APP, "app.leave", always, "Quit"),
)  # fmt: skip

BY_ID: dict[str, Action] = {action.id: action for action in ACTIONS}


def bindings() -> list[Binding]:
    """All actions as Textual bindings."""
    return [binding for action in ACTIONS for binding in action.bindings()]
