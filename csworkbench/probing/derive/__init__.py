# SPDX-License-Identifier: Apache-2.0
"""Which lanes a target's VMs, rules and services give (`lanes: auto`); pure."""

from collections.abc import Sequence

from csworkbench.model.cloud import Inventory
from csworkbench.model.lane import Vantage
from csworkbench.model.scenario import Intervals

from .around import Able, Derived, Targets
from .balancer import balancer
from .beyond import SystemVm, Tier, system_vms, tiers
from .control import control
from .draft import Draft
from .egress import egress
from .gateway import gateway
from .ingress import ingress
from .ipv6 import ipv6
from .router_services import dhcp, dns, metadata, password

__all__ = ["Able", "Derived", "SystemVm", "Targets", "Tier", "derive_lanes"]

_GROUPS = (egress, gateway, ingress, dns, dhcp, metadata, password, balancer, ipv6, tiers, system_vms, control)
_BEYOND_GROUPS = (system_vms, control)  # a system VM has no network of tenants


def derive_lanes(
    inventory: Inventory,
    vantages: Sequence[Vantage],
    intervals: Intervals,
    egress_target: str,
    targets: Targets | None = None,
    able: Able | None = None,
) -> Derived:
    """The lanes for vantages that can be used, numbered from 0, and what is left out with the reason.

    `able`: which of the vantages have more than a shell; all of them by default.
    """
    draft = Draft(
        inventory, tuple(vantages), intervals, egress_target, targets or Targets(), able or Able.all(vantages)
    )
    for group in _BEYOND_GROUPS if inventory.systemvms else _GROUPS:
        group(draft)
    return draft.derived()
