# SPDX-License-Identifier: Apache-2.0
"""Keys of one's own, by the ids of actions: checked against the registry, so that no key does two things."""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches

from .actions import ACTIONS, BY_ID, SHOWN, Action

_NAMES = {shown: name for name, shown in SHOWN.items() if len(shown) == 1}
LONGEST = 40


class KeymapError(ValueError):
    """A keymap cannot be used. `action` is the id in question; the message names it and says what is wrong."""

    def __init__(self, action: str, text: str) -> None:
        super().__init__(text)
        self.action = action


def remapped(keys: Mapping[str, str]) -> tuple[Action, ...]:
    """The registry with these keys in place of its own: `{"time.zoom_in": "i"}`, several with commas.

    Raises KeymapError for ids that are not there, keys that are none, and a key that two actions would have.
    """
    changed: dict[str, str] = {}
    for asked, wish in keys.items():
        if asked not in BY_ID:
            near = get_close_matches(asked, BY_ID, n=1)
            raise KeymapError(asked, f"unknown action {asked!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        if BY_ID[asked].by_key:
            raise KeymapError(asked, f"the keys of {asked} stay as they are")
        changed[asked] = ",".join(_name(asked, key) for key in _split(wish))
    actions = tuple(replace(a, keys=changed.get(a.id, a.keys)) for a in ACTIONS)
    owners: dict[str, str] = {}
    for action in actions:
        for key in action.keys.split(","):
            other = owners.setdefault(key, action.id)
            if other != action.id:
                first, second = (action.id, other) if action.id in changed else (other, action.id)
                raise KeymapError(first, f"{first}: key {SHOWN.get(key, key)!r} is that of {second}; give that another")
    return actions


def _split(wish: str) -> list[str]:
    return [part.strip() for part in wish.split(",")] if wish != "," else [","]


def _name(action: str, key: str) -> str:
    """A key's name as Textual has it."""
    name = _NAMES.get(key, key)
    if not name or len(name) > LONGEST or not all(c.isalnum() or c in "+_" for c in name):
        raise KeymapError(action, f"{action}: {key!r} is no key; write i, ctrl+x, f5 or left")
    return name
