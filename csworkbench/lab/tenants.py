# SPDX-License-Identifier: Apache-2.0
"""The tenants' machines: started with the cloud or by a command, each with its SSH server and its small web page."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable

from csworkbench.lab import records, tenant_kinds
from csworkbench.lab.fabric import Daemon, Fabric, Port
from csworkbench.lab.hosts import SYSTEM_PATH, Host
from csworkbench.lab.plan import SSH_PORT
from csworkbench.lab.records import ForwardingRule, Network, Vm
from csworkbench.lab.state import StateDirectory
from csworkbench.lab.tenant import SshKeys


class Tenants:
    """Machines behind the VMs of these networks. Raises LabError."""

    def __init__(
        self, fabric: Fabric, networks: list[Network], state: StateDirectory, next_number: Callable[[], int]
    ) -> None:
        self._fabric, self._networks, self._state = fabric, networks, state
        self.next_number = next_number
        self._machines: dict[str, tuple[Host, Port]] = {}
        self._servers: dict[str, Daemon] = {}
        self._making_keys = asyncio.Lock()
        self._sshd = shutil.which("sshd", path=SYSTEM_PATH) or "sshd"

    async def keys(self) -> dict[str, SshKeys]:
        """Everybody's keys, made where missing; known_hosts has them by public address, else by the guest's own."""
        public = {rule.vm.name: _known_as(rule) for network in self._networks for rule in network.forwarding}
        vms = (vm for network in self._networks for vm in network.vms)
        async with self._making_keys:
            return await self._state.ssh_keys({vm.name: public.get(vm.name, vm.address) for vm in vms})

    def is_taken(self, name: str) -> bool:
        """Whether a host of that name runs: a machine, or one of the lab's own."""
        return name in self._fabric.hosts or any(vm.name == name for network in self._networks for vm in network.vms)

    async def connect(self, network: Network) -> None:
        """A switch for a network that is being implemented."""
        await self._fabric.switches(network.bridge)

    async def disconnect(self, network: Network) -> None:
        """Take its switch away."""
        await self._fabric.remove_switch(network.bridge)

    async def start(self, vm: Vm, keys: SshKeys | None = None) -> None:
        """Power on; returns when it listens."""
        if keys is None:
            keys = (await self.keys())[vm.name]
        extra = "".join(f"{pair.public_key}\n" for pair in vm.key_pairs)
        keys = SshKeys(keys.host_key, keys.authorized + extra)
        host, _port = self._machines[vm.id] = await self._fabric.tenant(vm, keys)
        self._servers[vm.id], _ = await asyncio.gather(self._serve(vm, host), self._fabric.website(host))
        vm.state = records.RUNNING

    async def destroy(self, vm: Vm) -> None:
        """Power off and remove; nothing when it is off."""
        machine = self._machines.pop(vm.id, None)
        self._servers.pop(vm.id, None)
        if machine is not None:
            host, port = machine
            await self._fabric.remove(host, [port])

    async def serve_ssh(self, vm: Vm, *, on: bool) -> None:
        """Stop or start its SSH server."""
        server = self._servers[vm.id]
        if not on:
            await server.running.kill()
            await server.running.ended()
        elif server.running.exited.done():
            self._servers[vm.id] = await self._serve(vm, self._machines[vm.id][0])

    async def _serve(self, vm: Vm, host: Host) -> Daemon:
        return await self._fabric.sshd(host, *tenant_kinds.login(vm.kind).before_sshd, self._sshd)


def _known_as(rule: ForwardingRule) -> str:
    """The name in known_hosts of what a forwarded port leads to."""
    return rule.ip.address if rule.public_port == SSH_PORT else f"[{rule.ip.address}]:{rule.public_port}"
