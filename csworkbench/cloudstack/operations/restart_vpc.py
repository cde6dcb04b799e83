# SPDX-License-Identifier: Apache-2.0
"""The restart of a VPC as a step of a run (cloudstack-api.md 3.7, 4.5)."""

from typing import ClassVar

from csworkbench.model.cloud import Inventory

from .restart_network import RestartNetwork


class RestartVpc(RestartNetwork):
    """restartVPC: the routers of all tiers at once."""

    command: ClassVar[str] = "restartVPC"
    java: ClassVar[str] = "RestartVPCCmd"
    event: ClassVar[str] = "VPC.RESTART"

    @staticmethod
    def instance(inventory: Inventory) -> str:
        """The VPC's id, also of one of its tiers."""
        return inventory.vpc.id if inventory.vpc is not None else inventory.network.vpc_id

    @staticmethod
    def is_tier(inventory: Inventory) -> bool:
        """A VPC is none."""
        return False
