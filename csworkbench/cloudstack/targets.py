# SPDX-License-Identifier: Apache-2.0
"""What a scenario names, as an Inventory: a network, a VPC, a router or a system VM (cloudstack-api.md 3.3, 3.4)."""

import difflib
from contextlib import suppress
from dataclasses import dataclass, replace

from csworkbench.model.cloud import Inventory, Network, SystemVm, Vpc

from .client import Client, Value
from .envelope import Row, flag, rows, string
from .errors import BadParameter, BadTarget, CloudStackError, Unsupported
from .inventory import SHORT, read_inventory, read_networks, read_routers, to_network
from .networks import ALL_PROJECTS
from .text import one_line


@dataclass(frozen=True, slots=True)
class _Kind:
    command: str
    object_key: str
    noun: str
    in_projects: bool = True


_VPC = _Kind("listVPCs", "vpc", "VPC")
_ROUTER = _Kind("listRouters", "router", "router")
_SYSTEM_VM = _Kind("listSystemVms", "systemvm", "system VM", in_projects=False)


async def read_target(client: Client, kind: str, name: str) -> Inventory:
    """The target of that kind (`network`, `vpc`, `router`, `systemvm`) and name or id. Raises CloudStackError."""
    match kind:
        case "vpc":
            return await _read_vpc(client, await _find(client, _VPC, name))
        case "router":
            return await _read_router(client, await _find(client, _ROUTER, name))
        case "systemvm":
            return await _with_system_vms(client, (to_system_vm(await _find(client, _SYSTEM_VM, name)),))
        case _:
            return await read_inventory(client, name)


async def read_again(client: Client, before: Inventory) -> Inventory:
    """The same target now; of a system VM whatever has taken its place. Raises CloudStackError."""
    if before.systemvms:
        return await _with_system_vms(client, await read_system_vms(client, before.systemvms[0]))
    if before.vpc is not None:
        found = await _read_vpc(client, await _find(client, _VPC, before.vpc.id))
    else:
        found = await read_inventory(client, before.network.id)
    return replace(found, target_router=before.target_router)


async def refresh(client: Client, shown: Inventory) -> Inventory:
    """Its routers or system VMs now, all else as it was. Raises CloudStackError."""
    if shown.systemvms:
        return replace(shown, systemvms=await read_system_vms(client, shown.systemvms[0]) or shown.systemvms)
    vpc_id = shown.vpc.id if shown.vpc is not None else ""
    return replace(shown, routers=await read_routers(client, shown.network.id, shown.project_id or None, vpc_id))


async def read_system_vms(client: Client, like: SystemVm) -> tuple[SystemVm, ...]:
    """The system VMs of that kind in that zone. Raises CloudStackError."""
    params: dict[str, Value] = {"systemvmtype": like.kind, "zoneid": like.zone_id or None}
    found = await client.list_all(_SYSTEM_VM.command, _SYSTEM_VM.object_key, **params)
    return tuple(sorted((to_system_vm(row) for row in found), key=lambda vm: vm.name))


def to_system_vm(row: Row) -> SystemVm:
    """The system VM in a row of listSystemVms."""
    return SystemVm(
        id=string(row.get("id"), 64),
        name=string(row.get("name"), SHORT),
        kind=string(row.get("systemvmtype"), 32),
        state=string(row.get("state"), 32),
        agent_state=string(row.get("agentstate"), 32),
        version=string(row.get("version"), 64),
        public_ip=string(row.get("publicip"), 64),
        private_ip=string(row.get("privateip"), 64),
        zone_id=string(row.get("zoneid"), 64),
    )


async def _with_system_vms(client: Client, vms: tuple[SystemVm, ...]) -> Inventory:
    version = (await client.capabilities()).version
    addresses = tuple(vm.public_ip for vm in vms if vm.public_ip)
    return Inventory(version, Network("", "", ""), public_ips=addresses, systemvms=vms)


async def _read_vpc(client: Client, row: Row) -> Inventory:
    vpc = Vpc(
        id=string(row.get("id"), 64),
        name=string(row.get("name"), SHORT),
        state=string(row.get("state"), 32),
        cidr=string(row.get("cidr"), 64),
        restart_required=flag(row.get("restartrequired")),
        redundant=flag(row.get("redundantvpcrouter")),
        project_id=string(row.get("projectid"), 64),
    )
    tiers = tuple(replace(to_network(tier), vpc_id=vpc.id) for tier in rows(row, "network"))
    scope = {"vpcid": vpc.id}
    if tiers:
        return replace(await read_networks(client, tiers, scope, scope), vpc=vpc, tiers=tiers)
    routers = await read_routers(client, "", vpc.project_id or None, vpc.id)
    version = (await client.capabilities()).version
    return Inventory(version, Network("", "", "", vpc_id=vpc.id), routers, vpc=vpc)


async def _read_router(client: Client, row: Row) -> Inventory:
    guests = [string(nic.get("networkid")) for nic in rows(row, "nic") if string(nic.get("traffictype")) == "Guest"]
    network_id = string(row.get("guestnetworkid"), 64) or next((one for one in guests if one), "")
    name = one_line(row.get("name"), 60)
    if string(row.get("vpcid")):
        found = await _read_vpc(client, await _find(client, _VPC, string(row.get("vpcid"), 64)))
    elif network_id:
        found = await read_inventory(client, network_id)
    else:
        hint = "Name its network instead."
        raise BadTarget(_ROUTER.command, f"{name} has no network now, so nothing can be measured", hint=hint)
    return replace(found, target_router=string(row.get("id"), 64))


async def _find(client: Client, kind: _Kind, name_or_id: str) -> Row:
    """The one row with exactly this name or id. Raises BadTarget, Unsupported or another CloudStackError."""
    wanted = name_or_id.strip()
    if not (await client.capabilities()).has(kind.command):
        text = f"this key may not look for a {kind.noun}"
        raise Unsupported(kind.command, text, hint="Use an administrator's key, or name the network.")
    found = await _listed(client, kind, {"name": wanted})
    if not (matches := _matches(found, wanted)):
        with suppress(BadParameter):
            matches = _matches(await _listed(client, kind, {"id": wanted}), wanted)
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(one_line(row.get("id"), 40) for row in matches[:5])
        text = f"{len(matches)} {kind.noun}s are called {one_line(wanted, 60)}: {ids}"
        raise BadTarget(kind.command, text, hint="Write the id in place of the name.")
    names = sorted({string(row.get("name"), 100) for row in await _listed(client, kind, {})} - {""})
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5) or names[:5]
    hint = f"This key sees {', '.join(one_line(n, 60) for n in near)}." if near else f"This key sees no {kind.noun}."
    raise BadTarget(kind.command, f"no {kind.noun} is called {one_line(wanted, 60)}", hint=hint)


def _matches(found: list[Row], wanted: str) -> list[Row]:
    return [row for row in found if wanted in (string(row.get("name")), string(row.get("id")))]


async def _listed(client: Client, kind: _Kind, params: dict[str, Value]) -> list[Row]:
    found = await client.list_all(kind.command, kind.object_key, **params)
    if not kind.in_projects:
        return found
    try:
        more = await client.list_all(kind.command, kind.object_key, **params, projectid=ALL_PROJECTS)
    except CloudStackError:
        return found
    known = {row.get("id") for row in found}
    return found + [row for row in more if row.get("id") not in known]
