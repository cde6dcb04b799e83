# SPDX-License-Identifier: Apache-2.0
"""What the scenario says about targets, completed by the test cloud, which knows its own, and by the inventory."""

from collections.abc import Iterator

from csworkbench.model.cloud import Inventory
from csworkbench.model.lane import Service
from csworkbench.model.scenario import Scenario
from csworkbench.probing.derive import SystemVm, Targets, Tier
from csworkbench.probing.derive.beyond_targets import SystemVmKind

from .lab_cloud import LabCloud


def targets_of(scenario: Scenario, lab: LabCloud | None, inventory: Inventory) -> Targets:
    """The targets of a run beside `egress_target`."""
    outside = scenario.vantages.outside
    # In the test cloud what tenants ping is the outside host itself.
    own = lab.egress_target if lab is not None and outside is not None and not outside.exec else ""
    return Targets(
        egress6=scenario.egress_target6 or (lab.egress_target6 if lab is not None else ""),
        outside=(outside.address if outside is not None else "") or own,
        outside_port=outside.port if outside is not None else 0,
        outside_control=outside.control if outside is not None else "",
        dns_name=scenario.dns_name,
        services=None if isinstance(scenario.lanes, str) else frozenset(Service(name) for name in scenario.lanes),
        tiers=tuple(_tiers(inventory)),
        system_vms=tuple(_system_vms(inventory)),
    )


def _tiers(inventory: Inventory) -> Iterator[Tier]:
    """The first running VM of each tier of a VPC, where there is more than one."""
    for tier in inventory.tiers if len(inventory.tiers) > 1 else ():
        within = (vm for vm in inventory.vms if vm.ip and inventory.network_of(vm.ip) == tier)
        vm = next((vm for vm in within if vm.state == "Running"), None)
        if vm is not None:
            yield Tier(tier.name, vm.name, vm.ip)


def _system_vms(inventory: Inventory) -> Iterator[SystemVm]:
    """Those with a public address and a face that users see."""
    kinds = {str(kind): kind for kind in SystemVmKind}
    for vm in inventory.systemvms:
        if vm.public_ip and vm.kind in kinds:
            yield SystemVm(kinds[vm.kind], vm.name, vm.public_ip)
