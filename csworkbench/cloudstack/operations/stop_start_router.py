# SPDX-License-Identifier: Apache-2.0
"""Stop and start of one router as a step of a run (cloudstack-api.md 3.7, 4.7)."""

from typing import Self

from csworkbench.cloudstack.client import Client
from csworkbench.cloudstack.text import one_line
from csworkbench.cloudstack.verify import Verified, verify_same_router
from csworkbench.cloudstack.wording import router as router_words
from csworkbench.model.cloud import Inventory, Router
from csworkbench.model.event import OperationPlanned
from csworkbench.model.operation import StopStartRouter
from csworkbench.model.protocols import Journal

from .calling import Change, carry_out, require
from .one_router import chosen_router, without_it

STOP, START = "stopRouter", "startRouter"


class StopAndStartRouter:
    """stopRouter, then startRouter; one that is stopped already is only started."""

    title = "stopRouter, startRouter"

    def __init__(self, client: Client, inventory: Inventory, router: Router, options: StopStartRouter) -> None:
        self._client, self._inventory, self._router, self._options = client, inventory, router, options
        stop = Change(
            STOP, {"id": router.id, "forced": options.forced}, "StopRouterCmd", "ROUTER.STOP", router.id, "the router"
        )
        start = Change(START, {"id": router.id}, "StartRouterCmd", "ROUTER.START", router.id, "the router")
        self._changes = (start,) if router.state == "Stopped" else (stop, start)

    @classmethod
    async def prepare(cls, client: Client, inventory: Inventory, options: StopStartRouter) -> Self:
        """Changes nothing. Raises Unsupported or BadTarget."""
        capabilities = await client.capabilities()
        for command in (STOP, START):
            require(capabilities, command)
        return cls(client, inventory, chosen_router(STOP, inventory), options)

    def plan(self) -> OperationPlanned:
        """What confirmation is asked for."""
        name = one_line(self._router.name, 40)
        away = without_it(self._inventory, self._router, "until it has been started and all rules are back")
        how = "powered off" if self._options.forced else "shut down (powered off if that takes over two minutes)"
        first = f"{name} is {how}, then started." if len(self._changes) > 1 else f"{name} is stopped: it is started."
        return OperationPlanned(
            f"stop and start router {name}",
            router_words(self._inventory, self._router),
            f"{first} {away} It gets a new disk if another system VM template is registered.",
            tuple(change.words for change in self._changes),
        )

    async def run(self, journal: Journal) -> None:
        """Raises StepFailed; when the stop fails nothing is started."""
        for change in self._changes:
            await carry_out(self._client, journal, change, self._inventory)

    def verify(self, before: Inventory, after: Inventory) -> Verified:
        """The same router, running, with all its rules."""
        return verify_same_router(before, after, self._router.id)
