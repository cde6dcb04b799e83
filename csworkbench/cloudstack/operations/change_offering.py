# SPDX-License-Identifier: Apache-2.0
"""A network's change to another offering as a step of a run (cloudstack-api.md 3.7)."""

import difflib
from typing import Self

from csworkbench.cloudstack.client import Client, Value
from csworkbench.cloudstack.envelope import Row, string
from csworkbench.cloudstack.errors import BadTarget, Unsupported
from csworkbench.cloudstack.text import one_line
from csworkbench.cloudstack.verify import Verified, verify_offering
from csworkbench.cloudstack.wording import target
from csworkbench.model.cloud import Inventory
from csworkbench.model.event import OperationPlanned
from csworkbench.model.operation import ChangeOffering
from csworkbench.model.protocols import Journal

from .calling import Change, carry_out, require

COMMAND, OFFERINGS = "updateNetwork", "listNetworkOfferings"


class ChangeNetworkOffering:
    """updateNetwork with another networkofferingid."""

    title = COMMAND

    def __init__(self, client: Client, inventory: Inventory, offering: Row, params: dict[str, Value]) -> None:
        self._client, self._inventory, self._offering = client, inventory, offering
        self._params = params
        self._change = Change(COMMAND, params, "UpdateNetworkCmd", "NETWORK.UPDATE", inventory.network.id)

    @classmethod
    async def prepare(cls, client: Client, inventory: Inventory, options: ChangeOffering) -> Self:
        """Changes nothing. Raises Unsupported, or BadTarget for an offering that is not there or is there already."""
        capabilities = await client.capabilities()
        for command in (COMMAND, OFFERINGS):
            require(capabilities, command, "Use the key of the network's owner or an admin.")
        offering = await _find(client, options.offering)
        params: dict[str, Value] = {"id": inventory.network.id, "networkofferingid": string(offering.get("id"), 64)}
        if params["networkofferingid"] == inventory.network.offering_id:
            text = f"{one_line(inventory.name, 60)} has the offering {_name(offering)} already"
            raise BadTarget(COMMAND, text, hint="Name another offering.")
        if capabilities.has_param(COMMAND, "updateinsequence"):
            params["updateinsequence"] = options.in_sequence
        elif options.in_sequence:
            raise Unsupported(COMMAND, "this server has no updateinsequence", hint="Leave in_sequence out.")
        return cls(client, inventory, offering, params)

    def plan(self) -> OperationPlanned:
        """What confirmation is asked for."""
        old, new = one_line(self._inventory.network.offering, 60) or "its offering", _name(self._offering)
        names = " and ".join(one_line(router.name, 40) for router in self._inventory.routers) or "no router"
        if self._params.get("updateinsequence"):
            how = f"One router goes after the other ({names}); a pair hands over by VRRP, a gap of about 3 s."
        else:
            how = (
                f"The network is shut down and implemented anew: {names} can go before a new router is there. No "
                "service until it is up, and established connections are lost."
            )
        return OperationPlanned(
            f"change offering of {one_line(self._inventory.name, 60)}",
            target(self._inventory),
            f"{old} becomes {new}. {how}",
            (self._change.words,),
        )

    async def run(self, journal: Journal) -> None:
        """Raises StepFailed."""
        await carry_out(self._client, journal, self._change, self._inventory)

    def verify(self, before: Inventory, after: Inventory) -> Verified:
        """The network has the new offering, and the routers that go with it."""
        return verify_offering(before, after, string(self._offering.get("id"), 64))


async def _find(client: Client, name_or_id: str) -> Row:
    found = await client.list_all(OFFERINGS, "networkoffering")
    usable = [row for row in found if string(row.get("state")) in ("", "Enabled")]
    matches = [row for row in usable if name_or_id.strip() in (string(row.get("name")), string(row.get("id")))]
    if len(matches) == 1:
        return matches[0]
    if matches:
        hint = "Write the id in place of the name."
        raise BadTarget(OFFERINGS, f"{len(matches)} offerings are called {one_line(name_or_id, 60)}", hint=hint)
    names = sorted({string(row.get("name"), 100) for row in usable} - {""})
    near = difflib.get_close_matches(name_or_id, names, n=3, cutoff=0.4) or names[:5]
    hint = f"There are {', '.join(one_line(name, 60) for name in near)}." if near else "This key sees no offering."
    raise BadTarget(OFFERINGS, f"no enabled network offering is called {one_line(name_or_id, 60)}", hint=hint)


def _name(offering: Row) -> str:
    return one_line(offering.get("name"), 60)
