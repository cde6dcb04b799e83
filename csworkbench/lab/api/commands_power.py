# SPDX-License-Identifier: Apache-2.0
"""What is done to one router: reboot, stop, start, destroy, and the reboot of all outdated ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.commands_routers import router_row
from csworkbench.lab.api.errors import INTERNAL, PARAMETER, ApiError
from csworkbench.lab.api.registry import Arguments, Param, command
from csworkbench.lab.events import EventFamily
from csworkbench.lab.jobs import Job
from csworkbench.lab.records import Router

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_ID = Param("id", "uuid", required=True, entity="router")
_JAVA = "org.apache.cloudstack.api.command.admin.router"
_SCOPES = ("id", "clusterid", "podid", "zoneid", "domainid")


@command("rebootRouter", "Starts a router.", _ID, Param("forced", "boolean", since=(4, 16)), is_async=True)
async def reboot_router(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Stop and start with full reprogramming."""
    router = server.router(arguments["id"])
    family = _scheduled(server, router, "ROUTER.REBOOT", "rebooting router: ")
    return {"jobid": _reboot(server, router, family, forced=bool(arguments.get("forced", False))).id}


@command("stopRouter", "Stops a router.", _ID, Param("forced", "boolean"), is_async=True)
async def stop_router(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Power off (`forced`) or an orderly end."""
    router, forced = server.router(arguments["id"]), bool(arguments.get("forced", False))
    family = _scheduled(server, router, "ROUTER.STOP", "stopping router: ")
    return _submit(
        server, router, "StopRouterCmd", lambda: server.orchestrator.stop_router(router, family, forced=forced)
    )


@command("startRouter", "Starts a router.", _ID, is_async=True)
async def start_router(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Boot and program."""
    router = server.router(arguments["id"])
    family = _scheduled(server, router, "ROUTER.START", "starting router: ")
    return _submit(server, router, "StartRouterCmd", lambda: server.orchestrator.start_router(router, family))


@command("destroyRouter", "Destroys a router.", _ID, is_async=True)
async def destroy_router(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Power off and expunge. Its only event is the Scheduled one."""
    router = server.router(arguments["id"])
    _scheduled(server, router, "ROUTER.DESTROY", "destroying router: ")
    return _submit(server, router, "DestroyRouterCmd", lambda: server.orchestrator.destroy_router(router))


@command(
    "upgradeRouterTemplate",
    "Upgrades router to use newer template",
    Param("id", "uuid", entity="router"),
    Param("clusterid", "uuid", entity="cluster"),
    Param("podid", "uuid", entity="pod"),
    Param("zoneid", "uuid", entity="zone"),
    Param("account"),
    Param("domainid", "uuid", entity="domain"),
)
async def upgrade_router_template(server: Management, arguments: Arguments) -> dict[str, Any]:
    """One reboot job per running router. A router that is current ends it, after the earlier jobs were made."""
    if sum(name in arguments for name in _SCOPES) != 1:
        raise ApiError(PARAMETER, "Specify exactly one of router id, cluster id, pod id, zone id, domain id")
    if "account" in arguments and "domainid" not in arguments:
        raise ApiError(PARAMETER, "Domain id is needed together with an account")
    chosen = [router for router in server.routers if router.state == "Running" and router.role == "VIRTUAL_ROUTER"]
    if "id" in arguments:
        chosen = [router for router in chosen if router.id == arguments["id"]]
    if arguments.get("account", server.owner) != server.owner:
        chosen = []
    jobs: list[Job] = []
    for router in chosen:
        if not server.settings.below_minimum(router):
            raise ApiError(INTERNAL, "Router is already at the required version", 4250)
        family = server.begin_unscheduled("ROUTER.REBOOT", _resource(router))
        jobs.append(_reboot(server, router, family, forced=False))
    return {"count": len(jobs), "asyncjobs": [{"jobid": job.id} for job in jobs]} if jobs else {}


def _reboot(server: Management, router: Router, family: EventFamily, *, forced: bool) -> Job:
    return _job(
        server, router, "RebootRouterCmd", lambda: server.orchestrator.reboot_router(router, family, forced=forced)
    )


def _scheduled(server: Management, router: Router, kind: str, text: str) -> EventFamily:
    """The Scheduled event; it names the router by UUID, before 4.11 by its internal number."""
    name = router.id if server.profile.has(4, 11) else str(router.number)
    return server.begin(kind, f"{text}{name}", _resource(router))


def _resource(router: Router) -> tuple[str, str, str]:
    return (router.id, "DomainRouter", router.name)


def _submit(server: Management, router: Router, java: str, action: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    return {"jobid": _job(server, router, java, action).id}


def _job(server: Management, router: Router, java: str, action: Callable[[], Awaitable[None]]) -> Job:
    async def work() -> dict[str, Any]:
        await action()
        return {"router": router_row(server, router)}

    return server.jobs.submit(f"{_JAVA}.{java}", ("DomainRouter", router.id), work)
