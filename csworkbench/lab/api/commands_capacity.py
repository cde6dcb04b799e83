# SPDX-License-Identifier: Apache-2.0
"""How much of each zone is taken: memory, CPU, public and private addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab import plan
from csworkbench.lab.api.listing import Row, matches, reply, row
from csworkbench.lab.api.registry import Arguments, Param, command

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_MEMORY, _CPU, _PUBLIC, _PRIVATE = 0, 1, 4, 5
_NAMES = {_MEMORY: "MEMORY", _CPU: "CPU", _PUBLIC: "VIRTUAL_NETWORK_PUBLIC_IP", _PRIVATE: "PRIVATE_IP"}
_VM_MEMORY, _VM_MHZ = 512 << 20, 500
"""Of the offerings for tenants and for routers: both are the same size."""
_HOST_MEMORY, _HOST_MHZ = 256 << 30, 256_000
_PRIVATE_ADDRESSES = 100


@command(
    "listCapacity",
    "Lists all the system wide capacities.",
    Param("type", "integer"),
    Param("zoneid", "uuid", entity="zone"),
    Param("podid", "uuid", entity="pod"),
    Param("clusterid", "uuid", entity="cluster"),
    Param("fetchlatest", "boolean"),
    Param("sortby"),
)
async def list_capacity(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The zone that has a host. With the fault `no-capacity` its memory and CPU are all taken."""
    full = server.faults.is_set("no-capacity")
    states = [vm.state for vm in server.vms] + [router.state for router in server.routers]
    states += [vm.state for vm in server.system_vm_rows]
    count = sum(state in ("Running", "Starting", "Stopping") for state in states)
    public = len(list(plan.free_addresses(())))
    items = [
        _row(server, _MEMORY, _HOST_MEMORY if full else count * _VM_MEMORY, _HOST_MEMORY),
        _row(server, _CPU, _HOST_MHZ if full else count * _VM_MHZ, _HOST_MHZ),
        _row(server, _PUBLIC, min(public, len(server.ips)), public),
        _row(server, _PRIVATE, len(server.system_vm_rows), _PRIVATE_ADDRESSES),
    ]
    return reply("capacity", [item for item in items if matches(item, arguments, ("type", "zoneid"))], arguments)


def _row(server: Management, kind: int, used: int, total: int) -> Row:
    zone = server.fixtures.zone
    return row(
        type=kind,
        name=_NAMES[kind] if server.profile.has(4, 16) else None,
        zoneid=zone,
        zonename=server.zone_name(zone),
        capacityused=used,
        capacitytotal=total,
        percentused=f"{100 * used / total:.2f}",
    )
