# SPDX-License-Identifier: Apache-2.0
"""System VMs of secondary storage and console proxy: their list, and what is done to one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from csworkbench.lab import plan
from csworkbench.lab.api.errors import PARAMETER, ApiError
from csworkbench.lab.api.listing import Row, has_keyword, matches, reply, row, stamp
from csworkbench.lab.api.registry import Arguments, Param, command, uuid_filter
from csworkbench.lab.events import Event, EventFamily
from csworkbench.lab.sessions import current
from csworkbench.lab.systemvm_machine import CONSOLE_PROXY, SystemVm
from csworkbench.lab.systemvm_manager import SystemVms

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_ID = Param("id", "uuid", required=True, entity="systemvm")
_JAVA = "org.apache.cloudstack.api.command.admin.systemvm"
_POWERED = frozenset({"Starting", "Running", "Stopping"})
_NAMES = ("id", "name", "state", "systemvmtype", "zoneid", "podid", "hostid")


@command(
    "listSystemVms",
    "List system virtual machines.",
    uuid_filter("systemvm"),
    Param("name"),
    Param("state"),
    Param("systemvmtype"),
    Param("zoneid", "uuid", entity="zone"),
    Param("podid", "uuid", entity="pod"),
    Param("hostid", "uuid", entity="host"),
    Param("storageid", "uuid", entity="storage"),
)
async def list_system_vms(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Both kinds."""
    items = [system_vm_row(server, vm) for vm in server.system_vm_rows]
    kept = [item for item in items if matches(item, arguments, _NAMES) and has_keyword(item, arguments)]
    return reply("systemvm", kept, arguments)


def system_vm_row(server: Management, vm: SystemVm) -> Row:
    """A system VM as the API shows it; what its agent tells from 4.13.1 on."""
    fixed, profile = server.fixtures, server.profile
    on, agent = vm.state in _POWERED, profile.has(4, 13, 1)
    pending = server.jobs.pending(vm.id)
    return row(
        id=vm.id,
        systemvmtype=vm.kind.type,
        zoneid=fixed.zone,
        zonename="zone1",
        dns1=plan.PUBLIC_GATEWAY,
        gateway=plan.PUBLIC_GATEWAY,
        name=vm.name,
        podid=fixed.pod,
        podname="pod1" if profile.has(4, 13) else None,
        hostid=fixed.host if on else None,
        hostname="kvm-01" if on else None,
        hypervisor="KVM",
        privateip=vm.private_address if on else None,
        privatemacaddress=vm.private_mac if on else None,
        privatenetmask="255.255.255.0" if on else None,
        linklocalip=vm.control_address if on else None,
        linklocalmacaddress=vm.control_mac if on else None,
        linklocalnetmask="255.255.0.0" if on else None,
        publicip=vm.public_address,
        publicmacaddress=vm.public_mac,
        publicnetmask=str(plan.PUBLIC.netmask),
        templateid=fixed.router_template,
        templatename=f"systemvm-kvm-{server.settings.template}" if profile.has(4, 16) else None,
        created=stamp(vm.created),
        state=vm.state,
        agentstate=vm.agent_state if agent else None,
        disconnected=stamp(vm.disconnected) if agent and vm.disconnected is not None else None,
        version=vm.agent_version if agent else None,
        activeviewersessions=0 if vm.kind is CONSOLE_PROXY else None,
        jobid=pending[0].id if pending else None,
        jobstatus=0 if pending else None,
    )


def host_row(server: Management, vm: SystemVm) -> Row:
    """The host row that its agent made when it connected first."""
    fixed, profile = server.fixtures, server.profile
    return row(
        id=vm.host_id,
        name=vm.name,
        state=vm.agent_state,
        disconnected=None if vm.disconnected is None else stamp(vm.disconnected),
        type=vm.kind.host_type,
        ipaddress=vm.private_address,
        zoneid=fixed.zone,
        zonename="zone1",
        podid=fixed.pod,
        podname="pod1",
        version=vm.agent_version,
        resourcestate="Enabled",
        managementserverid=fixed.server if profile.has(4, 21) and vm.agent_state == "Up" else None,
    )


@command("startSystemVm", "Starts a system virtual machine.", _ID, is_async=True)
async def start_system_vm(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Boot it, with a new disk when another template is registered."""
    vms, vm = _found(server, arguments)
    return _submit(server, vm, ("START", "starting"), lambda: vms.start(vm))


@command("stopSystemVm", "Stops a system VM.", _ID, Param("forced", "boolean"), is_async=True)
async def stop_system_vm(server: Management, arguments: Arguments) -> dict[str, Any]:
    """An orderly end, or power off (`forced`); the load scanner starts it again."""
    vms, vm = _found(server, arguments)
    forced = bool(arguments.get("forced", False))
    return _submit(server, vm, ("STOP", "stopping"), lambda: vms.stop(vm, forced=forced))


@command("rebootSystemVm", "Reboots a system VM.", _ID, Param("forced", "boolean", since=(4, 16)), is_async=True)
async def reboot_system_vm(server: Management, arguments: Arguments) -> dict[str, Any]:
    """A reboot of the guest, or with `forced` stop and start. No Completed event."""
    vms, vm = _found(server, arguments)
    forced = bool(arguments.get("forced", False))
    return _submit(server, vm, ("REBOOT", "rebooting"), lambda: vms.reboot(vm, forced=forced))


@command("destroySystemVm", "Destroys a system virtual machine.", _ID, is_async=True)
async def destroy_system_vm(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Expunge it together with its host row. Nothing tells of the one that replaces it."""
    vms, vm = _found(server, arguments)
    return _submit(server, vm, ("DESTROY", "destroying"), lambda: vms.destroy(vm))


@command(
    "patchSystemVm",
    "Attempts to live patch systemVMs - CPVM, SSVM ",
    Param("id", "uuid", entity="anysystemvm"),
    Param("forced", "boolean"),
    is_async=True,
    since=(4, 17),
)
async def patch_system_vm(server: Management, arguments: Arguments) -> dict[str, Any]:
    """New code and new service processes on a running VM. A router, or no id at all, is refused by the job only."""
    identity, forced = str(arguments.get("id", "")), bool(arguments.get("forced", False))
    text = f"Attempting to live patch System VM with Id: {identity} "
    _scheduled(server, "LIVE.PATCH.SYSTEM.VM", text, _patched(server, identity))

    async def work() -> dict[str, Any]:
        if not identity:
            raise ApiError(PARAMETER, "Please provide a valid ID of a system VM to be patched")
        vm = server.system_vms.find(identity) if server.system_vms is not None else None
        if server.system_vms is None or vm is None:
            refusal = "patchSystemVM API can be used to patch CPVM / SSVM only."
            raise ApiError(PARAMETER, f"Unable to find SystemVm with id {identity}. {refusal}")
        return {"success": True, "details": await server.system_vms.patch(vm, forced=forced)}

    return {"jobid": server.jobs.submit(f"{_JAVA}.PatchSystemVMCmd", ("SystemVm", identity), work).id}


def _patched(server: Management, identity: str) -> tuple[str, str, str] | None:
    """What the event of a live patch is about: nothing when it names nothing."""
    names = {vm.id: vm.name for vm in server.system_vm_rows} | {router.id: router.name for router in server.routers}
    return (identity, "SystemVm", names[identity]) if identity in names else None


def _found(server: Management, arguments: Arguments) -> tuple[SystemVms, SystemVm]:
    """Raises ApiError 431 when it went since the parameter was checked."""
    vms = server.system_vms
    vm = None if vms is None else vms.find(arguments["id"])
    if vms is None or vm is None:
        raise ApiError(PARAMETER, "Unable to find a system vm of specified instanceId")
    return vms, vm


def _submit(
    server: Management, vm: SystemVm, operation: tuple[str, str], action: Callable[[], Awaitable[None]]
) -> dict[str, Any]:
    """`operation`: the last word of the event type, and what is done."""
    verb, doing = operation
    kind = f"{vm.kind.events}.{verb}"
    family = _scheduled(server, kind, f"{doing} system vm: {vm.id}", (vm.id, "SystemVm", vm.name))

    async def work() -> dict[str, Any]:
        text = f"{doing} {'console proxy' if vm.kind is CONSOLE_PROXY else 'secondary storage'} Vm"
        family.add(kind, "Started", text)
        try:
            await action()
        except ApiError:
            if verb != "REBOOT":
                family.add(kind, "Completed", f"Error while {text}", level="ERROR")
            raise
        if verb != "REBOOT":
            family.add(kind, "Completed", f"Successfully completed {text}")
        return {"systemvm": system_vm_row(server, vm)}

    java = f"{_JAVA}.{verb.capitalize()}SystemVmCmd"
    return {"jobid": server.jobs.submit(java, ("SystemVm", vm.id), work).id}


def _scheduled(server: Management, kind: str, text: str, resource: tuple[str, str, str] | None) -> EventFamily:
    """The Scheduled event; system VMs belong to nobody, so it is the caller's."""
    caller = current()
    first = Event(server.new_id(), kind, "INFO", text, "Scheduled", caller.account, caller.user, None, resource)
    server.log.events.append(first)
    return EventFamily(server.log, server.new_id, caller.account, caller.user, first, first.id, server.log.starts)
