# SPDX-License-Identifier: Apache-2.0
"""What diagnostics look into: a router, or a system VM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csworkbench.lab.api.errors import PARAMETER, ApiError
from csworkbench.lab.hosts import Host
from csworkbench.lab.records import Router
from csworkbench.lab.systemvm_machine import SystemVm

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

EVENT = "SYSTEM.VM.DIAGNOSTICS"
"""The type of all its events but the Scheduled one."""


@dataclass(frozen=True, slots=True)
class Target:
    """One of them; `scheduled` is the type of the first event, `host` raises LabError when it is off."""

    vm: Router | SystemVm
    scheduled: str
    resource: tuple[str, str, str]
    host: Callable[[], Host]

    @property
    def running(self) -> bool:
        """Whether it is on a host."""
        return self.vm.state == "Running"


def target(server: Management, identity: str) -> Target:
    """Raises ApiError 431 when neither has that id."""
    vms = server.system_vms
    vm = None if vms is None else vms.find(identity)
    if vms is not None and vm is not None:
        resource = (vm.id, "SystemVm", vm.name)
        return Target(vm, f"{vm.kind.events}.DIAGNOSTICS", resource, lambda: vms.machine(vm).host)
    router = next((router for router in server.routers if router.id == identity), None)
    if router is None:
        raise ApiError(PARAMETER, f"Unable to find a system vm with id {identity}")
    resource = (router.id, "DomainRouter", router.name)
    return Target(router, "ROUTER.DIAGNOSTICS", resource, lambda: server.orchestrator.machine(router).host)
