# SPDX-License-Identifier: Apache-2.0
"""From what a scenario says to the step that does it."""

from csworkbench.cloudstack.client import Client
from csworkbench.model import operation as model
from csworkbench.model.cloud import Inventory

from .change_offering import ChangeNetworkOffering
from .destroy_router import DestroyOneRouter
from .destroy_systemvm import DestroyOneSystemVm
from .live_patch import LivePatchRouters
from .patch_systemvm import PatchSystemVm
from .planned_step import PlannedStep
from .reboot_router import RebootOneRouter
from .reboot_systemvm import RebootOneSystemVm
from .restart_network import RestartNetwork
from .restart_vpc import RestartVpc
from .stop_start_router import StopAndStartRouter


async def prepare_operation(  # noqa: PLR0911 - one for each operation
    client: Client, inventory: Inventory, chosen: model.AnyOperation
) -> PlannedStep:
    """Ask the server what it can do; changes nothing. Raises Unsupported, BadTarget or another CloudStackError."""
    match chosen:
        case model.Restart():
            kind = RestartNetwork if inventory.vpc is None else RestartVpc
            return await kind.prepare(client, inventory, chosen)
        case model.LivePatch():
            patch = PatchSystemVm if inventory.systemvms else LivePatchRouters
            return await patch.prepare(client, inventory, chosen)
        case model.RebootRouter():
            return await RebootOneRouter.prepare(client, inventory, chosen)
        case model.StopStartRouter():
            return await StopAndStartRouter.prepare(client, inventory, chosen)
        case model.DestroyRouter():
            return await DestroyOneRouter.prepare(client, inventory, chosen)
        case model.RebootSystemVm():
            return await RebootOneSystemVm.prepare(client, inventory, chosen)
        case model.DestroySystemVm():
            return await DestroyOneSystemVm.prepare(client, inventory, chosen)
        case model.ChangeOffering():
            return await ChangeNetworkOffering.prepare(client, inventory, chosen)
