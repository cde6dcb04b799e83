# SPDX-License-Identifier: Apache-2.0
"""The reboot of a secondary storage VM or a console proxy as a step of a run (cloudstack-api.md 4.6)."""

from typing import Self

from csworkbench.cloudstack.client import Client, Value
from csworkbench.cloudstack.errors import Unsupported
from csworkbench.cloudstack.text import one_line
from csworkbench.cloudstack.verify import Verified
from csworkbench.cloudstack.verify_systemvm import verify_same_system_vm
from csworkbench.cloudstack.wording import target
from csworkbench.model.cloud import Inventory
from csworkbench.model.event import OperationPlanned
from csworkbench.model.operation import RebootSystemVm
from csworkbench.model.protocols import Journal

from .calling import Change, carry_out, require
from .system_vm import event_of, until_back, use_of

COMMAND = "rebootSystemVm"


class RebootOneSystemVm:
    """rebootSystemVm: same disk, so nothing is upgraded."""

    title = COMMAND

    def __init__(self, client: Client, inventory: Inventory, params: dict[str, Value], *, forced: bool) -> None:
        self._client, self._inventory, self._vm, self._forced = client, inventory, inventory.systemvms[0], forced
        event = event_of(self._vm, "REBOOT")
        self._change = Change(COMMAND, params, "RebootSystemVmCmd", event, self._vm.id, "the system VM")

    @classmethod
    async def prepare(cls, client: Client, inventory: Inventory, options: RebootSystemVm) -> Self:
        """Changes nothing. Raises Unsupported."""
        capabilities = await client.capabilities()
        require(capabilities, COMMAND)
        params: dict[str, Value] = {"id": inventory.systemvms[0].id}
        if capabilities.has_param(COMMAND, "forced"):
            params["forced"] = options.forced
        elif options.forced:
            raise Unsupported(COMMAND, "this server has no forced; it came with CloudStack 4.16", hint="Leave it out.")
        return cls(client, inventory, params, forced=options.forced)

    def plan(self) -> OperationPlanned:
        """What confirmation is asked for."""
        name = one_line(self._vm.name, 40)
        how = "is stopped and started" if self._forced else "is rebooted with the disk that it has"
        return OperationPlanned(
            f"reboot system VM {name}",
            target(self._inventory),
            f"{name} {how}. {use_of(self._vm)}",
            (self._change.words,),
        )

    async def run(self, journal: Journal) -> None:
        """Raises StepFailed."""
        await carry_out(self._client, journal, self._change, self._inventory)
        await until_back(self._client, journal, self._vm)

    def verify(self, before: Inventory, after: Inventory) -> Verified:
        """The same VM, Running with its agent Up."""
        return verify_same_system_vm(before, after)
