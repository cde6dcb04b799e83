# SPDX-License-Identifier: Apache-2.0
"""The command palette: the registry's actions, nothing else."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from .actions import ACTIONS, Action
from .layout import known

PALETTE = "app.palette"  # it does not offer itself


class HasLayouts(Protocol):
    """The app, as the palette needs it."""

    async def use_layout(self, name: str) -> None:
        """Show the run in another layout."""
        ...


def offered(screen: object = None) -> list[Action]:
    """The actions that the palette offers: the screen's own registry where it has one, else the session's."""
    every = getattr(screen, "actions", ACTIONS)
    return [action for action in every if action.id != PALETTE and not action.by_key]


class ActionsProvider(Provider):
    """Offers actions by title and help; runs them as their key would."""

    async def discover(self) -> Hits:
        """All of them, before anything has been typed."""
        for action in offered(self.screen):
            yield DiscoveryHit(action.title, partial(self.screen.run_action, action.handler), help=_help(action))
        for name in known():
            yield DiscoveryHit(f"Layout {name}", self._layout(name), help="The same run in other panels")

    async def search(self, query: str) -> Hits:
        """Those that match."""
        matcher = self.matcher(query)
        for action in offered(self.screen):
            score = max(matcher.match(action.title), matcher.match(action.help) * 0.5)
            if score > 0:
                run = partial(self.screen.run_action, action.handler)
                yield Hit(score, matcher.highlight(action.title), run, help=_help(action))
        for name in known():
            score = matcher.match(f"Layout {name}")
            if score > 0:
                yield Hit(score, matcher.highlight(f"Layout {name}"), self._layout(name))

    def _layout(self, name: str) -> Callable[[], Awaitable[None]]:
        """Shows a layout."""
        return partial(cast("HasLayouts", self.app).use_layout, name)


def _help(action: Action) -> str:
    """The help with its key. `[` would be markup here."""
    key = action.shown_keys.split()[0]
    return action.help if "[" in key else f"{key} · {action.help}"
