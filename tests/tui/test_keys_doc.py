# SPDX-License-Identifier: Apache-2.0
"""docs/keys.md says what the registry of actions says. `python -m tests.tui.test_keys_doc` writes it anew."""

from pathlib import Path

from csworkbench.tui.actions import ACTIONS, Action, Group
from csworkbench.tui.campaign_actions import CAMPAIGN_ACTIONS
from csworkbench.tui.diagnostics_actions import DIAGNOSTICS_ACTIONS
from csworkbench.tui.home_actions import CHOOSE_ACTIONS, HOME_CLOUD_ACTIONS
from csworkbench.tui.plan_actions import PLAN_ACTIONS
from csworkbench.tui.run_actions import COMPARISON_ACTIONS, RESULT_ACTIONS, RUN_ACTIONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "keys.md"
HEAD = """\
# Keys

All actions of the workbench. The command palette (`Ctrl+P`) finds them by name, `?` shows them on the screen.

Keys of your own stand in `config.yaml` by the action's id, several with commas:

```yaml
keys:
  time.zoom_in: i
  time.zoom_out: o, minus
  outage.list: f5
```

An id that is not there, and a key that two actions would have, are errors when the workbench starts. The keys of the
other screens (clouds, plan, run library, result, comparison, campaign, diagnostics) stay as they are.
"""
SCREENS: tuple[tuple[str, tuple[Action, ...]], ...] = (
    ("The list of clouds (`csworkbench` without a command)", CHOOSE_ACTIONS),
    ("The cloud", HOME_CLOUD_ACTIONS),
    ("The plan of a run", PLAN_ACTIONS),
    ("Diagnostics", DIAGNOSTICS_ACTIONS),
    ("The run library", RUN_ACTIONS),
    ("A run's result", RESULT_ACTIONS),
    ("A comparison", COMPARISON_ACTIONS),
    ("A campaign", CAMPAIGN_ACTIONS),
)


def page() -> str:
    """The page from the registry."""
    parts = [HEAD]
    for group in Group:
        parts.append(_table(group.value, tuple(a for a in ACTIONS if a.group is group)))
    parts += [_table(title, actions) for title, actions in SCREENS]
    return "\n".join(parts)


def _table(title: str, actions: tuple[Action, ...]) -> str:
    rows = [f"| {_keys(a.shown_keys)} | {a.title} | {a.help} | `{a.id}` |" for a in actions]
    return "\n".join([f"## {title}", "", "| Key | Does | More | Id |", "|---|---|---|---|", *rows]) + "\n"


def _keys(shown: str) -> str:
    return " ".join(f"`{key}`" if key != "to" else key for key in shown.split())


def test_the_page_is_that_of_the_registry() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m tests.tui.test_keys_doc"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
