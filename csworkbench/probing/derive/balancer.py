# SPDX-License-Identifier: Apache-2.0
"""Load balancers from outside, and their back ends from within, so that a dead one is not blamed on the router."""

from csworkbench.model.cloud import Balancer
from csworkbench.model.lane import Prober, Service

from .draft import Draft

BACK_ENDS = 5  # of each rule


def balancer(draft: Draft) -> None:
    """Per rule a connection from outside (the headline); per back end one from another tenant, as a control."""
    outside = draft.outside
    if not draft.targets.wants(Service.BALANCER):
        return
    for rule in draft.inventory.balancers:
        what = f"{rule.name} {rule.public_ip}:{rule.public_port}"
        if outside is None:
            draft.leave_out(Service.BALANCER, what, "there is no outside vantage")
        elif "tcp" not in rule.protocol and rule.protocol != "ssl":
            draft.leave_out(Service.BALANCER, what, f"only TCP is probed, this is {rule.protocol}")
        elif not rule.vm_ids and "back ends of load balancers" not in draft.inventory.unlisted:
            draft.leave_out(Service.BALANCER, what, "there is no VM behind it")
        else:
            draft.add(
                Service.BALANCER, Prober.CONNECT, outside, rule.public_ip, draft.intervals.balancer,
                port=rule.public_port, subject=rule.name or rule.public_ip, headline=True,
            )  # fmt: skip
            _back_ends(draft, rule)


def _back_ends(draft: Draft, rule: Balancer) -> None:
    vms = {vm.id: vm for vm in draft.inventory.vms}
    fit = [vms[vm_id] for vm_id in rule.vm_ids if vm_id in vms and vms[vm_id].ip]
    for place, vm in enumerate(vm for vm in fit[:BACK_ENDS] if vm.name not in draft.quiet):
        # From another tier it would pass the router, and be no control.
        own = draft.inventory.network_of(vm.ip)
        others = [v for v in draft.flow_tenants if v.name != vm.name and draft.network_of(v) == own]
        if others:
            draft.add(
                Service.CONTROL, Prober.CONNECT, others[place % len(others)], vm.ip, draft.intervals.balancer,
                port=rule.private_port, subject=vm.name,
            )  # fmt: skip
