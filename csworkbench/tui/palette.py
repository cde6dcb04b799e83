# SPDX-License-Identifier: Apache-2.0
"""The command palette: the registry's actions, nothing else."""

from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from .actions import ACTIONS, Action

PALETTE = "app.palette"  # it does not offer itself


def offered(screen: object = None) -> list[Action]:
    """The actions that the palette offers: the screen's own registry where it has one, else the session's."""
    return [action for action in getattr(screen, "actions", ACTIONS) if action.id != PALETTE]


class ActionsProvider(Provider):
    """Offers actions by title and help; runs them as their key would."""

    async def discover(self) -> Hits:
        """All of them, before anything has been typed."""
        for action in offered(self.screen):
            yield DiscoveryHit(action.title, partial(self.screen.run_action, action.handler), help=_help(action))

    async def search(self, query: str) -> Hits:
        """Those that match."""
        matcher = self.matcher(query)
        for action in offered(self.screen):
            score = max(matcher.match(action.title), matcher.match(action.help) * 0.5)
            if score > 0:
                run = partial(self.screen.run_action, action.handler)
                yield Hit(score, matcher.highlight(action.title), run, help=_help(action))


def _help(action: Action) -> str:
    """The help with its key. `[` would be markup here."""
    key = action.shown_keys.split()[0]
    return action.help if "[" in key else f"{key} · {action.help}"
