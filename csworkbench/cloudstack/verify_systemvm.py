# SPDX-License-Identifier: Apache-2.0
"""Did the operation on a system VM do what it should? Pure."""

from csworkbench.model.cloud import Inventory, SystemVm

from .text import one_line
from .verify import Verified, release, same_release


def verify_patched_system_vm(before: Inventory, after: Inventory, said: str) -> Verified:
    """The agent's version is the VM's own word; `said` is the job's text."""
    found = verify_same_system_vm(before, after)
    server, old, new = before.server_version, _version(before), _version(after)
    needed = bool(server and old) and not same_release(old, server)
    reasons = list(found.reasons)
    if needed and old == new:
        reasons.insert(0, f"it was not patched: its agent is {one_line(old, 30)} as before")
    elif not needed and old:
        reasons.append(f"its agent had the server's version {one_line(old, 30)} before: there was nothing to patch")
    if said:
        reasons.append(f"CloudStack: {one_line(said, 120)}")
    upgraded = found.sound and _higher(old, new)
    return Verified(old != new, found.sound, tuple(reasons), upgraded, tells=needed)


def verify_same_system_vm(before: Inventory, after: Inventory) -> Verified:
    """The same VM, Running with its agent Up."""
    old = before.systemvms[0]
    now = next((vm for vm in after.systemvms if vm.id == old.id), None)
    if now is None:
        return Verified(True, False, (f"{_name(old)} is gone",))
    wrong = _wrong(now)
    return Verified(
        now != old, not wrong, (*wrong, *_differences(old, now)), _higher(old.version, now.version), tells=False
    )


def verify_recreated_system_vm(before: Inventory, after: Inventory) -> Verified:
    """The VM gone, and another one of its kind, Running with its agent Up."""
    old = before.systemvms[0]
    new = [vm for vm in after.systemvms if vm.id != old.id]
    wrong = [f"{_name(vm)} is still there" for vm in after.systemvms if vm.id == old.id]
    if not new:
        return Verified(False, False, (*wrong, f"nothing has replaced {_name(old)}"))
    wrong += [text for vm in new for text in _wrong(vm)]
    told = [f"{_name(old)} is gone"]
    for vm in new:
        version = f", version {one_line(vm.version, 30)}" if vm.version else ""
        told.append(f"{_name(vm)} is new{version}")
        if vm.public_ip != old.public_ip:
            told.append(
                f"its address is {one_line(vm.public_ip, 60)}, not {one_line(old.public_ip, 60)}: clients that"
                " kept the old one do not find it"
            )
    upgraded = not wrong and all(_higher(old.version, vm.version) for vm in new)
    return Verified(True, not wrong, (*wrong, *told), upgraded)


def _wrong(vm: SystemVm) -> list[str]:
    wrong = [] if vm.state == "Running" else [f"{_name(vm)} is {one_line(vm.state, 20)}, not Running"]
    if vm.agent_state not in ("Up", ""):
        wrong.append(f"the agent of {_name(vm)} is {one_line(vm.agent_state, 20)}, not Up")
    return wrong


def _differences(old: SystemVm, new: SystemVm) -> list[str]:
    fields = ("state", "agent_state", "version", "public_ip", "private_ip")
    pairs = ((field, getattr(old, field), getattr(new, field)) for field in fields)
    return [
        f"{_name(new)}: {field.replace('_', ' ')} {one_line(a, 40) or 'unknown'} → {one_line(b, 40) or 'unknown'}"
        for field, a, b in pairs
        if a != b
    ]


def _version(found: Inventory) -> str:
    return found.systemvms[0].version if found.systemvms else ""


def _higher(old: str, new: str) -> bool:
    first, second = release(old), release(new)
    return first is not None and second is not None and second > first


def _name(vm: SystemVm) -> str:
    return one_line(vm.name, 40)
