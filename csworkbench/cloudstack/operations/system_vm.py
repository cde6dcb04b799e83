# SPDX-License-Identifier: Apache-2.0
"""What the operations on system VMs share: events, and the wait for the agent (cloudstack-api.md 4.6, 5.2)."""

from csworkbench.cloudstack.client import Client
from csworkbench.cloudstack.targets import read_system_vms
from csworkbench.cloudstack.text import one_line
from csworkbench.model.cloud import SystemVm
from csworkbench.model.event import Level, Notice
from csworkbench.model.protocols import Journal, StepFailed

from .calling import wait_until

AGENT_LIMIT_S = 300.0
CONSOLE_PROXY = "consoleproxy"


def event_of(vm: SystemVm, verb: str) -> str:
    """The type of its events, e.g. `SSVM.REBOOT`."""
    return f"{'PROXY' if vm.kind == CONSOLE_PROXY else 'SSVM'}.{verb}"


def use_of(vm: SystemVm) -> str:
    """What does not work without it."""
    if vm.kind == CONSOLE_PROXY:
        return "Open consoles are cut, and none can be opened, until its agent is back; no VM's network is touched."
    return (
        "Downloads, uploads, template copies and snapshots that run fail, and none can start, until its agent is back; "
        "no VM's network is touched."
    )


def is_back(vm: SystemVm) -> bool:
    """Running with its agent Up; servers before 4.13.1 do not tell of agents."""
    return vm.state == "Running" and vm.agent_state in ("Up", "")


async def until_back(client: Client, journal: Journal, vm: SystemVm, limit_s: float = AGENT_LIMIT_S) -> None:
    """Wait for that very system VM. Raises StepFailed when its agent does not come."""

    async def back() -> bool:
        return any(is_back(now) for now in await read_system_vms(client, vm) if now.id == vm.id)

    if not await wait_until(client, back, limit_s):
        raise StepFailed(
            f"the agent of {one_line(vm.name, 40)} is not back after {limit_s:.0f} s: look at the system VM."
        )
    journal.write(Notice(Level.INFO, f"{one_line(vm.name, 40)} is Running and its agent is Up"))
