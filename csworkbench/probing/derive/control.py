# SPDX-License-Identifier: Apache-2.0
"""Lanes that do not pass the router: an outage in one of them is not the router's (S7)."""

from csworkbench.model.lane import Prober, Service, Vantage

from .draft import Draft

LOOPBACK = "127.0.0.1"


def control(draft: Draft) -> None:
    """Per tenant loopback and a peer on the same L2; from outside loopback and an unrelated host."""
    for vantage in draft.tenants:
        if vantage.name in draft.able.python:  # the shell agent has no more than its one kind of lane
            _ping(draft, vantage, LOOPBACK)
            _peer(draft, vantage)
    outside = draft.outside
    if outside is None:
        return
    _ping(draft, outside, LOOPBACK)
    if draft.targets.outside_control:
        _ping(draft, outside, draft.targets.outside_control)
    else:
        draft.leave_out(Service.CONTROL, "an unrelated host from outside", "vantages.outside.control is not given")


def _peer(draft: Draft, vantage: Vantage) -> None:
    """The next VM, round in a circle, so that each is asked by one other; a quiet one neither asks nor is asked."""
    if vantage.quiet:
        return
    ring = [vm for vm in draft.beside(vantage) if vm.name == vantage.name or vm.name not in draft.quiet]
    names = [vm.name for vm in ring]
    if vantage.name not in names or len(ring) < 2:
        draft.leave_out(Service.CONTROL, f"a peer of {vantage.name}", "there is no other VM on its network")
        return
    _ping(draft, vantage, ring[(names.index(vantage.name) + 1) % len(ring)].ip)


def _ping(draft: Draft, vantage: Vantage, target: str) -> None:
    draft.add(Service.CONTROL, Prober.ICMP, vantage, target, draft.intervals.control, flow="new")
