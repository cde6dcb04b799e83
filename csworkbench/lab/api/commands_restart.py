# SPDX-License-Identifier: Apache-2.0
"""restartNetwork and restartVPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.registry import Arguments, Param, command
from csworkbench.lab.orchestrator import Restart

if TYPE_CHECKING:
    from csworkbench.lab.management import Management


@command(
    "restartNetwork",
    "Restarts the network; includes 1) restarting network elements - virtual routers, DHCP servers "
    "2) reapplying all public IPs 3) reapplying load balancing/port forwarding rules",
    Param("id", "uuid", required=True, entity="network"),
    Param("cleanup", "boolean", description="If cleanup old network elements"),
    Param("makeredundant", "boolean", since=(4, 11, 1)),
    Param("livepatch", "boolean", since=(4, 17)),
    is_async=True,
)
async def restart_network(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Accept the job; jobs of one network wait for each other."""
    network = server.find(server.networks, arguments["id"])
    restart = _restart(server, arguments, make_redundant=False)
    text = f"Restarting Network with ID: {network.id}" if server.profile.has(4, 11) else "Restarting network: 204"
    family = server.begin("NETWORK.RESTART", text, (network.id, "Network", network.name))

    async def work() -> dict[str, Any]:
        await server.orchestrator.restart_network(network, restart, family)
        return {"success": True}

    java = "org.apache.cloudstack.api.command.user.network.RestartNetworkCmd"
    return {"jobid": server.jobs.submit(java, ("Network", network.id), work, queue=f"network {network.id}").id}


@command(
    "restartVPC",
    "Restarts a VPC",
    Param("id", "uuid", required=True, entity="vpc"),
    Param("cleanup", "boolean", description="If cleanup old network elements"),
    Param("makeredundant", "boolean"),
    Param("livepatch", "boolean", since=(4, 17)),
    is_async=True,
)
async def restart_vpc(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Accept the job; jobs of one VPC wait for each other."""
    vpc = server.find(server.vpcs, arguments["id"])
    restart = _restart(server, arguments, make_redundant=not server.profile.has(4, 11, 1))
    text = f"restarting VPC. VPC Id: {vpc.id}" if server.profile.has(4, 11) else "restarting VPC. VPC Id: 2"
    family = server.begin("VPC.RESTART", text, (vpc.id, "Vpc", vpc.name))

    async def work() -> dict[str, Any]:
        await server.orchestrator.restart_vpc(vpc, restart, family)
        return {"success": True}

    java = "org.apache.cloudstack.api.command.user.vpc.RestartVPCCmd"
    return {"jobid": server.jobs.submit(java, ("Vpc", vpc.id), work, queue=f"vpc {vpc.id}").id}


def _restart(server: Management, arguments: Arguments, *, make_redundant: bool) -> Restart:
    """The flags with the release's defaults: before 4.11.1 they were true; `cleanup` wins over `livepatch`."""
    cleanup = bool(arguments.get("cleanup", server.profile.cleanup_default))
    redundant = bool(arguments.get("makeredundant", make_redundant))
    return Restart(cleanup, redundant, bool(arguments.get("livepatch", False)) and not cleanup)
