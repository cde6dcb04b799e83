# SPDX-License-Identifier: Apache-2.0
"""Destroying a system VM and waiting for CloudStack's scan to make a new one (cloudstack-api.md 4.6)."""

from typing import Self

from csworkbench.cloudstack.client import Client
from csworkbench.cloudstack.targets import read_system_vms
from csworkbench.cloudstack.text import one_line
from csworkbench.cloudstack.verify import Verified
from csworkbench.cloudstack.verify_systemvm import verify_recreated_system_vm
from csworkbench.cloudstack.wording import target
from csworkbench.model.cloud import Inventory
from csworkbench.model.event import Level, Notice, OperationPlanned
from csworkbench.model.operation import DestroySystemVm
from csworkbench.model.protocols import Journal, StepFailed

from .calling import Change, carry_out, require, wait_until
from .system_vm import event_of, is_back, use_of

COMMAND = "destroySystemVm"
RECREATE_LIMIT_S = 900.0


class DestroyOneSystemVm:
    """destroySystemVm; the one that replaces it has another id and name, and no job tells of it."""

    title = COMMAND

    def __init__(self, client: Client, inventory: Inventory) -> None:
        self._client, self._inventory, self._vm = client, inventory, inventory.systemvms[0]
        event = event_of(self._vm, "DESTROY")
        self._change = Change(
            COMMAND, {"id": self._vm.id}, "DestroySystemVmCmd", event, self._vm.id, "the zone's system VMs"
        )

    @classmethod
    async def prepare(cls, client: Client, inventory: Inventory, _options: DestroySystemVm) -> Self:
        """Changes nothing. Raises Unsupported."""
        require(await client.capabilities(), COMMAND)
        return cls(client, inventory)

    def plan(self) -> OperationPlanned:
        """What confirmation is asked for."""
        name = one_line(self._vm.name, 40)
        return OperationPlanned(
            f"destroy system VM {name}",
            target(self._inventory),
            f"{name} is expunged and cannot be brought back. CloudStack's scan (every 30 s) makes a new one with "
            "another name and maybe another address, if the zone has a ready system VM template and room. "
            f"{use_of(self._vm)}",
            (self._change.words,),
            destructive=True,
            target_name=self._vm.name,
        )

    async def run(self, journal: Journal) -> None:
        """Raises StepFailed when none has come up after 15 minutes."""
        await carry_out(self._client, journal, self._change, self._inventory)
        seen: set[str] = set()

        async def replaced() -> bool:
            new = [vm for vm in await read_system_vms(self._client, self._vm) if vm.id != self._vm.id]
            for vm in new:
                if vm.id not in seen:
                    seen.add(vm.id)
                    journal.write(Notice(Level.INFO, f"CloudStack makes {one_line(vm.name, 40)} in its place"))
            return any(is_back(vm) for vm in new)

        if not await wait_until(self._client, replaced, RECREATE_LIMIT_S):
            raise StepFailed(
                f"no system VM replaces {one_line(self._vm.name, 40)} after {RECREATE_LIMIT_S:.0f} s: look at the "
                "zone's alerts, its capacity and its system VM template."
            )

    def verify(self, before: Inventory, after: Inventory) -> Verified:
        """Another one of its kind, Running with its agent Up."""
        return verify_recreated_system_vm(before, after)
