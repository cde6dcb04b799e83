# SPDX-License-Identifier: Apache-2.0
"""The restart of a network as a step of a run (cloudstack-api.md 3.7, 4.1 to 4.3)."""

from typing import ClassVar, Self

from csworkbench.cloudstack.client import Client
from csworkbench.cloudstack.discovery import Capabilities
from csworkbench.cloudstack.envelope import flag, rows
from csworkbench.cloudstack.errors import CloudStackError, Unsupported
from csworkbench.cloudstack.jobs import JobResult
from csworkbench.cloudstack.plan import COMMAND, ServerManner, manner, planned, restart_params
from csworkbench.cloudstack.verify import Verified, verify_live_patch, verify_restart
from csworkbench.model.cloud import Inventory
from csworkbench.model.event import OperationPlanned
from csworkbench.model.protocols import Journal
from csworkbench.model.scenario import Restart

from .calling import Change, carry_out, require

ROLLING = "network.rolling.restart"
SINCE = {"makeredundant": "4.11.1", "livepatch": "4.17"}


class RestartNetwork:
    """restartNetwork on one network: `prepare`, show `plan()`, `run(journal)`, then `verify` on a new inventory."""

    command: ClassVar[str] = COMMAND
    java: ClassVar[str] = "RestartNetworkCmd"
    event: ClassVar[str] = "NETWORK.RESTART"

    def __init__(
        self,
        client: Client,
        inventory: Inventory,
        restart: Restart,
        *,
        capabilities: Capabilities,
        how: ServerManner,
    ) -> None:
        self.result: JobResult | None = None
        self._client = client
        self._inventory = inventory
        self._restart = restart
        self._how = how
        self._params = restart_params(capabilities, self.instance(inventory), restart, self.command)

    @classmethod
    async def prepare(cls, client: Client, inventory: Inventory, restart: Restart) -> Self:
        """Ask the server what it knows; changes nothing. Raises Unsupported or another CloudStackError."""
        capabilities = await client.capabilities()
        require(capabilities, cls.command, "Use the key of the network's owner or an admin.")
        for name, since in SINCE.items():
            if getattr(restart, name) and not capabilities.has_param(cls.command, name):
                version = capabilities.version or "of a hidden version"
                text = f"this server ({version}) has no {name}; it came with CloudStack {since}"
                raise Unsupported(cls.command, text, hint="Leave it out, or restart with cleanup.")
        how = manner(capabilities, await _rolling_setting(client, capabilities), cls.is_tier(inventory))
        return cls(client, inventory, restart, capabilities=capabilities, how=how)

    @staticmethod
    def instance(inventory: Inventory) -> str:
        """The id that the call names."""
        return inventory.network.id

    @staticmethod
    def is_tier(inventory: Inventory) -> bool:
        """Whether what the call names is a tier of a VPC."""
        return bool(inventory.network.vpc_id)

    @property
    def title(self) -> str:
        """Short name for the timeline and the log."""
        more = "".join(f" {name}=true" for name in SINCE if getattr(self._restart, name))
        return f"{self.command} cleanup={str(self._restart.cleanup).lower()}{more}"

    @property
    def change(self) -> Change:
        """The call."""
        return Change(self.command, self._params, self.java, self.event, self.instance(self._inventory))

    def plan(self) -> OperationPlanned:
        """What confirmation is asked for."""
        return planned(self._inventory, self._restart, self._params, self._how, self.command)

    def verify(self, before: Inventory, after: Inventory) -> Verified:
        """Whether the routers are now what the restart should have made of them."""
        if self._restart.livepatch:
            return verify_live_patch(before, after)
        return verify_restart(before, after, self._restart)

    async def run(self, journal: Journal) -> None:
        """Restart, follow the job to its end, and write the operation's events. Raises StepFailed."""
        self.result = await carry_out(self._client, journal, self.change, self._inventory)


async def _rolling_setting(client: Client, capabilities: Capabilities) -> bool | None:
    if not capabilities.has("listConfigurations"):
        return None
    try:
        found = rows(await client.call("listConfigurations", name=ROLLING), "configuration")
    except CloudStackError:
        return None
    return next((flag(row.get("value")) for row in found if row.get("name") == ROLLING), None)
