# SPDX-License-Identifier: Apache-2.0
"""Routers by what they serve: the one, the pair, or the surplus of each network or VPC."""

from collections.abc import Iterable, Iterator

from csworkbench.model.fleet import Kind, SystemVm

_ROUTERS = (Kind.ROUTER, Kind.VPC_ROUTER)


class Served:
    """Routers grouped by the network or VPC that they serve; internal LB VMs, SSVMs and CPVMs stand alone."""

    def __init__(self, vms: Iterable[SystemVm]) -> None:
        self._groups: dict[str, list[SystemVm]] = {}
        for vm in vms:
            self._groups.setdefault(_key(vm), []).append(vm)

    def of(self, vm: SystemVm) -> tuple[SystemVm, ...]:
        """All routers of the same network or VPC, itself among them."""
        return tuple(self._groups.get(_key(vm), (vm,)))

    def routers(self) -> Iterator[tuple[SystemVm, ...]]:
        """Each network's or VPC's routers."""
        for group in self._groups.values():
            if group[0].kind in _ROUTERS:
                yield tuple(group)


def name_of(vm: SystemVm) -> str:
    """What a router serves, for people."""
    return vm.vpc or vm.network or vm.vpc_id or next(iter(vm.network_ids), "") or vm.zone


def _key(vm: SystemVm) -> str:
    if vm.kind is Kind.VPC_ROUTER:
        return f"vpc {vm.vpc_id}"
    if vm.kind is Kind.ROUTER and vm.network_ids:
        return f"network {vm.network_ids[0]}"
    return f"vm {vm.id}"
