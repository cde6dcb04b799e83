# SPDX-License-Identifier: Apache-2.0
"""Lanes beyond one guest network: from tier to tier of a VPC, and to system VMs."""

from csworkbench.model.lane import Prober, Service

from .beyond_targets import SystemVm, SystemVmKind, Tier
from .draft import Draft

__all__ = ["SystemVm", "Tier", "system_vms", "tiers"]

# 3922 is the management server's way in, not the users'.
_FACES = {
    SystemVmKind.CONSOLE_PROXY: (Service.CONSOLE, (443, 80)),
    SystemVmKind.SECONDARY_STORAGE: (Service.STORAGE, (443, 80)),
}


def tiers(draft: Draft) -> None:
    """From a few tenants to a VM in each other tier: new connections. The router is between them."""
    for tier in draft.targets.tiers:
        for vantage in draft.flow_tenants:
            if vantage.name != tier.vm and draft.network_of(vantage).name != tier.name:
                draft.add(
                    Service.TIERS, Prober.CONNECT, vantage, tier.address, draft.intervals.connect,
                    port=tier.port, subject=f"{vantage.name} to {tier.name}", headline=True,
                )  # fmt: skip


def system_vms(draft: Draft) -> None:
    """From outside to what users reach: the first port is the headline."""
    outside = draft.outside
    for system_vm in draft.targets.system_vms:
        service, ports = _FACES[system_vm.kind]
        if outside is None:
            draft.leave_out(service, system_vm.name, "there is no outside vantage")
            continue
        for port in ports:
            draft.add(
                service, Prober.CONNECT, outside, system_vm.address, draft.intervals.connect,
                port=port, subject=system_vm.name, headline=port == ports[0],
            )  # fmt: skip
