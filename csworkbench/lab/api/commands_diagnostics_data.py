# SPDX-License-Identifier: Apache-2.0
"""getDiagnosticsData: files of a router or system VM, to be downloaded from the secondary storage VM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab import diagnostics_data
from csworkbench.lab.api.errors import INTERNAL, PARAMETER, ApiError
from csworkbench.lab.api.registry import Arguments, Param, command
from csworkbench.lab.api.targets import EVENT, Target, target
from csworkbench.lab.hosts import Host, LabError
from csworkbench.lab.records import Router
from csworkbench.lab.systemvm_machine import SECONDARY_STORAGE

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_DOING = "getting diagnostics files on system vm"


@command(
    "getDiagnosticsData",
    "Get diagnostics data files from system VMs",
    Param("targetid", "uuid", required=True, entity="anysystemvm"),
    Param("files", "list"),
    is_async=True,
    since=(4, 14),
)
async def get_diagnostics_data(server: Management, arguments: Arguments) -> dict[str, Any]:
    """A job whose result is a URL; without `files` those that the settings name."""
    aim = target(server, arguments["targetid"])
    text = f"Getting diagnostics data files from system vm: {aim.vm.id}"
    family = server.begin(aim.scheduled, text, aim.resource)

    async def work() -> dict[str, Any]:
        family.add(EVENT, "Started", _DOING)
        try:
            url = await _published(server, aim, arguments.get("files") or _defaults(server, aim))
        except ApiError:
            family.add(EVENT, "Completed", f"Error while {_DOING}", level="ERROR")
            raise
        family.add(EVENT, "Completed", f"Successfully completed {_DOING}")
        return {"diagnostics": {"url": url}}

    java = "org.apache.cloudstack.api.command.admin.diagnostics.GetDiagnosticsDataCmd"
    return {"jobid": server.jobs.submit(java, ("SystemVm", aim.vm.id), work).id}


def _defaults(server: Management, aim: Target) -> list[str]:
    kind = "router" if isinstance(aim.vm, Router) else "systemvm"
    names = server.settings.value(f"diagnostics.data.{kind}.defaults").split(",")
    return [name.strip() for name in names if name.strip()]


async def _published(server: Management, aim: Target, files: list[str]) -> str:
    """Collect, copy, publish; raises ApiError 431 for hostile names and 530 for the rest, in the real order."""
    if not aim.running:
        raise ApiError(INTERNAL, f"Unable to find host for virtual machine instance: {aim.vm.name}")
    try:
        diagnostics_data.check(files)
    except ValueError as error:
        raise ApiError(PARAMETER, f"Invalid parameter files: {error}") from error
    try:
        source = aim.host()
        archive = await diagnostics_data.collect(source, files)
    except LabError as error:
        text = f"Failed to generate diagnostics zip file in VM {aim.vm.id} due to: {error}"
        raise ApiError(INTERNAL, text) from error
    try:
        address, store = _storage(server, archive)
        name = f"{server.new_id()}.zip"
        await diagnostics_data.publish(source, archive, store, name)
    except LabError as error:
        raise ApiError(INTERNAL, f"Failed to copy {archive} to secondary storage due to: {error}.") from error
    finally:
        await diagnostics_data.discard(source, archive)
    return f"https://{address}/userdata/{name}"


def _storage(server: Management, archive: str) -> tuple[str, Host]:
    """Public address and machine of the secondary storage VM that publishes; raises ApiError 530 or LabError."""
    vms = server.system_vms
    found = [] if vms is None else [vm for vm in vms.rows if vm.kind is SECONDARY_STORAGE]
    if vms is None or not found:
        raise ApiError(INTERNAL, f"No SSVM found in zone with ID: {server.fixtures.zone}")
    reachable = [vm for vm in found if vm.state == "Running" and vm.agent_state == "Up"]
    if not reachable:
        why = "No remote endpoint to send command, check if host or ssvm is down?"
        raise ApiError(INTERNAL, f"Unable to create a link for entity at {archive} on ssvm,{why}")
    return reachable[0].public_address, vms.machine(reachable[0]).host
