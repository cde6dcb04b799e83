# SPDX-License-Identifier: Apache-2.0
"""The reboot of one router as a step of a run: stop, then start with all rules anew (cloudstack-api.md 4.7, 4.8)."""

from typing import Self

from csworkbench.cloudstack.client import Client, Value
from csworkbench.cloudstack.errors import Unsupported
from csworkbench.cloudstack.text import one_line
from csworkbench.cloudstack.verify import Verified, verify_same_router
from csworkbench.cloudstack.wording import router as router_words
from csworkbench.model.cloud import Inventory, Router
from csworkbench.model.event import OperationPlanned
from csworkbench.model.operation import RebootRouter
from csworkbench.model.protocols import Journal

from .calling import Change, carry_out, require
from .one_router import chosen_router, without_it

COMMAND = "rebootRouter"


class RebootOneRouter:
    """rebootRouter."""

    title = COMMAND

    def __init__(self, client: Client, inventory: Inventory, router: Router, params: dict[str, Value]) -> None:
        self._client, self._inventory, self._router = client, inventory, router
        self._change = Change(COMMAND, params, "RebootRouterCmd", "ROUTER.REBOOT", router.id, "the router")

    @classmethod
    async def prepare(cls, client: Client, inventory: Inventory, options: RebootRouter) -> Self:
        """Changes nothing. Raises Unsupported or BadTarget."""
        capabilities = await client.capabilities()
        require(capabilities, COMMAND)
        router = chosen_router(COMMAND, inventory)
        if router.state != "Running":
            text = f"{one_line(router.name, 40)} is {one_line(router.state, 20)}, and only a running router is rebooted"
            raise Unsupported(COMMAND, text, hint="Use stop_start_router: it starts a stopped one.")
        params: dict[str, Value] = {"id": router.id}
        if capabilities.has_param(COMMAND, "forced"):
            params["forced"] = options.forced
        elif options.forced:
            raise Unsupported(COMMAND, "this server has no forced; it came with CloudStack 4.16", hint="Leave it out.")
        return cls(client, inventory, router, params)

    def plan(self) -> OperationPlanned:
        """What confirmation is asked for."""
        name = one_line(self._router.name, 40)
        disk = "It gets a new disk if another system VM template is registered."
        away = without_it(self._inventory, self._router, "until it has booted and all rules are back")
        return OperationPlanned(
            f"reboot router {name}",
            router_words(self._inventory, self._router),
            f"{name} is stopped and started anew, and all its rules are applied. {away} {disk}",
            (self._change.words,),
        )

    async def run(self, journal: Journal) -> None:
        """Raises StepFailed."""
        await carry_out(self._client, journal, self._change, self._inventory)

    def verify(self, before: Inventory, after: Inventory) -> Verified:
        """The same router, running, with all its rules."""
        return verify_same_router(before, after, self._router.id)
