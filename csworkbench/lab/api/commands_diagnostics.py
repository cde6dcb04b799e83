# SPDX-License-Identifier: Apache-2.0
"""Looking into a router: health checks; and ping, arping and traceroute run inside it or a system VM."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import shutil
from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.commands_routers import health_rows
from csworkbench.lab.api.errors import INTERNAL, PARAMETER, ApiError
from csworkbench.lab.api.registry import Arguments, Param, command
from csworkbench.lab.api.targets import EVENT, Target, target
from csworkbench.lab.events import EventFamily
from csworkbench.lab.hosts import SYSTEM_PATH, LabError

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_PARAMS = re.compile(r"^[\w\-\s.]+$", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_LIMIT_S = 60.0
"""Real seconds that one diagnostic may take."""
_KINDS = {"ping": ("-c", "4"), "arping": ("-c", "4"), "traceroute": ("-m", "20")}
_SIX = {"ping6": ("-c", "4"), "traceroute6": ("-m", "20")}
_NOT_FOUND = -1


@command(
    "getRouterHealthCheckResults",
    "Starts a router.",
    Param("routerid", "uuid", required=True, entity="router"),
    Param("performfreshchecks", "boolean"),
    since=(4, 14),
)
async def get_router_health_check_results(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The last results, or with `performfreshchecks` those of a run now; 530 when there are none."""
    router = server.router(arguments["routerid"])
    if not server.settings.flag("router.health.checks.enabled"):
        raise ApiError(INTERNAL, "Router health checks are not enabled for router " + router.name, 4250)
    if arguments.get("performfreshchecks", False):
        try:
            if router.state != "Running":
                raise LabError(f"it is {router.state}")
            await server.health.check(router)
        except LabError as error:
            text = f"Failed to perform fresh checks on router: {router.name}: {error}"
            raise ApiError(INTERNAL, text, 4250) from error
    rows = health_rows(server, router)
    if not rows:
        raise ApiError(
            INTERNAL,
            f"Database had no entries for health checks for router. This could happen for newly "
            f"created routers. Please wait for periodic results to populate or manually call for checks to "
            f"execute: {router.name}",
            4250,
        )
    return {"routerhealthchecks": {"routerid": router.id, "healthchecks": rows}}


@command(
    "runDiagnostics",
    "Execute network-utility command (ping/arping/tracert) on system VMs remotely",
    Param("targetid", "uuid", required=True, entity="anysystemvm"),
    Param("ipaddress", required=True),
    Param("type", required=True),
    Param("params"),
    is_async=True,
    since=(4, 12),
)
async def run_diagnostics(server: Management, arguments: Arguments) -> dict[str, Any]:
    """A job that runs the tool in the VM. Its Scheduled event is of another type than the later ones."""
    aim = target(server, arguments["targetid"])
    family = server.begin(aim.scheduled, f"Executing diagnostics on system vm: {aim.vm.id}", aim.resource)

    async def work() -> dict[str, Any]:
        return await _diagnose(server, aim, arguments, family)

    java = "org.apache.cloudstack.api.command.admin.diagnostics.RunDiagnosticsCmd"
    return {"jobid": server.jobs.submit(java, (aim.resource[1], aim.vm.id), work).id}


async def _diagnose(server: Management, aim: Target, arguments: Arguments, family: EventFamily) -> dict[str, Any]:
    kind = EVENT
    family.add(kind, "Started", "running diagnostics on system vm")
    try:
        argv = _argv(server, arguments)
        if not aim.running:
            raise ApiError(PARAMETER, f"Unable to execute diagnostics: {aim.vm.name} is not running on a host")
    except ApiError:
        family.add(kind, "Completed", "Error while running diagnostics on system vm", level="ERROR")
        raise
    output, errors, status = await _run(server, aim, argv)
    family.add(kind, "Completed", "Successfully completed running diagnostics on system vm")
    return {"diagnostics": {"stdout": output, "stderr": errors, "exitcode": str(status)}}


def _argv(server: Management, arguments: Arguments) -> list[str]:
    """The command line; raises ApiError 431 for what the real server does not let through either."""
    kinds = _KINDS | (_SIX if server.profile.has(4, 17) else {})
    kind, target = str(arguments["type"]).lower(), str(arguments["ipaddress"])
    if kind not in kinds:
        raise ApiError(PARAMETER, f"Invalid Type parameter: {arguments['type']}. Needs to be one of {', '.join(kinds)}")
    if not _is_address(target) and not _NAME.fullmatch(target):
        raise ApiError(PARAMETER, f"Invalid destination ipaddress: {target}")
    given = str(arguments.get("params", ""))
    if given and not _PARAMS.match(given):
        raise ApiError(PARAMETER, "Illegal argument passed as part of params")
    words = given.split()
    option, count = kinds[kind]
    if not any(word.startswith(option) for word in words):
        words += [option, count]
    trace = ["traceroute"] if shutil.which("traceroute", path=SYSTEM_PATH) else ["busybox", "traceroute"]
    programs = {"ping6": ["ping", "-6"], "traceroute": trace, "traceroute6": [*trace, "-6"]}
    program = programs.get(kind, [kind])
    return [*program, *words, target]  # options first: busybox takes none behind the address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


async def _run(server: Management, aim: Target, argv: list[str]) -> tuple[str, str, int]:
    """Standard output, standard error, exit status; -1 when it could not run or did not end."""
    try:
        async with asyncio.timeout(_LIMIT_S):
            done = await aim.host().run(*argv, check=False)
    except TimeoutError:
        return "", f"{argv[0]} did not end within {_LIMIT_S:.0f} s", _NOT_FOUND
    except LabError as error:
        return "", str(error), _NOT_FOUND
    return done.output.strip(), done.errors.strip(), done.status
