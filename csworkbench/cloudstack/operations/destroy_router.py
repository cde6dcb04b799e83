# SPDX-License-Identifier: Apache-2.0
"""Destroying a router, and having CloudStack build another one, as a step of a run (cloudstack-api.md 4.2, 4.3, 9)."""

from typing import Self

from csworkbench.cloudstack.client import Client
from csworkbench.cloudstack.text import one_line
from csworkbench.cloudstack.verify import Verified, verify_destroyed
from csworkbench.cloudstack.wording import router as router_words
from csworkbench.model.cloud import Inventory, Router
from csworkbench.model.event import OperationPlanned
from csworkbench.model.operation import DestroyRouter
from csworkbench.model.protocols import Journal
from csworkbench.model.scenario import Restart

from .calling import Change, carry_out, require
from .one_router import chosen_router, without_it
from .restart_network import RestartNetwork
from .restart_vpc import RestartVpc

COMMAND = "destroyRouter"


class DestroyOneRouter:
    """destroyRouter, and with `rebuild` a restart of its network or VPC: destroyRouter itself builds nothing."""

    title = COMMAND

    def __init__(self, client: Client, inventory: Inventory, router: Router, rebuild: RestartNetwork | None) -> None:
        self._client, self._inventory, self._router, self._rebuild = client, inventory, router, rebuild
        self._change = Change(
            COMMAND, {"id": router.id}, "DestroyRouterCmd", "ROUTER.DESTROY", router.id, "the network's routers"
        )

    @classmethod
    async def prepare(cls, client: Client, inventory: Inventory, options: DestroyRouter) -> Self:
        """Changes nothing. Raises Unsupported or BadTarget."""
        require(await client.capabilities(), COMMAND)
        router = chosen_router(COMMAND, inventory)
        others = [other for other in inventory.routers if other.id != router.id]
        # cleanup=false builds what is missing, but it is refused while another router requires an upgrade, and
        # the documentation warns that an only router does not come back by it.
        cleanup = not others or any(other.requires_upgrade for other in others)
        kind = RestartNetwork if inventory.vpc is None and not inventory.network.vpc_id else RestartVpc
        rebuild = await kind.prepare(client, inventory, Restart(cleanup=cleanup)) if options.rebuild else None
        return cls(client, inventory, router, rebuild)

    def plan(self) -> OperationPlanned:
        """What confirmation is asked for."""
        name = one_line(self._router.name, 40)
        if self._rebuild is None:
            until = "until the network is restarted or another VM is deployed in it: nothing here builds a new one"
        else:
            until = f"until {self._rebuild.title} has built a new one"
        calls = (self._change.words, *((self._rebuild.change.words,) if self._rebuild else ()))
        return OperationPlanned(
            f"destroy router {name}",
            router_words(self._inventory, self._router),
            f"{name} is powered off and expunged; it cannot be brought back. "
            f"{without_it(self._inventory, self._router, until)}",
            calls,
            destructive=True,
            target_name=self._router.name,
        )

    async def run(self, journal: Journal) -> None:
        """Raises StepFailed; when the destroy fails nothing is restarted."""
        await carry_out(self._client, journal, self._change, self._inventory)
        if self._rebuild is not None:
            await self._rebuild.run(journal)

    def verify(self, before: Inventory, after: Inventory) -> Verified:
        """This router gone, and another one in its place if one was to be built."""
        return verify_destroyed(before, after, self._router.id, rebuilt=self._rebuild is not None)
