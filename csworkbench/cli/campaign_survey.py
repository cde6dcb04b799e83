# SPDX-License-Identifier: Apache-2.0
"""Which networks have tenants that a run can measure from: two lists for the whole cloud, not one for each network."""

from collections.abc import Mapping
from typing import Any

from csworkbench.cloudstack import Client, CloudStackError
from csworkbench.cloudstack.envelope import Row, rows, string
from csworkbench.cloudstack.networks import ALL_PROJECTS
from csworkbench.model.scenario import Tenants
from csworkbench.upgrade.campaign.select import Tenancy


async def survey(client: Client, tenants: Tenants | None) -> dict[str, Tenancy]:
    """The tenants of each network by its id. A run looks again before it begins. Raises CloudStackError."""
    vms = await _of_all(client, "listVirtualMachines", "virtualmachine")
    rules = await _of_all(client, "listPortForwardingRules", "portforwardingrule")
    return tenancies(vms, rules, tenants)


def tenancies(vms: list[Row], rules: list[Row], tenants: Tenants | None) -> dict[str, Tenancy]:
    """From the rows of both lists."""
    forwarded = {
        string(row.get("virtualmachineid"), 64)
        for row in rows({"rule": rules}, "rule")
        if tenants is not None and string(row.get("privateport"), 8) == str(tenants.port)
    }
    members: dict[str, list[tuple[str, str]]] = {}
    for vm in vms:
        for nic in rows(vm, "nic"):
            network = string(nic.get("networkid"), 64)
            members.setdefault(network, []).append((string(vm.get("name"), 255), _why_not(vm, tenants, forwarded)))
    found = {}
    for network, of in members.items():
        reached = tuple(sorted(name for name, why in of if not why))
        whys = dict.fromkeys(why for _, why in of if why)
        found[network] = Tenancy(reached, "" if reached else "; ".join(whys))
    return found


def _why_not(vm: Row, tenants: Tenants | None, forwarded: set[str]) -> str:
    name, state = string(vm.get("name"), 255), string(vm.get("state"), 32)
    if tenants is None:
        return "the plan has no vantages in tenants"
    if tenants.vms not in ("all", ("all",)) and name not in tenants.vms:
        return "none of the VMs that the plan names"
    if state != "Running":
        return f"no VM runs ({state})"
    if tenants.management is not None:
        return (
            "" if _managed(vm, name, tenants.management.addresses, tenants.management.network) else "no VM is managed"
        )
    if string(vm.get("id"), 64) in forwarded or tenants.jump:
        return ""
    return f"no port-forwarding rule leads to port {tenants.port} of a VM"


def _managed(vm: Row, name: str, addresses: Mapping[str, str], network: str) -> bool:
    nics: list[dict[str, Any]] = rows(vm, "nic")
    return name in addresses or any(
        network in (nic.get("networkid"), nic.get("networkname")) for nic in nics if network
    )


async def _of_all(client: Client, command: str, key: str) -> list[Row]:
    """Rows of accounts and of projects."""
    found = await client.list_all(command, key)
    try:
        in_projects = await client.list_all(command, key, projectid=ALL_PROJECTS)
    except CloudStackError:
        return found  # a role that sees no projects
    known = {row.get("id") for row in found}
    return found + [row for row in in_projects if row.get("id") not in known]
