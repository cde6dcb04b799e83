# SPDX-License-Identifier: Apache-2.0
"""The live patch of a secondary storage VM or a console proxy as a step of a run (cloudstack-api.md 4.6)."""

from typing import Self

from csworkbench.cloudstack.client import Client, Value
from csworkbench.cloudstack.errors import Unsupported
from csworkbench.cloudstack.jobs import JobResult
from csworkbench.cloudstack.text import one_line
from csworkbench.cloudstack.verify import Verified, same_release
from csworkbench.cloudstack.verify_systemvm import verify_patched_system_vm
from csworkbench.cloudstack.wording import target
from csworkbench.model.cloud import Inventory
from csworkbench.model.event import OperationPlanned
from csworkbench.model.operation import LivePatch
from csworkbench.model.protocols import Journal

from .calling import Change, carry_out, require
from .system_vm import until_back, use_of

COMMAND = "patchSystemVm"


class PatchSystemVm:
    """patchSystemVm. Without `forced` a VM that has the host's scripts already is left alone."""

    title = COMMAND

    def __init__(self, client: Client, inventory: Inventory, options: LivePatch) -> None:
        self.result: JobResult | None = None
        self._client, self._inventory, self._options = client, inventory, options
        self._vm = inventory.systemvms[0]
        params: dict[str, Value] = {"id": self._vm.id, "forced": options.forced}
        self._change = Change(COMMAND, params, "PatchSystemVMCmd", "LIVE.PATCH.SYSTEM.VM", self._vm.id, "the system VM")

    @classmethod
    async def prepare(cls, client: Client, inventory: Inventory, options: LivePatch) -> Self:
        """Changes nothing. Raises Unsupported."""
        capabilities = await client.capabilities()
        if capabilities.at_least(4, 17) is False:
            text = f"this server ({capabilities.version}) has no live patch; it came with CloudStack 4.17"
            raise Unsupported(COMMAND, text, hint="Use destroy_systemvm: CloudStack makes a new one.")
        require(capabilities, COMMAND)
        vm = inventory.systemvms[0]
        if vm.state != "Running":
            text = f"{one_line(vm.name, 40)} is {one_line(vm.state, 20)}, and only a running system VM is patched"
            raise Unsupported(COMMAND, text, hint="Use destroy_systemvm: CloudStack makes a new one.")
        return cls(client, inventory, options)

    def plan(self) -> OperationPlanned:
        """What confirmation is asked for."""
        vm, server = self._vm, self._inventory.server_version
        name = one_line(vm.name, 40)
        if not vm.version or not server:
            state = "Its version, or the server's, is not told."
        elif same_release(vm.version, server):
            state = f"{name} has the server's version {one_line(server, 30)} already."
        else:
            state = f"{name} has {one_line(vm.version, 30)}; the server has {one_line(server, 30)}."
        how = (
            "It is patched in any case." if self._options.forced else "It is left alone if its scripts are the host's."
        )
        return OperationPlanned(
            f"live patch {name}",
            target(self._inventory),
            f"{state} {how} Its agent and web server are restarted. {use_of(vm)}",
            (self._change.words,),
        )

    async def run(self, journal: Journal) -> None:
        """Raises StepFailed; success alone proves nothing."""
        self.result = await carry_out(self._client, journal, self._change, self._inventory)
        await until_back(self._client, journal, self._vm)

    def verify(self, before: Inventory, after: Inventory) -> Verified:
        """Whether its agent tells another version now."""
        return verify_patched_system_vm(before, after, self.result.text if self.result is not None else "")
